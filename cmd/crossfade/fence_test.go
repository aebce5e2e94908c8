package main

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// migrated declares a migration between the stores of a cli, and changes its
// state.
func (c *cli) migrated(change func(*control.State)) (file string) {
	c.t.Helper()
	file = filepath.Join(c.t.TempDir(), "crossfade.yaml")
	if err := os.WriteFile(file, []byte("name: shop\nsource: s3://source\ntarget: gs://target\n"), 0o600); err != nil {
		c.t.Fatal(err)
	}
	c.want(exitDone, "init", "-f", file)
	docs := c.docs()
	held, err := docs.Load(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	s := held.Clone()
	change(&s)
	if _, err := docs.Swap(c.t.Context(), held, s); err != nil {
		c.t.Fatal(err)
	}
	return file
}

func (c *cli) docs() *control.Documents {
	c.t.Helper()
	docs, err := control.Open(c.dst, "shop", func() string { return "test" })
	if err != nil {
		c.t.Fatal(err)
	}
	return docs
}

func TestFence(t *testing.T) {
	t.Parallel()
	run := &control.Run{ID: "RUN", Operation: "cutover", Operator: "ann@host"}
	for _, tc := range []struct {
		name             string
		phase            control.Phase
		authority        control.Side
		run              *control.Run
		backfill, single string // what refuses them, forward
		back             string // what refuses a sync the other way
	}{
		{"seeding", control.Seeding, control.Source, nil, "", "", "nothing may be copied there from the target"},
		{"following", control.Following, control.Source, nil, "", "", "nothing may be copied there from the target"},
		{
			"announced", control.Announced, control.Source, run,
			"a cutover of the migration shop is under way (announced, by ann@host): wait for its end, or give it up with crossfade abort", "",
			"nothing may be copied there from the target",
		},
		{"switching", control.Switching, control.Source, run, "under way (switching", "under way (switching", "nothing may be copied there from the target"},
		{"switched", control.Switched, control.Target, run, "nothing may be copied there from the source", "nothing may be copied there from the source", ""},
		{"reversed", control.Reversed, control.Target, nil, "nothing may be copied there from the source", "nothing may be copied there from the source", ""},
		{"done", control.Done, control.Target, nil, "the migration shop is done", "the migration shop is done", "the migration shop is done"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := newCLI(t)
			c.put(c.src, "k", "v")
			c.put(c.dst, "other", "v")
			file := c.migrated(func(s *control.State) { s.Phase, s.Authority, s.Run = tc.phase, tc.authority, tc.run })
			try := func(refused string, args ...string) {
				t.Helper()
				code := exitDone
				if refused != "" {
					code = exitIncomplete
				}
				if stdout, stderr := c.want(code, args...); !strings.Contains(stderr, refused) || refused != "" && stdout != "" {
					t.Errorf("%q: %q, %q", args, stdout, stderr)
				}
			}
			for _, ends := range [][]string{{"s3://source", "gs://target"}, {"-f", file}} {
				try(tc.backfill, append([]string{"backfill", "-q", "--dry-run"}, ends...)...)
				try(tc.backfill, append([]string{"backfill", "-q"}, ends...)...)
				try(tc.single, append(append([]string{"sync", "-q"}, ends...), "k")...)
			}
			try(tc.back, "sync", "-q", "gs://target", "s3://source", "other")
			if copied := c.dst.Bucket().Get("k") != nil; copied != (tc.single == "") {
				t.Errorf("copied: %v", copied)
			}
			open, err := c.docs().Backfills(t.Context(), c.env.now())
			if err != nil || len(open) > 0 {
				t.Errorf("notes of backfills are left: %v, %v", open, err)
			}
			if n := 0; tc.phase == control.Announced {
				for _, err := range c.docs().Entries(t.Context(), "RUN", c.env.now().Add(-1)) {
					if err != nil {
						t.Fatal(err)
					}
					n++
				}
				if n != 2 {
					t.Errorf("%d entries in the journal, want one for each sync", n)
				}
			}
		})
	}
}

