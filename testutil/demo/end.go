package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/demoapp"
)

// End is one side of the migration: a bucket in a cloud of its own.
type End struct {
	ID     string // as in stamps
	URL    string
	Cloud  string // s3, gcs or azure
	Base   string // the address of its server
	Bucket *cloudsim.Bucket
	Store  store.Store // crossfade's driver, bare

	app     demoapp.Client // what the application uses
	closes  []func() error // last first
	faults  *cloudsim.Faults
	latency atomic.Int64 // in nanoseconds
}

// newEnd starts a cloud with one empty bucket.
func newEnd(ctx context.Context, cloud, bucket string, opts Options) (*End, error) {
	core := cloudsim.NewCore(opts.Now)
	e := &End{Cloud: cloud, Bucket: core.CreateBucket(bucket, false), faults: newFaults(opts, bucket)}
	e.SetLatency(opts.Latency)
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
	e.URL = scheme + "://" + bucket
	loc, err := config.ParseLocation(e.URL)
	if err != nil {
		return nil, err
	}
	e.ID = loc.ID()
	url, stop := cloudsim.Serve(e.delayed(face))
	e.Base = url
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

// SetLatency sets what is added to every request from now on.
func (e *End) SetLatency(d time.Duration) { e.latency.Store(int64(d)) }

func (e *End) onClose(f func() error) { e.closes = append(e.closes, f) }

func (e *End) close() error {
	var errs []error
	if e.Store != nil {
		errs = append(errs, e.Store.Close())
	}
	for _, f := range slices.Backward(e.closes) {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// delayed adds the latency to every request.
func (e *End) delayed(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if d := time.Duration(e.latency.Load()); d > 0 && store.Sleep(r.Context(), d) != nil {
			return
		}
		h.ServeHTTP(w, r)
	})
}
