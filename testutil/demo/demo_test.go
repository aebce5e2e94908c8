package demo

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/cutover"
	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/demoapp"
)

func small(from, to string) Options {
	o := Defaults()
	o.From, o.To, o.Duration, o.Objects, o.Rate = from, to, time.Second, 40, 10
	// For a machine that is busy with other tests.
	o.FunctionTimeout, o.Lease, o.MaxFreeze, o.MaxLag = 5*time.Second, 100*time.Millisecond, time.Minute, 15*time.Second
	return o
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
	shown := *res
	shown.Reports = nil
	t.Logf("%+v", shown)
	return res
}

func start(t *testing.T, opts Options) *Demo {
	t.Helper()
	if opts.Syncer == nil && opts.Log == nil { // those warn of what is broken on purpose
		opts.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	if opts.Observe == nil {
		opts.Observe = func(s Step) { t.Logf("%6.2f %s: %s", s.At.Seconds(), s.Phase, s.Text) }
	}
	d, err := New(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// TestEveryPair moves an application between all pairs of clouds, and half of
// them back, with large objects in one.
func TestEveryPair(t *testing.T) {
	t.Parallel()
	for i, from := range clouds {
		for j, to := range clouds {
			if from == to {
				continue
			}
			t.Run(from+" to "+to, func(t *testing.T) {
				t.Parallel()
				opts := small(from, to)
				opts.Rollback, opts.Strict = (i+1)%3 == j, from == "azure" && to == "gcs"
				if from == "gcs" && to == "s3" {
					opts.Objects = 55
				}
				d := start(t, opts)
				res := run(t, d)
				if !res.OK() {
					t.Errorf("faults: %+v", res)
				}
				if res.Seeded != opts.Objects || res.Writes == 0 || res.Overwrites == 0 || res.Deletes == 0 || res.OnTarget == 0 || res.Backfill.Copied == 0 {
					t.Errorf("not everything happened: %+v", res)
				}
				if res.LagMS.P50 <= 0 || res.LagMS.P50 > res.LagMS.P99 || res.LagMS.P99 > res.LagMS.Max {
					t.Errorf("lag %+v", res.LagMS)
				}
				if res.Events.Sent == 0 || res.Events.Dead != 0 || res.Compared < res.Seeded {
					t.Errorf("events %+v, compared %d", res.Events, res.Compared)
				}
				at, held := d.Sides.At()
				if want := demoapp.Target; opts.Rollback {
					if at != demoapp.Source || held || res.AfterRollback == 0 {
						t.Errorf("at the %s, held %v, %d operations after the rollback", at, held, res.AfterRollback)
					}
					turned(t, *res.Rollback)
				} else if at != want || held {
					t.Errorf("at the %s, held %v", at, held)
				}
				turned(t, res.Cutover)
				if res.FreezeMS != res.Cutover.FreezeMS || len(res.Reports) == 0 || res.Reports[0].Strict != opts.Strict {
					t.Errorf("freeze %g, %d reports", res.FreezeMS, len(res.Reports))
				}
			})
		}
	}
}

func turned(t *testing.T, turn Turn) {
	t.Helper()
	if turn.FreezeMS <= 0 || turn.EngineMS <= 0 || turn.ReverseSeconds <= 0 || turn.Keys < 30 || turn.Changed == 0 {
		t.Errorf("not measured: %+v", turn)
	}
	if turn.Dropped+turn.Stragglers+turn.Late != 0 {
		t.Errorf("without faults: %+v", turn)
	}
}

// difference is what two buckets differ in, by a look at their cores.
type difference struct{ missing, different, extra int }

func diff(source, target *cloudsim.Bucket) (d difference) {
	names := func(b *cloudsim.Bucket) map[string]*cloudsim.Object {
		m := map[string]*cloudsim.Object{}
		all, _ := b.List("", "", true, 1<<30)
		for _, o := range all {
			if !reserved(o.Name) {
				m[o.Name] = o
			}
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

// spoiler calls a real Syncer, and then spoils what is on the other side.
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

// spoils overwrites bytes, attributes, and puts strays, on the side that a
// direction writes to, while flag is as it is given.
func spoils(direction control.Direction, flag *atomic.Bool, is bool) func(control.Direction, functions.Syncer, *cloudsim.Bucket) functions.Syncer {
	return func(d control.Direction, s functions.Syncer, to *cloudsim.Bucket) functions.Syncer {
		return &spoiler{s, func(key string, res replicate.Result) error {
			o := to.Get(key)
			if d != direction || flag.Load() != is || o == nil || res.Action != replicate.Copy {
				return nil
			}
			var err error
			switch key[max(len(key)-5, 0)] % 3 { // the last digit of most
			case 0:
				bad, sums := *o, cloudsim.NewObject(o.Name, append(bytes.Clone(o.Body), '!'))
				bad.Body, bad.CRC32C, bad.MD5, bad.Extra = sums.Body, sums.CRC32C, sums.MD5, nil
				_, err = to.Put(&bad, cloudsim.Origin{}, nil, nil)
			case 1:
				_, err = to.Update(o.Name, cloudsim.Origin{}, nil, func(o *cloudsim.Object) { o.ContentType = "text/html" })
			default:
				_, err = to.Put(cloudsim.NewObject("stray/"+o.Name, nil), cloudsim.Origin{}, nil, nil)
			}
			return err
		}}
	}
}

// drops loses every other event of a direction, but for those of signals, while
// flag is as it is given.
func drops(direction control.Direction, flag *atomic.Bool, is bool) func(control.Direction, cloudsim.Encoder) cloudsim.Encoder {
	return func(d control.Direction, enc cloudsim.Encoder) cloudsim.Encoder {
		return func(c cloudsim.Change) []cloudsim.Document {
			if d == direction && !reserved(c.Object.Name) && c.Sequence%2 == 0 && flag.Load() == is {
				return nil
			}
			return enc(c)
		}
	}
}

// What is dropped and broken on the way back shows in the end: nothing compares
// the sides any more.
func TestFaultsShow(t *testing.T) {
	t.Parallel()
	opts := small("s3", "gcs")
	opts.Objects, opts.Rate = 30, 40
	var (
		moved atomic.Bool
		d     *Demo
	)
	opts.Observe = func(s Step) {
		if s.Phase != "moved" {
			return
		}
		moved.Store(true)
		for enough := d.Sides.Accepted(1) + 250; d.Sides.Accepted(1) < enough && t.Context().Err() == nil; {
			time.Sleep(10 * time.Millisecond)
		}
	}
	opts.Events, opts.Syncer = drops(control.Reverse, &moved, true), spoils(control.Reverse, &moved, true)
	d = start(t, opts)
	res := run(t, d)
	src, at := res.OnSide["source"], diff(d.Target.Bucket, d.Source.Bucket)
	if got := (difference{src.Lost, src.Stale + src.Corrupt, src.Resurrected + src.Foreign}); got != at {
		t.Errorf("told of %+v, and there was %+v: %+v", got, at, res.Faults)
	}
	if src.Lost == 0 || src.Resurrected == 0 || src.Corrupt == 0 || src.Foreign == 0 {
		t.Errorf("not every fault: %+v", src)
	}
	if tgt := res.OnSide["target"]; tgt.Sum() != 0 || res.OK() || len(res.Faults) == 0 || res.Faults[0].Why == "" || res.Faults[0].Side != "source" {
		t.Errorf("target %+v, all well %v, named %+v", tgt, res.OK(), res.Faults)
	}
}

// What a function breaks before the cutover forbids it: the application stays
// where it is.
func TestBrokenSyncForbidsTheCutover(t *testing.T) {
	t.Parallel()
	opts := small("s3", "gcs")
	opts.Objects, opts.Syncer = 0, spoils(control.Forward, new(atomic.Bool), false)
	d := start(t, opts)
	_, err := d.Run(t.Context())
	if _, ok := errors.AsType[*cutover.AbortedError](err); !ok {
		t.Errorf("ended with %v", err)
	}
	if at, held := d.Sides.At(); at != demoapp.Source || held {
		t.Errorf("the application is at the %s, held %v", at, held)
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}

// A function that is down for a while is invoked again, and what its events are
// dropped of is found by the comparison of everything.
func TestFailingFunction(t *testing.T) {
	t.Parallel()
	opts := small("azure", "s3")
	var announced atomic.Bool
	opts.Objects, opts.Events = 30, drops(control.Forward, &announced, false)
	opts.Observe = func(s Step) {
		if s.Phase == "cutover" {
			announced.Store(true)
		}
	}
	var mu sync.Mutex
	seen := map[string]int{}
	opts.Syncer = func(_ control.Direction, s functions.Syncer, _ *cloudsim.Bucket) functions.Syncer {
		return &spoiler{s, func(key string, _ replicate.Result) error {
			mu.Lock()
			defer mu.Unlock()
			seen[key]++
			if seen[key]%3 == 1 {
				return errors.New("down")
			}
			return nil
		}}
	}
	res := run(t, start(t, opts))
	if !res.OK() || res.Events.Redelivered == 0 || res.Events.Dead != 0 || res.Cutover.Repaired == 0 {
		t.Errorf("%+v", res)
	}
}

func TestCancelledRunEnds(t *testing.T) {
	t.Parallel()
	for _, phase := range []string{"backfill", "frozen", "switched"} {
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
			if at, held := d.Sides.At(); held || phase == "frozen" && at != demoapp.Source {
				t.Errorf("the application is at the %s, held %v", at, held)
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
