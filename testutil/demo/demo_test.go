package demo

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

func small(from, to string) Options {
	return Options{From: from, To: to, Duration: 1200 * time.Millisecond, Objects: 80, Rate: 60, Seed: 1}
}

func run(t *testing.T, d *Demo) *Result {
	t.Helper()
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	res, err := d.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", *res)
	return res
}

func start(t *testing.T, opts Options) *Demo {
	t.Helper()
	if opts.Syncer == nil { // those warn of what is broken on purpose
		opts.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	d, err := New(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestEveryPair(t *testing.T) {
	t.Parallel()
	for _, from := range clouds {
		for _, to := range clouds {
			if from == to && from != "s3" {
				continue // the pairs across cover both roles of each cloud
			}
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				d := start(t, small(from, to))
				res := run(t, d)
				if !res.OK() {
					t.Errorf("faults: %+v", res)
				}
				if res.Seeded != 80 || res.Writes == 0 || res.Overwrites == 0 || res.Deletes == 0 || res.OnTarget == 0 || res.Backfill.Copied == 0 {
					t.Errorf("not everything happened: %+v", res)
				}
				if res.LagMS.P50 <= 0 || res.LagMS.P50 > res.LagMS.P99 || res.LagMS.P99 > res.LagMS.Max || res.FreezeMS <= 0 {
					t.Errorf("lag %+v, freeze %g", res.LagMS, res.FreezeMS)
				}
				if res.Events.Sent == 0 || res.Events.Dead != 0 || res.Compared < res.Seeded {
					t.Errorf("events %+v, compared %d", res.Events, res.Compared)
				}
			})
		}
	}
}

// difference is what two buckets differ in, by a look at their cores.
type difference struct{ missing, different, extra int }

func diff(source, target *cloudsim.Bucket) (d difference) {
	names := func(b *cloudsim.Bucket) map[string]*cloudsim.Object {
		m := map[string]*cloudsim.Object{}
		all, _ := b.List("", "", true, 1<<30)
		for _, o := range all {
			m[o.Name] = o
		}
		return m
	}
	src, dst := names(source), names(target)
	for name, a := range src {
		b := dst[name]
		switch {
		case b == nil:
			d.missing++
		case !bytes.Equal(a.Body, b.Body) || a.ContentType != b.ContentType || a.CacheControl != b.CacheControl ||
			a.ContentEncoding != b.ContentEncoding || !maps.Equal(plain(a.Metadata), plain(b.Metadata)):
			d.different++
		}
	}
	for name := range dst {
		if src[name] == nil {
			d.extra++
		}
	}
	return d
}

func plain(m map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range m {
		if k = strings.ToLower(k); k != replicate.StampName {
			out[k] = v
		}
	}
	return out
}

// sabotaged runs a demo that something is broken in, and compares what it says
// with how the two buckets differed when the application moved.
func sabotaged(t *testing.T, opts Options, d **Demo) (*Result, difference) {
	t.Helper()
	var at difference
	opts.Observe = func(s Step) {
		if s.Phase == "drained" {
			at = diff((*d).source.bucket, (*d).target.bucket)
		}
	}
	*d = start(t, opts)
	res := run(t, *d)
	if got := (difference{res.Lost, res.Stale + res.Corrupt, res.Resurrected + res.Foreign}); got != at {
		t.Errorf("told of %+v, and there was %+v: %+v", got, at, res.Faults)
	}
	if res.OK() {
		t.Error("all is said to be well")
	}
	return res, at
}

// drop loses the events of the changes that lose names.
func drop(lose func(cloudsim.Change) bool) func(cloudsim.Encoder) cloudsim.Encoder {
	return func(enc cloudsim.Encoder) cloudsim.Encoder {
		return func(c cloudsim.Change) []cloudsim.Document {
			if lose(c) {
				return nil
			}
			return enc(c)
		}
	}
}

func TestDroppedEventsShow(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		lose func(cloudsim.Change) bool
		want func(*Result) int
	}{
		{"new objects", func(c cloudsim.Change) bool { return c.Kind == cloudsim.Created && c.Old == nil }, func(r *Result) int { return r.Lost }},
		{"overwrites", func(c cloudsim.Change) bool { return c.Kind == cloudsim.Created && c.Old != nil }, func(r *Result) int { return r.Stale }},
		{"deletes", func(c cloudsim.Change) bool { return c.Kind == cloudsim.Deleted }, func(r *Result) int { return r.Resurrected }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			opts := small("s3", "gcs")
			opts.Objects, opts.Duration, opts.Rate = 30, 1500*time.Millisecond, 150
			opts.Events = drop(tt.lose)
			var d *Demo
			res, _ := sabotaged(t, opts, &d)
			if tt.want(res) == 0 {
				t.Errorf("none of the faults expected: %+v", res)
			}
		})
	}
}

// spoiler calls a real Syncer, and then spoils what is on the target.
type spoiler struct {
	functions.Syncer
	spoil func(key string, res replicate.Result) error
}

