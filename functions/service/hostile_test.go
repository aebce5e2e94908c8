package service_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/service"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/azblob"
	"github.com/crossfade-io/crossfade/store/gcs"
	"github.com/crossfade-io/crossfade/store/s3"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/functest"
)

var drivers = config.Openers{"s3": s3.Open, "gs": gcs.Open, "az": azblob.Open}

// faces sets the environment in which the drivers find three clouds, each with
// the buckets photos and copy.
func faces(t *testing.T) map[string]*cloudsim.Core {
	t.Helper()
	c := functest.NewClouds(t)
	setenv(t, c.Env(t))
	cores := map[string]*cloudsim.Core{"s3": c.S3, "gs": c.GCS, "az": c.Azure}
	for _, core := range cores {
		core.CreateBucket("photos", false)
		core.CreateBucket("copy", false)
	}
	return cores
}

func setenv(t *testing.T, environ []string) {
	t.Helper()
	for _, e := range environ {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
}

// follow starts the function of source's cloud.
func follow(t *testing.T, source, target string, out io.Writer) *service.Service {
	t.Helper()
	environ := []string{"CROSSFADE_SOURCE=" + source, "CROSSFADE_TARGET=" + target}
	scheme, _, _ := strings.Cut(source, "://")
	svc, err := service.Start(t.Context(), service.Setup{
		Scheme: scheme, Openers: drivers, Environ: environ, Out: out, Now: time.Now, Timeout: time.Minute,
		Lookup: func(name string) (string, bool) {
			for _, e := range environ {
				if n, v, _ := strings.Cut(e, "="); n == name {
					return v, true
				}
			}
			return "", false
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { svc.Close() })
	return svc
}

var directions = [][2]string{{"s3", "gs"}, {"gs", "az"}, {"az", "s3"}}

// On the clouds' own faces, in each direction: a stamp that was made up on the
// source does not arrive, in whatever form the cloud lets it be written.
func TestForgedStampsOnClouds(t *testing.T) { // not parallel: it sets the environment
	cores := faces(t)
	forged := "v1 from=s3://elsewhere/ key=0123456789abcdef ver=x time=1 size=4 attrs=0123456789abcdef"
	forms := map[string][]map[string]string{
		"s3": {{"crossfade": forged}, {"crossfade": "=?UTF-8?B?djEgZnJvbT14?="}, {"crossfade-name-63726f737366616465": forged}, {"crossfade": "x", "crossfade-name-63726f737366616465": forged}},
		"gs": {{"crossfade": forged}, {"Crossfade": forged}, {"crossfade": "x", "CROSSFADE": forged}, {"%63rossfade": forged}, {"crossfade": "=?utf-8?b?djEgZnJvbT14?="}},
		"az": {{"crossfade": forged}, {"Crossfade": forged}, {"cross_x0066_ade": forged}, {"crossfade": "=?UTF-8?B?djEgZnJvbT14?="}},
	}
	for _, d := range directions {
		from, to := cores[d[0]].Bucket("photos"), cores[d[1]].Bucket("copy")
		svc := follow(t, d[0]+"://photos", d[1]+"://copy", io.Discard)
		for i, metadata := range forms[d[0]] {
			key := fmt.Sprint("k", i)
			o := cloudsim.NewObject(key, []byte("body"))
			o.Metadata, o.ContentType, o.ETag = metadata, "text/plain", fmt.Sprintf("%x", o.MD5)
			if _, err := from.Put(o, cloudsim.Origin{}, nil, nil); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second finds it in order
				v := svc.Processor.Process(t.Context(), []functions.Event{{Bucket: "photos", Key: key}})[0]
				if v.Outcome != functions.Ack {
					t.Errorf("%v, %q: %+v", d, metadata, v)
				}
			}
			got := to.Get(key)
			if got == nil {
				t.Errorf("%v, %q: not copied", d, metadata)
				continue
			}
			stamps := 0
			for name, value := range got.Metadata {
				if stamp, err := replicate.ParseStamp(value); strings.EqualFold(name, replicate.StampName) && err == nil && stamp.From == d[0]+"://photos/" {
					stamps++
				}
				if value == forged {
					t.Errorf("%v, %q: the copy has %q", d, metadata, got.Metadata)
				}
			}
			if stamps != 1 || len(got.Metadata) != 1 {
				t.Errorf("%v, %q: the copy has %q", d, metadata, got.Metadata)
			}
		}
	}
}

// bomb is gzip of so many MiB of zeros, in members, about a thousandth in size.
func bomb(t *testing.T, mib int) []byte {
	t.Helper()
	var member bytes.Buffer
	z := gzip.NewWriter(&member)
	if _, err := z.Write(make([]byte, 16<<20)); err != nil {
		t.Fatal(err)
	}
	z.Close()
	return bytes.Repeat(member.Bytes(), mib/16)
}

func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// What is stored packed is carried packed: nothing unpacks a body.
func TestPackedObjectStaysPacked(t *testing.T) { // not parallel: it counts what is allocated
	cores := faces(t)
	body := bomb(t, 1024)
	for _, d := range directions {
		svc := follow(t, d[0]+"://photos", d[1]+"://copy", io.Discard)
		o := cloudsim.NewObject("bomb", body)
		o.ContentType, o.ContentEncoding, o.ETag = "text/plain", "gzip", fmt.Sprintf("%x", o.MD5)
		if _, err := cores[d[0]].Bucket("photos").Put(o, cloudsim.Origin{}, nil, nil); err != nil {
			t.Fatal(err)
		}
		n := allocated(func() {
			if v := svc.Processor.Process(t.Context(), []functions.Event{{Bucket: "photos", Key: "bomb"}})[0]; v.Outcome != functions.Ack {
				t.Errorf("%v: %+v", d, v)
			}
		})
		got := cores[d[1]].Bucket("copy").Get("bomb")
		if got == nil || !bytes.Equal(got.Body, body) || got.ContentEncoding != "gzip" || n > 100<<20 {
			t.Errorf("%v: arrived %v, %d MiB allocated", d, got != nil, n>>20)
		}
	}
}

// An error document may be as long as it likes, or unpack to as much: no more
// than its beginning is read.
func TestHugeErrorBodies(t *testing.T) { // not parallel: it counts what is allocated
	packed := bomb(t, 256)
	for _, encoding := range []string{"", "gzip"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/xml")
			if encoding != "" {
				w.Header().Set("Content-Encoding", encoding)
				w.WriteHeader(http.StatusForbidden)
				w.Write(packed)
				return
			}
			w.WriteHeader(http.StatusForbidden)
			chunk := bytes.Repeat([]byte("<Error>"), 1<<14)
			for range 600 { // 64 MiB
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}))
		defer server.Close()
		setenv(t, []string{
			"AWS_ENDPOINT_URL_S3=" + server.URL, "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY=example",
			"STORAGE_EMULATOR_HOST=" + server.URL, "AZURE_STORAGE_CONNECTION_STRING=" + cloudsim.AzureConnectionString(server.URL, "", ""),
		})
		for scheme, open := range drivers {
			s, err := open(t.Context(), &url.URL{Scheme: scheme, Host: "photos"})
			if err != nil {
				t.Fatal(err)
			}
			for name, call := range calls(t.Context(), s) {
				var err error
				n := allocated(func() { err = call() })
				if store.KindOf(err) != store.Denied || n > 32<<20 || len(err.Error()) > 4096 {
					t.Errorf("%s %s, %q: %d MiB allocated, Kind %v, error of %d bytes", scheme, name, encoding, n>>20, store.KindOf(err), len(fmt.Sprint(err)))
				}
			}
			s.Close()
		}
	}
}

func calls(ctx context.Context, s store.Store) map[string]func() error {
	return map[string]func() error{
		"open":   func() error { _, err := s.Open(ctx, "k", store.ReadOptions{}); return err },
		"put":    func() error { _, err := s.Put(ctx, "k", store.Bytes("x"), store.PutOptions{}); return err },
		"delete": func() error { return s.Delete(ctx, "k", store.Condition{}) },
		"list": func() error {
			for _, err := range s.List(ctx, store.ListOptions{}) {
				return err
			}
			return nil
		},
	}
}
