package watch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/file"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// world is a directory that is watched into a store in memory, by a real
// Processor.
type world struct {
	t    *testing.T
	dir  string
	src  *file.Store
	dst  *memstore.Store
	proc Processor
	opts Options
	log  *logged

	*Watcher
	stop context.CancelFunc
	wait func() error // for the end of Run
}

// newWorld has deletions carried, up to 100 in a rescan, and no rescan but the
// first within the time of a test.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), dst: memstore.Fresh(), log: new(logged)}
	var err error
	if w.src, err = file.New(w.dir, file.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.src.Close() })
	rep, err := replicate.New(w.src, w.dst, replicate.Options{SourceID: "file://" + w.dir, TargetID: "mem://target", Policy: replicate.Policy{Deletes: true}})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(w.log, nil))
	if w.proc, err = functions.New(rep, functions.Options{Bucket: w.dir, Now: time.Now, Log: log}); err != nil {
		t.Fatal(err)
	}
	w.opts = Options{
		Dir: w.dir, Target: w.dst, Rescan: time.Hour, Settle: 4 * time.Millisecond, MaxWait: 50 * time.Millisecond, Now: time.Now, Log: log,
		Compare: backfill.Rescan(w.src, w.dst, rep, backfill.Options{Delete: true, MaxDelete: 100, Attempts: 1}),
	}
	return w
}

// start runs a Watcher, and waits until its first rescan is done.
func (w *world) start() *world {
	w.t.Helper()
	watcher, err := New(w.opts)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Watcher = watcher
	var ctx context.Context
	ctx, w.stop = context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- watcher.Run(ctx, w.proc) }()
	w.wait = sync.OnceValue(func() error { return <-ended })
	w.t.Cleanup(func() {
		w.stop()
		_ = w.wait()
	})
	w.until("the first rescan", func() bool { s := w.State(); return s.Rescans+s.RescansFailed > 0 })
	return w
}

// until waits for something that is bound to happen.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			w.t.Fatalf("waited in vain for %s; state %+v\nlog:\n%s", what, w.State(), w.log)
		}
	}
}

// path is where a test puts something.
func (w *world) path(rel string) string { return filepath.Join(w.dir, filepath.FromSlash(rel)) }

func (w *world) write(rel, body string) {
	w.t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(w.path(rel)), 0o755), os.WriteFile(w.path(rel), []byte(body), 0o600)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) rename(from, to string) {
	w.t.Helper()
	if err := os.Rename(w.path(from), w.path(to)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) remove(rel string) {
	w.t.Helper()
	if err := os.RemoveAll(w.path(rel)); err != nil {
		w.t.Fatal(err)
	}
}

// files reads the directory.
func (w *world) files() map[string]string { return contents(w.t, w.src) }

// objects reads the target.
func (w *world) objects() map[string]string { return contents(w.t, w.dst) }

// contents reads a store; what vanishes meanwhile is passed over.
func contents(t *testing.T, s store.Store) map[string]string {
	t.Helper()
	all := map[string]string{}
	for o, err := range s.List(context.Background(), store.ListOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Open(context.Background(), o.Key, store.ReadOptions{})
		if k := store.KindOf(err); k == store.NotFound || k == store.Invalid {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		if err = errors.Join(err, r.Body.Close()); err != nil {
			t.Fatal(err)
		}
		all[o.Key] = string(body)
	}
	return all
}

// equal waits until the target is as the directory is, and nothing waits.
func (w *world) equal() {
	w.t.Helper()
	want := w.files()
	var got map[string]string
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		if got = w.objects(); maps.Equal(got, want) && w.State().Pending == 0 {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("the directory has %d files, the target %d objects; %s; state %+v\nlog:\n%s", len(want), len(got), firstDifference(want, got), w.State(), w.log)
		}
	}
}

func firstDifference(want, got map[string]string) string {
	keys := map[string]bool{}
	for k := range want {
		keys[k] = true
	}
	for k := range got {
		keys[k] = true
	}
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		a, onSource := want[k]
		b, onTarget := got[k]
		if a != b || onSource != onTarget {
			return fmt.Sprintf("%q is %.20q (%v) in the directory, %.20q (%v) on the target", k, a, onSource, b, onTarget)
		}
	}
	return "no difference"
}

// alone asserts that no rescan but the first had a part in it.
func (w *world) alone() {
	w.t.Helper()
	if s := w.State(); s.Rescans != 1 || s.RescansFailed != 0 || s.Lost != 0 || !s.Watching {
		w.t.Errorf("state %+v, want one rescan and nothing lost", s)
	}
}

// logged is the log of a world.
type logged struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// lines counts those that hold all parts.
func (l *logged) lines(parts ...string) int {
	n := 0
	for line := range strings.Lines(l.String()) {
		all := true
		for _, p := range parts {
			all = all && strings.Contains(line, p)
		}
		if all {
			n++
		}
	}
	return n
}

// procFunc is a Processor.
type procFunc func(ctx context.Context, events []functions.Event) []functions.Verdict

func (f procFunc) Process(ctx context.Context, events []functions.Event) []functions.Verdict {
	return f(ctx, events)
}