func (s *spoiler) Sync(ctx context.Context, key string, hint replicate.Hint) (replicate.Result, error) {
	res, err := s.Syncer.Sync(ctx, key, hint)
	if err != nil {
		return res, err
	}
	return res, s.spoil(key, res)
}

func TestBrokenSyncShows(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		spoil func(b *cloudsim.Bucket, o *cloudsim.Object) error
		check func(r *Result) bool
	}{
		{"bytes", func(b *cloudsim.Bucket, o *cloudsim.Object) error {
			bad, sums := *o, cloudsim.NewObject(o.Name, append(bytes.Clone(o.Body), '!'))
			bad.Body, bad.CRC32C, bad.MD5 = sums.Body, sums.CRC32C, sums.MD5
			_, err := b.Put(&bad, cloudsim.Origin{}, nil, nil)
			return err
		}, func(r *Result) bool { return r.Corrupt > 0 }},
		{"attributes", func(b *cloudsim.Bucket, o *cloudsim.Object) error {
			_, err := b.Update(o.Name, cloudsim.Origin{}, nil, func(o *cloudsim.Object) { o.ContentType = "text/html" })
			return err
		}, func(r *Result) bool { return r.Corrupt > 0 }},
		{"stray objects", func(b *cloudsim.Bucket, o *cloudsim.Object) error {
			_, err := b.Put(cloudsim.NewObject("stray/"+o.Name, nil), cloudsim.Origin{}, nil, nil)
			return err
		}, func(r *Result) bool { return r.Foreign > 0 && r.Corrupt+r.Lost+r.Stale+r.Resurrected == 0 }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			opts := small("s3", "gcs")
			opts.Objects = 0
			opts.Syncer = func(s functions.Syncer, target *cloudsim.Bucket) functions.Syncer {
				return &spoiler{s, func(key string, _ replicate.Result) error {
					o := target.Get(key)
					if o == nil || !strings.HasPrefix(key, "output/") {
						return nil
					}
					return tt.spoil(target, o)
				}}
			}
			var d *Demo
			res, _ := sabotaged(t, opts, &d)
			if !tt.check(res) {
				t.Errorf("none of the faults expected: %+v", res)
			}
			if len(res.Faults) == 0 || res.Faults[0].Why == "" {
				t.Errorf("no fault is named: %+v", res.Faults)
			}
		})
	}
}

// A function that is down for a while is invoked again; one that never succeeds
// for a key leaves dead letters, and the key's fault.
func TestFailingFunction(t *testing.T) {
	t.Parallel()
	for _, from := range clouds {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			opts := small(from, "s3")
			opts.Objects, opts.Rate = 30, 40
			var mu sync.Mutex
			seen := map[string]int{}
			opts.Syncer = func(s functions.Syncer, _ *cloudsim.Bucket) functions.Syncer {
				return &spoiler{s, func(key string, _ replicate.Result) error {
					mu.Lock()
					defer mu.Unlock()
					seen[key]++
					if seen[key]%3 != 0 {
						return errors.New("down")
					}
					return nil
				}}
			}
			res := run(t, start(t, opts))
			if !res.OK() || res.Events.Redelivered == 0 || res.Events.Dead != 0 {
				t.Errorf("%+v", res)
			}
		})
	}
}

func TestCancelledRunEnds(t *testing.T) {
	t.Parallel()
	for _, phase := range []string{"seeding", "backfill", "frozen", "switched"} {
		t.Run(phase, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			opts := small("s3", "gcs")
			opts.Objects = 0
			opts.Observe = func(s Step) {
				if s.Phase == phase {
					cancel()
				}
			}
			d := start(t, opts)
			if _, err := d.Run(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("ended with %v", err)
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	if err := Defaults().Validate(); err != nil {
		t.Error(err)
	}
	tests := []struct {
		want   string
		change func(*Options)
	}{
		{`--from is "aws": use one of s3, gcs, azure`, func(o *Options) { o.From = "aws" }},
		{`--to is "": use one of s3, gcs, azure`, func(o *Options) { o.To = "" }},
		{"--duration is 0s: use 1s to 1h", func(o *Options) { o.Duration = 0 }},
		{"--objects is -1: use 0 to 200000", func(o *Options) { o.Objects = -1 }},
		{"--rate is 0: use 1 to 5000 a second", func(o *Options) { o.Rate = 0 }},
		{"--latency is 2s: use 0s to 1s", func(o *Options) { o.Latency = 2 * time.Second }},
	}
	for _, tt := range tests {
		o := Defaults()
		tt.change(&o)
		err := o.Validate()
		if err == nil || err.Error() != tt.want {
			t.Errorf("%v, want %s", err, tt.want)
		}
		if _, nerr := New(t.Context(), o); nerr == nil || nerr.Error() != tt.want {
			t.Errorf("New: %v", nerr)
		}
	}
}
