// Package fence runs cutovers and rollbacks of a modelled migration under a
// scheduler that decides, at each request, who goes on and what befalls it. What
// runs is real: functions.Processor, follow.Follower, control.Guard,
// control.Documents, and the sweep and resolve of package cutover. Modelled are
// the stores, the control store among them; the application, which writes to the
// authority all the while; an operator that goes through the steps of a turn; and
// the platform, which delivers events twice or late, kills, and stalls.
//
// Everything runs in a bubble of testing/synctest, whose clock is the world's:
// whoever is about to make a request waits, and when all wait, the scheduler lets
// one go on. The same numbers of a Chooser make the same run.
package fence

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/cutover"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/model"
)

// Config is the world of a run.
type Config struct {
	Keys   int
	ETags  map[control.Side]bool // versions of that side recur with the bytes, as on S3
	Update bool                  // metadata can be updated in one step

	Freeze    bool // a hook holds the application; else it writes until it is moved
	Forgotten bool // a writer goes on at the old side
	Rollback  bool // a second turn follows
	Processes int  // of functions, in each direction; 0: each invocation has its own

	// How often each may happen.
	Writes, After, Late, Faults, Duplicates, Lost, Stalls, Operators, Failing, Hours int

	Weak Weakness // what is taken out, to see that it is missed
}

func (c Config) String() string {
	return fmt.Sprintf("%d keys, etags %v, update %v, freeze %v, forgotten writer %v, rollback %v, %d processes",
		c.Keys, c.ETags, c.Update, c.Freeze, c.Forgotten, c.Rollback, c.Processes)
}

// The times of the world, for a migration that is declared with short ones.
const (
	migration = "shop"
	lease     = 2 * time.Second
	timeout   = 10 * time.Second // of functions
	settle    = time.Second      // between two looks of the sweep
)

// World is one run.
type World struct {
	cfg    Config
	choose model.Chooser
	ctx    context.Context //nolint:containedctx // the run's
	m      config.Migration
	ids    map[control.Side]string

	ends    map[control.Side]*end
	ctl     *end
	state   control.State // as the control store has it
	app     application
	events  []*event
	procs   map[control.Direction][]*process
	counter int // of versions, bodies and names

	step       int
	tasks      int
	live       []*task
	cur        *request // that takes effect now
	lines      []string
	broken     string
	quiet      bool // nobody has anything to write any more
	switchedAt int  // the step of the last switch; 0 before the first
	leaving    bool // the application's side is about to be left, since the step left
	left       int
	landed     int  // writes of stragglers since the sweep began
	compared   bool // the operator has compared everything
	sweeping   bool

	// verifying says that the operator looks at the journal's keys, or has done so;
	// after, which of them an invocation has written since.
	verifying bool
	after     map[string]string
	verified  control.Verified

	// excused says of keys why the application may see something else than what
	// it wrote, until the sweep.
	excused map[string]string

	// recurred are keys where a straggler replaced or deleted what had the version
	// of something else, on a side where they recur. Nobody can mend that for sure.
	recurred map[string]bool
	flickers map[string]bool // keys that were away and came back within a second of S3's
	// shown is what each side has had of a key, and dropped what a person has
	// decided on.
	shown     map[control.Side]map[string]bool
	dropped   map[string]bool
	forgot    map[string]bool // keys that a forgotten writer has changed
	resolving string          // the key that a person is deciding on

	// Stats counts what happened, for tests to make sure that it did.
	Stats map[string]int

	pending []*request // that wait for the scheduler

	mu     sync.Mutex
	random int
	inbox  []*request // that have just come
}

var quietLog = slog.New(slog.DiscardHandler)

func newWorld(ctx context.Context, cfg Config, c model.Chooser) *World {
	w := &World{
		cfg: cfg, choose: c, ctx: ctx,
		ends: map[control.Side]*end{}, procs: map[control.Direction][]*process{},
		excused: map[string]string{}, Stats: map[string]int{}, dropped: map[string]bool{}, forgot: map[string]bool{}, recurred: map[string]bool{}, flickers: map[string]bool{}, after: map[string]string{},
		shown: map[control.Side]map[string]bool{control.Source: {}, control.Target: {}},
		m: config.Migration{
			Name: migration, Deletes: true, Concurrency: 4, FunctionTimeout: timeout,
			Cutover: config.Cutover{MaxLag: settle},
		},
	}
	for to, raw := range map[*config.Location]string{&w.m.Source: "s3://old", &w.m.Target: "gs://new", &w.m.Control: "gs://ops"} {
		l, err := config.ParseLocation(raw)
		if err != nil {
			panic(err)
		}
		*to = l
	}
	w.ids = map[control.Side]string{}
	w.ids[control.Source], w.ids[control.Target] = w.m.IDs()
	for side, skew := range map[control.Side]time.Duration{control.Source: -37 * time.Second, control.Target: 1300 * time.Millisecond} {
		w.ends[side] = &end{w: w, side: side, etags: cfg.ETags[side], skew: skew, objects: map[string]*object{}}
	}
	w.ctl = &end{w: w, side: "control", objects: map[string]*object{}}
	w.app = application{w: w, side: control.Source, record: map[string]*value{}, past: map[string][]value{}, seconds: map[string]bool{}, maybe: map[string][]*value{}}
	for i := range cfg.Keys {
		w.app.keys = append(w.app.keys, string(rune('a'+i)))
	}
	if _, err := w.documents().Create(ctx, control.State{
		Source: w.ids[control.Source], Target: w.ids[control.Target], Phase: control.Following, Authority: control.Source,
	}); err != nil {
		panic(err)
	}
	return w
}