// A backfill is seen while it runs, and its writes stop when it may write no more.
func TestBackfillIsSeenAndStops(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	file := c.migrated(func(*control.State) {})
	for _, k := range []string{"a", "b", "c"} {
		c.put(c.src, k, k)
	}
	var seen atomic.Int64
	c.dst.SetIntercept(func(ctx context.Context, op memstore.Op) error {
		if op.Name != "put" || op.Key != "b" || op.Stage != memstore.Before || seen.Load() > 0 {
			return nil
		}
		open, err := c.docs().Backfills(ctx, c.env.now())
		if err != nil {
			return err
		}
		seen.Store(int64(len(open)))
		held, err := c.docs().Load(ctx)
		if err != nil {
			return err
		}
		s := held.Clone()
		s.Phase, s.Authority = control.Reversed, control.Target
		_, err = c.docs().Swap(ctx, held, s)
		return err
	})
	var ticks atomic.Int64
	start := c.env.now()
	c.env.now = func() time.Time { return start.Add(time.Duration(ticks.Add(1)) * time.Millisecond) }
	c.env.lease = time.Microsecond // each write asks
	stdout, _ := c.want(exitIncomplete, "backfill", "-q", "-f", file, "--concurrency", "1")
	if seen.Load() != 1 || !strings.Contains(stdout, "nothing is written forward") {
		t.Fatalf("%d seen: %s", seen.Load(), stdout)
	}
	if c.dst.Bucket().Get("c") != nil {
		t.Fatal("written against the authority")
	}
	if held, err := c.docs().Load(t.Context()); err != nil || held.Seeded != nil {
		t.Fatal(err, held.Seeded)
	}
}

// unordered lists in an order of its own, as Azure does with hierarchical
// namespaces.
type unordered struct{ store.Store }

func (u unordered) List(ctx context.Context, opts store.ListOptions) iter.Seq2[*store.Object, error] {
	if opts.AnyOrder {
		return u.Store.List(ctx, opts)
	}
	return func(yield func(*store.Object, error) bool) {
		yield(nil, &store.Error{Op: "list", Kind: store.Invalid, Err: errors.New("in no order")})
	}
}

func TestMigrationsIn(t *testing.T) {
	t.Parallel()
	st := memstore.Fresh()
	c := &cli{t: t}
	for _, key := range []string{
		".crossfade/a/state.json", ".crossfade/a/journal/1", ".crossfade/a/journal/2", ".crossfade/a-b/state.json", ".crossfade/a0/x",
		".crossfade/probe/p", ".crossfade//odd", ".crossfade0", ".crossfad", "a", ".crossfade/zz",
	} {
		c.put(st, key, "x")
	}
	want := []string{"", "a-b", "a", "a0", "probe", "zz"}
	lists := 0
	st.SetIntercept(func(_ context.Context, op memstore.Op) error {
		if op.Name == "list" && op.Stage == memstore.Before {
			lists++
		}
		return nil
	})
	got, err := migrationsIn(t.Context(), st)
	if err != nil || !slices.Equal(got, want) || lists > len(want)+1 {
		t.Fatalf("%q, %v, %d listings", got, err, lists)
	}
	got, err = migrationsIn(t.Context(), unordered{st})
	slices.Sort(got)
	slices.Sort(want)
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("in no order: %q, %v", got, err)
	}
	failing := errors.New("down")
	st.SetIntercept(func(context.Context, memstore.Op) error { return &store.Error{Kind: store.Unavailable, Err: failing} })
	if _, err := migrationsIn(t.Context(), st); !errors.Is(err, failing) {
		t.Fatal(err)
	}
}

// A backfill whose note cannot be renewed would not be seen: it ends.
func TestBackfillThatIsNotSeenEnds(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.migrated(func(*control.State) {})
	docs := c.docs()
	held, err := docs.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f := &fence{
		store: c.dst, docs: docs, guard: control.NewGuard(docs, control.Forward, c.env.now, 0),
		state: held.State, now: c.env.now, every: time.Millisecond,
	}
	work, end, err := f.register(t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer end()
	var renewed atomic.Int64
	c.dst.SetIntercept(func(_ context.Context, op memstore.Op) error {
		if op.Name == "put" && op.Stage == memstore.Before && renewed.Add(1) > 3 {
			return &store.Error{Kind: store.Denied}
		}
		return nil
	})
	<-work.Done()
	if !errors.Is(context.Cause(work), errUnseen) || renewed.Load() != 5 {
		t.Fatalf("%v after %d renewals", context.Cause(work), renewed.Load())
	}
}
