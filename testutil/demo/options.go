package demo

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// clouds are what From and To choose among.
var clouds = []string{"s3", "gcs", "azure"}

// Options configure a World and a Demo. Zero values of the first group are not
// defaulted: see Defaults.
type Options struct {
	From, To string        // s3, gcs or azure
	Duration time.Duration // how long the application runs at least, on both sides together
	Objects  int           // at least, before the application begins
	Rate     float64       // operations of the application a second
	Seed     uint64        // of the application's plan
	Calm     bool          // no key is written many times a second
	Latency  time.Duration // added to every request to a cloud

	// The times that a cutover has to wait for, which are far longer in a real
	// one: functions.timeout of the migration, and the lease of its functions'
	// guards.
	FunctionTimeout time.Duration
	Lease           time.Duration
	MaxFreeze       time.Duration
	MaxLag          time.Duration

	Rollback bool // and let the application go back in the end
	Strict   bool // compare everything in the freeze

	// Faults is the share of all requests to both clouds, the application's own
	// included, that fail in one of cloudsim.PassingFaults. With any, events
	// also come twice, out of order, and once more long after.
	Faults float64

	Observe func(Step)   // told of what happens, in order; may be nil
	Log     *slog.Logger // of the functions and the backfill; default: discard
	Now     func() time.Time

	// Invocations are how many invocations of one function there are at once at
	// most; 0 chooses few, as of a function that nobody has tuned.
	Invocations int

	// Events and Syncer, if not nil, come between the clouds and the functions
	// of a direction: tests that must see the demo fail drop events and break
	// what a Sync does. Stepped is the engine's.
	Events  func(control.Direction, cloudsim.Encoder) cloudsim.Encoder
	Syncer  func(control.Direction, functions.Syncer, *cloudsim.Bucket) functions.Syncer
	Stepped func(step string)
}

// Defaults are the options of a run that takes about 20 seconds.
func Defaults() Options {
	return Options{
		From: "s3", To: "gcs", Duration: 14 * time.Second, Objects: 3000, Rate: 150, Seed: 1,
		FunctionTimeout: 3 * time.Second, Lease: 250 * time.Millisecond, MaxFreeze: 30 * time.Second, MaxLag: 5 * time.Second,
	}
}

// Validate reports in one line what is wrong with the options, or nil.
func (o Options) Validate() error {
	for _, x := range []struct{ flag, value string }{{"from", o.From}, {"to", o.To}} {
		if !slices.Contains(clouds, x.value) {
			return fmt.Errorf("--%s is %q: use one of %s", x.flag, x.value, strings.Join(clouds, ", "))
		}
	}
	switch {
	case o.Duration < time.Second || o.Duration > time.Hour:
		return fmt.Errorf("--duration is %s: use 1s to 1h", o.Duration)
	case o.Objects < 0 || o.Objects > 200_000:
		return fmt.Errorf("--objects is %d: use 0 to 200000", o.Objects)
	case !(o.Rate >= 1 && o.Rate <= 5000):
		return fmt.Errorf("--rate is %g: use 1 to 5000 a second", o.Rate)
	case !(o.Faults >= 0 && o.Faults <= 0.2):
		return fmt.Errorf("--faults is %g: use 0 to 0.2", o.Faults)
	case o.Latency < 0 || o.Latency > time.Second:
		return fmt.Errorf("--latency is %s: use 0s to 1s", o.Latency)
	case o.FunctionTimeout <= 0 || o.Lease <= 0 || o.MaxFreeze <= 0 || o.MaxLag <= 0:
		return errors.New("the timeout of functions, their lease, the longest freeze and the largest lag must be set")
	}
	return nil
}

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Faults > 0 {
		// For what hangs, and has to be tried again.
		o.MaxFreeze, o.MaxLag = max(o.MaxFreeze, time.Minute), max(o.MaxLag, 10*time.Second)
	}
	return o
}

// mostUnderWay is how many events may be under way before the application waits
// for the functions: those of a second.
func (o Options) mostUnderWay() int64 { return max(20, int64(o.Rate)) }

// appAttempts makes the application go on trying where requests fail, as any
// that is to live with a cloud does; without faults each error is an event.
func (o Options) appAttempts() int {
	if o.Faults > 0 {
		return 60
	}
	return 1
}
