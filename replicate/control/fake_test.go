package control_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

var begun = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// clock is moved by hand.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// counter returns texts that do not recur, in order.
func counter() func() string {
	var n atomic.Int64
	return func() string { return fmt.Sprintf("random-%05d", n.Add(1)) }
}

func documents(t testing.TB, st store.Store) *control.Documents {
	t.Helper()
	d, err := control.Open(st, "photos", counter())
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// following is a state as a new migration has it after its backfill.
func following() control.State {
	return control.State{Source: "s3://src/", Target: "gs://dst/", Phase: control.Following, Authority: control.Source}
}

// created returns documents with a control object.
func created(t testing.TB, st store.Store, s control.State) (*control.Documents, control.Held) {
	t.Helper()
	d := documents(t, st)
	held, err := d.Create(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return d, held
}

// swap moves the state on.
func swap(t testing.TB, d *control.Documents, change func(*control.State)) control.Held {
	t.Helper()
	held, err := d.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	next := held.Clone()
	change(&next)
	if held, err = d.Swap(t.Context(), held, next); err != nil {
		t.Fatal(err)
	}
	return held
}

// counting counts the operations on a store by name.
func counting(m *memstore.Store) func(op string) int {
	var mu sync.Mutex
	n := map[string]int{}
	m.SetIntercept(func(_ context.Context, op memstore.Op) error {
		if op.Stage == memstore.Before {
			mu.Lock()
			defer mu.Unlock()
			n[op.Name]++
		}
		return nil
	})
	return func(op string) int {
		mu.Lock()
		defer mu.Unlock()
		was := n[op]
		n[op] = 0
		return was
	}
}
