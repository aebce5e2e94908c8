// Command cloudsimd serves the three clouds of cloudsim in a process of their
// own, on loopback, until its standard input is closed. It prints one JSON
// object with their URLs. Buckets are made through the SDKs; those that deliver
// events are made at the start.
//
// It is for tests, which look at what is stored through the SDKs as well.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// URLs are what the program prints. Admin answers GET /deliveries with a
// []Delivery.
type URLs struct {
	S3    string `json:"s3"`
	GCS   string `json:"gcs"`
	Azure string `json:"azure"`
	Admin string `json:"admin"`
}

// Delivery is the state of one bucket's events.
type Delivery struct {
	Bucket string `json:"bucket"`
	cloudsim.QueueStats
}

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "cloudsimd:", err)
		os.Exit(1)
	}
}

func run(args []string, stdin io.Reader, stdout io.Writer) error {
	flags := flag.NewFlagSet("cloudsimd", flag.ContinueOnError)
	latency := flags.Duration("latency", 0, "mean `time` that a request takes before it is served; each takes up to twice that")
	var deliveries []target
	flags.Func("deliver", "deliver the events of a bucket: `CLOUD:BUCKET=URL`; s3 to Lambda's Invoke API as SQS does, gcs as Eventarc does (repeatable)", func(s string) error {
		t, err := parseTarget(s)
		deliveries = append(deliveries, t)
		return err
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s3, gcs, azure := cloudsim.NewCore(nil), cloudsim.NewCore(nil), cloudsim.NewCore(nil)
	running := map[string]*cloudsim.Delivery{}
	for _, t := range deliveries {
		core := map[string]*cloudsim.Core{"s3": s3, "gcs": gcs}[t.cloud]
		running[t.bucket] = cloudsim.Deliver(ctx, core.CreateBucket(t.bucket, false), t.options())
	}
	serve := func(face http.Handler) string {
		url, _ := cloudsim.Serve(delayed(face, *latency)) // until the process ends
		return url
	}
	urls := URLs{
		S3:    serve(cloudsim.NewS3(s3, cloudsim.S3Options{})),
		GCS:   serve(cloudsim.NewGCS(gcs, cloudsim.GCSOptions{})),
		Azure: serve(cloudsim.NewAzure(azure, cloudsim.AzureOptions{AccountKey: cloudsim.AzureAccountKey})),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /deliveries", func(w http.ResponseWriter, _ *http.Request) {
		all := []Delivery{}
		for bucket, d := range running {
			all = append(all, Delivery{bucket, d.Stats()})
		}
		json.NewEncoder(w).Encode(all) //nolint:errcheck // the caller is gone
	})
	urls.Admin, _ = cloudsim.Serve(mux)
	if err := json.NewEncoder(stdout).Encode(urls); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, stdin)
	return err
}

// target is where a bucket's events go.
type target struct{ cloud, bucket, url string }

func parseTarget(s string) (target, error) {
	cloud, rest, _ := strings.Cut(s, ":")
	bucket, url, ok := strings.Cut(rest, "=")
	if !ok || bucket == "" || url == "" || cloud != "s3" && cloud != "gcs" {
		return target{}, fmt.Errorf("%q is not s3:BUCKET=URL or gcs:BUCKET=URL", s)
	}
	return target{cloud, bucket, url}, nil
}

// options deliver for ever: a function that is down comes back.
func (t target) options() cloudsim.DeliveryOptions {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	opts := cloudsim.DeliveryOptions{Attempts: 1 << 30, MaxBackoff: 200 * time.Millisecond, Visibility: time.Minute}
	if t.cloud == "gcs" {
		opts.Encode, opts.Workers, opts.Send = cloudsim.GCSDocuments, 12, cloudsim.PostEach(client, t.url, nil)
		return opts
	}
	opts.Encode = func(c cloudsim.Change) []cloudsim.Document {
		body, ok := cloudsim.S3Notification(c)
		if !ok {
			return nil
		}
		return []cloudsim.Document{{Body: body}}
	}
	opts.Workers, opts.Batch = 2, 10
	opts.Send = cloudsim.InvokeWithSQS(client, t.url, "arn:aws:sqs:us-east-1:000000000000:crossfade")
	return opts
}

// delayed serves each request after a random time.
func delayed(h http.Handler, mean time.Duration) http.Handler {
	if mean <= 0 {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		timer := time.NewTimer(rand.N(2 * mean))
		defer timer.Stop()
		select {
		case <-r.Context().Done():
		case <-timer.C:
			h.ServeHTTP(w, r)
		}
	})
}
