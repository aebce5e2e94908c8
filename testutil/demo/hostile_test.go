package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/demoapp"
)

// logs is a buffer that many goroutines write to.
type logs struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// hostile is two clouds, and the real handler of the source's cloud between them.
type hostile struct {
	*Demo
	t        *testing.T
	log      *logs
	delivery *cloudsim.Delivery
}

func newHostile(t *testing.T, from, to string, change func(*Demo, *cloudsim.DeliveryOptions)) *hostile {
	t.Helper()
	h := &hostile{t: t, log: &logs{}}
	opts := small(from, to)
	opts.Log = slog.New(slog.NewTextHandler(h.log, nil))
	d, err := New(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	h.Demo = d
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	engine, err := d.Engine(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	do := cloudsim.DeliveryOptions{Seed: 1}
	change(d, &do) // before the function takes the stores
	fn, err := d.newFunction(control.Forward)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fn.close)
	if do.Encode == nil {
		do.Encode = func(c cloudsim.Change) []cloudsim.Document { return fn.delivery.Encode(c) }
	}
	wrap := do.Send
	do.Send = fn.delivery.Send
	if wrap != nil {
		do.Send = func(ctx context.Context, batch []cloudsim.Message) []error {
			errs := fn.delivery.Send(ctx, batch)
			for i, err := range wrap(ctx, batch) {
				errs[i] = errors.Join(errs[i], err)
			}
			return errs
		}
	}
	do.Backoff, do.MaxBackoff = time.Millisecond, 10*time.Millisecond
	if do.Workers == 0 {
		do.Workers = 12
	}
	if do.Batch == 0 {
		do.Batch = max(fn.delivery.Batch, 1)
	}
	h.delivery = cloudsim.Deliver(t.Context(), d.Source.Bucket, do)
	t.Cleanup(h.delivery.Stop)
	return h
}

func (h *hostile) put(key, body string) {
	h.t.Helper()
	if err := h.Source.app.Put(h.t.Context(), key, []byte(body), demoapp.Attrs{ContentType: "text/plain"}); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hostile) remove(key string) {
	h.t.Helper()
	if err := h.Source.app.Delete(h.t.Context(), key); err != nil {
		h.t.Fatal(err)
	}
}

// settle waits until every event was answered for good, and compares.
func (h *hostile) settle() {
	h.t.Helper()
	if err := h.delivery.Wait(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
	if d := diff(h.Source.Bucket, h.Target.Bucket); d != (difference{}) {
		h.t.Fatalf("the target differs: %+v", d)
	}
}

// crossings has each cloud once as the source and once as the target.
var crossings = [][2]string{{"s3", "gcs"}, {"gcs", "azure"}, {"azure", "s3"}}

// TestManyHandlersOnOneKey: events of few keys, all twice, in any order, to
// twelve handlers at once, and all once more after everything was done.
func TestManyHandlersOnOneKey(t *testing.T) {
	t.Parallel()
	for _, c := range crossings {
		t.Run(c[0]+" to "+c[1], func(t *testing.T) {
			t.Parallel()
			h := newHostile(t, c[0], c[1], func(_ *Demo, o *cloudsim.DeliveryOptions) {
				o.Duplicate, o.Late, o.Window, o.Attempts, o.Batch = 1, 1, 30*time.Millisecond, 1000, 1
			})
			for i := range 12 {
				for k := range 3 {
					key := fmt.Sprint("key-", k)
					h.put(key, fmt.Sprintf("%s in round %d", key, i))
					if i%4 == k {
						h.remove(key)
					}
				}
			}
			h.remove("key-2")
			h.settle()
			if n := h.delivery.Replay(); n == 0 {
				t.Error("nothing came late")
			}
			h.settle()
			if s := h.delivery.Stats(); s.Dead != 0 || h.Target.Bucket.Get("key-2") != nil || h.Source.Bucket.Len() != 2 {
				t.Errorf("%+v, %d objects", s, h.Source.Bucket.Len())
			}
		})
	}
}

// TestPoison: what cannot be understood, or aims elsewhere, becomes a dead letter
// whose reason is in the log; the rest of its batch goes through.
func TestPoison(t *testing.T) {
	t.Parallel()
	for _, c := range crossings {
		t.Run(c[0]+" to "+c[1], func(t *testing.T) {
			t.Parallel()
			h := newHostile(t, c[0], c[1], func(d *Demo, o *cloudsim.DeliveryOptions) {
				o.Attempts, o.Batch, o.Workers = 3, 10, 2
				fn, err := d.newFunction(control.Forward)
				if err != nil {
					t.Fatal(err)
				}
				fn.close()
				o.Encode = func(c cloudsim.Change) []cloudsim.Document {
					docs := fn.delivery.Encode(c)
					for i := range docs {
						switch {
						case strings.HasPrefix(c.Object.Name, "poison"):
							docs[i].Body = []byte(`{"Records":[{"eventSource":`)
						case strings.HasPrefix(c.Object.Name, "aimed"):
							docs[i].Body = bytes.ReplaceAll(docs[i].Body, []byte(c.Bucket), []byte("elsewhere"))
							docs[i].Header = docs[i].Header.Clone()
							for name, values := range docs[i].Header {
								for n := range values {
									docs[i].Header[name][n] = strings.ReplaceAll(values[n], c.Bucket, "elsewhere")
								}
							}
						}
					}
					return docs
				}
			})
			for i := range 30 {
				h.put(fmt.Sprint("good-", i), "good")
			}
			h.put("poison", "never comes")
			h.put("aimed", "never comes")
			for i := range 30 {
				h.put(fmt.Sprint("good-", i), "better")
			}
			if err := h.delivery.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
			if d := diff(h.Source.Bucket, h.Target.Bucket); d != (difference{missing: 2}) {
				t.Errorf("the target differs: %+v", d)
			}
			dead := map[string]int{}
			for _, m := range h.delivery.DeadLetters() {
				dead[m.Key]++
			}
			if len(dead) != 2 || dead["poison"] != 1 || dead["aimed"] != 1 {
				t.Errorf("dead letters: %v", dead)
			}
			unreadable := "malformed"
			if c[0] == "azure" {
				unreadable = "the delivery cannot be read"
			}
			for _, reason := range []string{unreadable, "another bucket"} {
				if !strings.Contains(h.log.String(), reason) {
					t.Errorf("the log gives no reason %q", reason)
				}
			}
		})
	}
}

var errKilled = errors.New("the handler was killed")

// killer ends a handler at one of its calls to the stores.
type killer struct {
	mu    sync.Mutex
	armed bool
	left  int  // calls until then
	after bool // the call is carried out, and its answer lost
	dead  bool
}

func (k *killer) arm(step int, after bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.armed, k.left, k.after = true, step, after
}

// revive reports whether the handler was killed, and lets the next one live.
func (k *killer) revive() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	was := k.dead
	k.dead = false
	return was
}

// call does what the call does, unless the handler is dead.
func (k *killer) call(do func() error) error {
	k.mu.Lock()
	strike := k.armed && !k.dead && k.left == 0
	k.left--
	if strike {
		k.dead, k.armed = true, false
	}
	dead, carry := k.dead, strike && k.after
	k.mu.Unlock()
	if dead && !carry {
		return errKilled
	}
	err := do()
	if carry {
		return errKilled
	}
	return err
}

// mortal is a store whose caller may be killed. It has no capabilities.
type mortal struct {
	store.Store
	k *killer
}

func (m mortal) Head(ctx context.Context, key string) (o *store.Object, err error) {
	err = m.k.call(func() (err error) { o, err = m.Store.Head(ctx, key); return err })
	return o, err
}

func (m mortal) Open(ctx context.Context, key string, opts store.ReadOptions) (*store.Reader, error) {
	var r *store.Reader
	err := m.k.call(func() (err error) { r, err = m.Store.Open(ctx, key, opts); return err })
	if err != nil && r != nil {
		r.Body.Close()
	}
	if err != nil {
		return nil, err
	}
	return r, nil
}

func (m mortal) Put(ctx context.Context, key string, content store.Content, opts store.PutOptions) (o *store.Object, err error) {
	err = m.k.call(func() (err error) { o, err = m.Store.Put(ctx, key, content, opts); return err })
	return o, err
}

func (m mortal) Delete(ctx context.Context, key string, cond store.Condition) error {
	return m.k.call(func() error { return m.Store.Delete(ctx, key, cond) })
}

// TestKilledAtEveryStep kills a handler before and after each of the calls that
// it makes for a creation, an overwrite and a delete. The event is delivered
// again, and the target is right.
func TestKilledAtEveryStep(t *testing.T) {
	t.Parallel()
	for _, c := range crossings {
		t.Run(c[0]+" to "+c[1], func(t *testing.T) {
			t.Parallel()
			k := &killer{}
			h := newHostile(t, c[0], c[1], func(d *Demo, o *cloudsim.DeliveryOptions) {
				d.Source.Store, d.Target.Store = mortal{d.Source.Store, k}, mortal{d.Target.Store, k}
				o.Workers, o.Batch = 1, 1
				o.Send = func(_ context.Context, batch []cloudsim.Message) []error {
					errs := make([]error, len(batch))
					if k.revive() {
						errs[0] = errKilled // the dead do not answer
					}
					return errs
				}
			})
			kills := 0
			for _, change := range []string{"create", "overwrite", "delete"} {
				for _, after := range []bool{false, true} {
					for step := 0; ; step++ {
						key := fmt.Sprint(change, after, step)
						if change != "create" {
							h.put(key, "before")
							h.settle()
						}
						before := h.delivery.Stats().Redelivered
						k.arm(step, after)
						if change == "delete" {
							h.remove(key)
						} else {
							h.put(key, "after")
						}
						h.settle()
						if h.delivery.Stats().Redelivered == before {
							break // it made fewer calls
						}
						kills++
					}
				}
			}
			t.Logf("%d kills", kills)
			if kills < 14 || h.delivery.Stats().Dead != 0 {
				t.Errorf("%d kills, %+v", kills, h.delivery.Stats())
			}
		})
	}
}
