package cutover

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// denier is the source with a policy that takes effect after a while.
type denier struct {
	store.Store
	mu     sync.Mutex
	calls  []string
	denied bool
}

func (d *denier) Unwrap() store.Store { return d.Store }

func (d *denier) DenyWrites(_ context.Context, id string, except []string) error {
	d.set(true, "deny "+id+" "+strings.Join(except, ","))
	return nil
}

func (d *denier) AllowWrites(_ context.Context, id string) error {
	d.set(false, "allow "+id)
	return nil
}

// seen returns the calls, and whether writes are denied now.
func (d *denier) seen() ([]string, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.calls), d.denied
}

func (d *denier) set(denied bool, call string) {
	d.mu.Lock()
	d.calls = append(d.calls, call)
	d.mu.Unlock()
	time.AfterFunc(300*time.Millisecond, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.denied = denied
	})
}

// probing is the source as the application sees it.
type probing struct {
	*denier
	puts atomic.Int32
}

func (p *probing) Put(ctx context.Context, key string, c store.Content, o store.PutOptions) (*store.Object, error) {
	p.puts.Add(1)
	p.mu.Lock()
	denied := p.denied
	p.mu.Unlock()
	if denied {
		return nil, &store.Error{Op: "put", Key: key, Kind: store.Denied, Err: errors.New("AccessDenied")}
	}
	return p.Store.Put(ctx, key, c, o)
}

func TestFreezeByPolicy(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10)
		w.m.Cutover.Freeze = config.Freeze{Mode: config.FreezeS3Policy, Except: []string{"arn:aws:iam::1:role/x"}}
		w.m.Cutover.Unfreeze = nil
		d := &denier{Store: w.src}
		p := &probing{denier: d}
		with := func(o *Options) { o.Source, o.Probe = d, p }
		rep, err := w.engine(with).Cutover(w.ctx, RunOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if calls, denied := d.seen(); !slices.Equal(calls, []string{"deny shop arn:aws:iam::1:role/x"}) || !denied {
			t.Errorf("calls %q, denied %v: it protects the old side", calls, denied)
		}
		if p.puts.Load() < 4 || rep.Freeze.Mode != report.FreezeS3Policy {
			t.Errorf("%d probes, %+v", p.puts.Load(), rep.Freeze)
		}
		if got := w.hooks.steps(); !slices.Equal(got, []string{"switch:target"}) {
			t.Errorf("hooks %v", got)
		}
		// A rollback that is aborted puts it back.
		w.hooks.do(fail)
		if _, err := w.engine(with).Rollback(w.ctx, RunOptions{}); err == nil {
			t.Fatal("it has succeeded")
		}
		time.Sleep(time.Second)
		if calls, denied := d.seen(); !slices.Equal(calls, []string{"deny shop arn:aws:iam::1:role/x", "allow shop", "deny shop arn:aws:iam::1:role/x"}) || !denied {
			t.Errorf("calls %q, denied %v", calls, denied)
		}
		w.hooks.do(nil)
		if _, err := w.engine(with).Rollback(w.ctx, RunOptions{}); err != nil {
			t.Fatal(err)
		}
		if calls, denied := d.seen(); denied || len(calls) != 4 {
			t.Errorf("calls %q, denied %v after the rollback", calls, denied)
		}
		for _, o := range []*memstore.Store{w.src, w.dst} {
			objects, _ := o.Bucket().List(store.ControlPrefix, "", false, 100)
			for _, left := range objects {
				t.Errorf("%s was left", left.Name)
			}
		}
	})
}

// A policy that never takes effect does not count.
func TestPolicyWithoutEffect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 10)
		w.m.Cutover.Freeze = config.Freeze{Mode: config.FreezeS3Policy, Except: []string{"arn:aws:iam::1:role/x"}}
		w.m.Cutover.Unfreeze = nil
		d := &denier{Store: w.src}
		_, err := w.engine(func(o *Options) { o.Source, o.Probe = d, mortal{w.src, new(atomic.Bool)} }).Cutover(w.ctx, RunOptions{})
		if err == nil || !strings.Contains(err.Error(), "not refused") {
			t.Errorf("error %v", err)
		}
		if len(w.hooks.steps()) != 0 || d.calls[len(d.calls)-1] != "allow shop" {
			t.Errorf("hooks %v, calls %q", w.hooks.steps(), d.calls)
		}
		w.app.run(100 * time.Millisecond)
		w.check(control.Following)
	})
}