func (w *World) documents() *control.Documents {
	d, err := control.Open(w.ctl.open(false), migration, w.name)
	if err != nil {
		panic(err)
	}
	return d
}

// name is a text that does not recur.
func (w *World) name() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.random++
	return fmt.Sprintf("R%05d", w.random)
}

// store is a side with its capabilities.
func (w *World) store(s control.Side) store.Store { return w.ends[s].open(w.cfg.Update) }

// engine is a real one, for the sweep and for resolve.
func (w *World) engine(t *task) *cutover.Engine {
	e, err := cutover.New(cutover.Options{
		Migration: w.m, Source: w.store(control.Source), Target: w.store(control.Target),
		Control: w.documents(), ControlStore: w.ctl.open(false), Operator: cutover.Operator{Name: t.name},
		Now: time.Now, Random: w.name, Log: quietLog,
		Sleep: func(ctx context.Context, d time.Duration) error {
			// A change is carried within max_lag, or its function has failed: so
			// much is asked of the way back.
			if err := store.Sleep(ctx, d); err != nil || d < settle/2 {
				return err
			}
			return w.until(ctx, "carried", w.carried())
		},
	})
	if err != nil {
		panic(err)
	}
	return e
}

// breaks notes the first violation. The run ends at the next step.
func (w *World) breaks(invariant int, key, format string, args ...any) {
	if w.broken == "" {
		w.broken = fmt.Sprintf("breaks invariant %d (%s) for key %s: %s", invariant, invariants[invariant], key, fmt.Sprintf(format, args...))
		w.note("%s", w.broken)
	}
}

// The invariants, in the order of docs/correctness.md.
const (
	fenced   = 1
	view     = 2
	swept    = 3
	lateKept = 4
	wayBack  = 5
	looped   = 6
	turned   = 7
)

var invariants = map[int]string{
	fenced: "no write without the right to it", view: "the application sees what it wrote", swept: "the sweep mends",
	lateKept: "late writes are kept", wayBack: "the way back loses nothing", looped: "loops end", turned: "a turn is one turn",
}

func (w *World) note(format string, args ...any) {
	w.lines = append(w.lines, fmt.Sprintf("%4d %6.1fs  %s", w.step, time.Since(epoch).Seconds(), fmt.Sprintf(format, args...)))
}

// epoch is when a bubble's clock begins.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// Failure says which invariant broke and how, or "".
func (w *World) Failure() string { return w.broken }

// Steps is the number of requests that were scheduled.
func (w *World) Steps() int { return w.step }

// Schedule is the run in words, one line a step.
func (w *World) Schedule() string {
	return fmt.Sprintf("world: %v\n%s\n", w.cfg, strings.Join(w.lines, "\n"))
}

// String is what answers show of an object.
func (o *object) String() string {
	if o == nil {
		return "nothing"
	}
	text := fmt.Sprintf("%s %q %s", o.Version, o.body, o.CacheControl)
	if s, err := replicate.ParseStamp(o.Metadata[replicate.StampName]); err == nil {
		text += fmt.Sprintf(" (from %s %s)", s.From, s.Version)
	}
	return text
}

// Weakness is a guard that is taken out.
type Weakness uint8

// The weaknesses.
const (
	Sound        Weakness = iota
	Unguarded             // functions write without asking
	JournalAfter          // keys are noted once they have been synced
	Hasty                 // the operator does not wait for older invocations
	Trusting              // the operator compares nothing
	Lenient               // the operator takes equal objects for verified though a Sync would replace one
	Unverified            // what was verified is not written down
	SameEpoch             // the switch does not raise the epoch
	CutNow                // all that is on the old side counts as compared
	NeverBorn             // each copy from the old side counts as a straggler's
)
