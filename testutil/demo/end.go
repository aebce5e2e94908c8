package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/demoapp"
)

// end is one side of the migration: a bucket in a cloud of its own.
type end struct {
	id     string // as in stamps
	bucket *cloudsim.Bucket
	store  store.Store    // crossfade's driver
	app    demoapp.Client // what the application uses
	closes []func() error // last first
	faults *cloudsim.Faults
}

// newEnd starts a cloud with one empty bucket.
func newEnd(ctx context.Context, cloud, bucket string, opts Options) (*end, error) {
	core := cloudsim.NewCore(opts.Now)
	e := &end{bucket: core.CreateBucket(bucket, false), faults: newFaults(opts, bucket)}
	var (
		face   http.Handler
		scheme string
		open   func(ctx context.Context, url string) error
	)
	switch cloud {
	case "s3":
		face, scheme, open = cloudsim.NewS3(core, cloudsim.S3Options{Faults: e.faults}), "s3", e.openS3
	case "gcs":
		face, scheme, open = cloudsim.NewGCS(core, cloudsim.GCSOptions{Faults: e.faults}), "gs", e.openGCS
	case "azure":
		face, scheme, open = cloudsim.NewAzure(core, cloudsim.AzureOptions{Faults: e.faults}), "az", e.openAzure
	default:
		return nil, fmt.Errorf("no cloud named %q", cloud)
	}
	loc, err := config.ParseLocation(scheme + "://" + bucket)
	if err != nil {
		return nil, err
	}
	e.id = loc.ID()
	if opts.Latency > 0 {
		face = delayed(face, opts.Latency)
	}
	url, stop := cloudsim.Serve(face)
	e.onClose(func() error {
		e.faults.Release()
		stop()
		return nil
	})
	if err := open(ctx, url); err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

func (e *end) onClose(f func() error) { e.closes = append(e.closes, f) }

func (e *end) close() error {
	var errs []error
	if e.store != nil {
		errs = append(errs, e.store.Close())
	}
	for _, f := range slices.Backward(e.closes) {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// delayed adds a latency to every request.
func delayed(h http.Handler, latency time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		timer := time.NewTimer(latency)
		defer timer.Stop()
		select {
		case <-r.Context().Done():
		case <-timer.C:
			h.ServeHTTP(w, r)
		}
	})
}

// newTransport keeps enough connections for all that goes on at once, and does
// not decompress.
func newTransport() *http.Transport {
	return &http.Transport{MaxIdleConns: 256, MaxIdleConnsPerHost: 256, DisableCompression: true}
}
