package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

const simBucket = "bench"

// face is a face of cloudsim as a plain HTTP client uses it.
type face struct {
	name    string
	handler func(*cloudsim.Core) http.Handler
	header  http.Header
	put     func(key string) (method, path string)
	get     func(key string) string
	list    string
	entry   string // stands once in a listing for each key
}

func faces() []face {
	return []face{
		{
			name:    "S3",
			handler: func(c *cloudsim.Core) http.Handler { return cloudsim.NewS3(c, cloudsim.S3Options{}) },
			put:     func(key string) (string, string) { return http.MethodPut, "/" + simBucket + "/" + key },
			get:     func(key string) string { return "/" + simBucket + "/" + key },
			list:    "/" + simBucket + "?list-type=2", entry: "<Key>",
		},
		{
			name:    "GCS",
			handler: func(c *cloudsim.Core) http.Handler { return cloudsim.NewGCS(c, cloudsim.GCSOptions{}) },
			put: func(key string) (string, string) {
				return http.MethodPost, "/upload/storage/v1/b/" + simBucket + "/o?uploadType=media&name=" + url.QueryEscape(key)
			},
			get:  func(key string) string { return "/" + simBucket + "/" + key },
			list: "/storage/v1/b/" + simBucket + "/o", entry: `"name":`,
		},
		{
			name:    "Azure",
			handler: func(c *cloudsim.Core) http.Handler { return cloudsim.NewAzure(c, cloudsim.AzureOptions{}) },
			header:  http.Header{"X-Ms-Version": {"2024-11-04"}, "X-Ms-Blob-Type": {"BlockBlob"}},
			put: func(key string) (string, string) {
				return http.MethodPut, "/" + cloudsim.AzureAccount + "/" + simBucket + "/" + key
			},
			get:  func(key string) string { return "/" + cloudsim.AzureAccount + "/" + simBucket + "/" + key },
			list: "/" + cloudsim.AzureAccount + "/" + simBucket + "?restype=container&comp=list", entry: "<Name>",
		},
	}
}

// cloudsimRates says what the faces reach with a plain HTTP client in the same
// process, for objects of 4 KiB.
func cloudsimRates(ctx context.Context, d time.Duration, workers int) ([]rate, error) {
	var all []rate
	for _, f := range faces() {
		rates, err := f.rates(ctx, d, workers)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		all = append(all, rates...)
	}
	return all, nil
}

func (f face) rates(ctx context.Context, d time.Duration, workers int) ([]rate, error) {
	const listed = 5000 // keys that are there at least, for gets and listings
	core := cloudsim.NewCore(nil)
	core.CreateBucket(simBucket, false)
	base, stop := cloudsim.Serve(f.handler(core))
	defer stop()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: workers, DisableCompression: true}}
	defer client.CloseIdleConnections()

	body := bytes.Repeat([]byte("4 KiB..."), 512)
	do := func(ctx context.Context, method, path string, body []byte) ([]byte, error) {
		req, err := http.NewRequestWithContext(ctx, method, base+path, bytes.NewReader(body))
		if err != nil {
			return nil, err
		}
		for name, values := range f.header {
			req.Header[name] = values
		}
		resp, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		answer, err := io.ReadAll(resp.Body)
		if err == nil && resp.StatusCode/100 != 2 {
			err = fmt.Errorf("%s %s: %s", method, path, resp.Status)
		}
		return answer, err
	}
	put := func(ctx context.Context, i int) (int, error) {
		method, path := f.put(key(i))
		_, err := do(ctx, method, path, body)
		return 1, err
	}
	for i := range listed {
		if _, err := put(ctx, i); err != nil {
			return nil, err
		}
	}
	get := func(ctx context.Context, i int) (int, error) {
		answer, err := do(ctx, http.MethodGet, f.get(key(i%listed)), nil)
		if err == nil && len(answer) != len(body) {
			err = fmt.Errorf("GET answered %d bytes", len(answer))
		}
		return 1, err
	}
	list := func(ctx context.Context, _ int) (int, error) {
		answer, err := do(ctx, http.MethodGet, f.list, nil)
		n := bytes.Count(answer, []byte(f.entry))
		if err == nil && n < 1000 {
			err = fmt.Errorf("the listing has %d keys", n)
		}
		return n, err
	}
	var all []rate
	for _, m := range []struct {
		name string
		op   func(context.Context, int) (int, error)
	}{{"PUT", put}, {"GET", get}, {"listed keys", list}} {
		r, err := loop(ctx, "cloudsim "+f.name+" "+m.name, d, workers, m.op)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		all = append(all, r)
	}
	return all, nil
}
