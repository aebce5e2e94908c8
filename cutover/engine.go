// Package cutover turns an application round from one end of a migration to the
// other, and back: it announces itself, compares, freezes, drains, switches, and
// opens the way back. What the processes of a migration agree on is in package
// replicate/control; every step is one compare-and-swap of its State, so that a
// crash at any point is continued by the same command.
package cutover

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

// Options are what an Engine works with. Control, ControlStore, Source, Target,
// Now and Random are required.
type Options struct {
	Migration config.Migration

	// Source and Target are the ends of the migration, not decorated by a
	// control.Guard: the engine guards its own Syncs.
	Source store.Store
	Target store.Store

	Control      *control.Documents
	ControlStore store.Store // that Control is in
	Probe        store.Store // the source as the application sees it: for freeze mode s3-policy, else nil

	Operator Operator
	Tool     string // crossfade's version

	Now    func() time.Time                           // with a monotonic reading
	Sleep  func(context.Context, time.Duration) error // default store.Sleep
	Random func() string                              // texts that do not recur, such as crypto/rand.Text
	Log    *slog.Logger                               // default: discard

	// Backlog asks the queue how many events wait there; nil where it cannot tell.
	Backlog func(context.Context) (int64, error)

	Hooks    Hooks       // nil: they are really run
	Progress func(Event) // is told what happens, for the terminal; may be nil

	// Lease is the one that the functions' guards go by: 0 is control.Lease.
	Lease time.Duration

	// Stepped is called after each durable step, and before and after each side
	// effect, with its name: tests count there, and kill. It may be nil.
	Stepped func(step string)
}

// Operator is who runs the engine, as others see it in the control object.
type Operator struct {
	Name string // such as user@host
	Host string
	PID  int

	// Alive reports whether a process of this host runs; nil: unknown, so that
	// only a beat that stands still says that an operator is gone.
	Alive func(pid int) bool
}

// Hooks runs the user's hooks.
type Hooks interface {
	// Run returns what happened, and an error unless the hook succeeded. It
	// returns within the hook's timeout and a little.
	Run(ctx context.Context, hook config.Hook, call HookCall) (report.HookRun, error)
}

// The steps that hooks are called for.
const (
	StepFreeze   = "freeze"
	StepSwitch   = "switch"
	StepUnfreeze = "unfreeze"
)

// HookCall is what a hook is told.
type HookCall struct {
	Migration string
	Operation string // cutover or rollback
	Step      string // freeze, switch or unfreeze

	// Authority is the side that the application is to use once the hook has
	// succeeded.
	Authority      control.Side
	Source, Target string // IDs
	Epoch          int64
	Run            string
	MaxFreeze      time.Duration
	DryRun         bool // the hook is to check that it could, and change nothing
}

// Event is something that happened, for people who watch.
type Event struct {
	At    time.Time
	Phase control.Phase
	Step  string
	Text  string
}

// RunOptions are those of one Cutover or Rollback.
type RunOptions struct {
	Strict bool // list and compare everything in the freeze
	DryRun bool // check, rehearse the hooks, compare; change nothing
}

// FinishOptions are those of Finish.
type FinishOptions struct {
	Stamps bool // also take the stamps off the authority's objects
}

// Engine runs the operations of one migration. One at a time: it is not for
// several goroutines at once.
type Engine struct {
	o    Options
	m    config.Migration
	docs *control.Documents
	log  *slog.Logger

	sourceID, targetID string
}

// New returns an Engine. The stores remain the caller's to close.
func New(o Options) (*Engine, error) {
	switch {
	case o.Source == nil || o.Target == nil || o.Control == nil || o.ControlStore == nil:
		return nil, errors.New("cutover: Source, Target, Control and ControlStore are required")
	case o.Now == nil || o.Random == nil:
		return nil, errors.New("cutover: Now and Random are required")
	case o.Control.Migration != o.Migration.Name:
		return nil, errors.New("cutover: the control documents are of the migration " + o.Control.Migration + ", not of " + o.Migration.Name)
	}
	if o.Sleep == nil {
		o.Sleep = store.Sleep
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Progress == nil {
		o.Progress = func(Event) {}
	}
	if o.Stepped == nil {
		o.Stepped = func(string) {}
	}
	o.Lease = cmp.Or(o.Lease, control.Lease)
	if o.Hooks == nil {
		o.Hooks = newRunner(o.Now, o.Sleep)
	}
	e := &Engine{o: o, m: o.Migration, docs: o.Control, log: o.Log}
	e.sourceID, e.targetID = o.Migration.IDs()
	return e, nil
}

// end returns the store of a side.
func (e *Engine) end(s control.Side) store.Store {
	if s == control.Target {
		return e.o.Target
	}
	return e.o.Source
}

// id returns the ID of a side, as in stamps.
func (e *Engine) id(s control.Side) string {
	if s == control.Target {
		return e.targetID
	}
	return e.sourceID
}

// guard returns a guard of the engine's own writes in direction d.
func (e *Engine) guard(d control.Direction) *control.Guard {
	return control.NewGuard(e.docs, d, e.o.Now, e.o.Lease)
}
