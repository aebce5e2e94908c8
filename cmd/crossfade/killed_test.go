package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/testutil/demoapp"
	"github.com/crossfade-io/crossfade/testutil/functest"
)

func TestMain(m *testing.M) { functest.Main(m, mortal) }

// survived lists, in the environment of a mortal, the steps at which it lives on.
const survived = "STEPS_SURVIVED"

// mortal is the main of a process that kills itself with SIGKILL at the first
// step of a cutover that is not among those survived, and says which it was.
func mortal() {
	ctx, abort := interrupts()
	e := newEnv(abort)
	e.lease = worldLease
	if names, ok := os.LookupEnv(survived); ok {
		past := strings.Split(names, ",")
		e.stepped = func(step string) {
			if slices.Contains(past, step) {
				return
			}
			fmt.Fprintf(os.Stdout, "%s%s\n", diedAt, step)
			syscall.Kill(os.Getpid(), syscall.SIGKILL) //nolint:errcheck // nothing is left to tell it
			select {}
		}
	}
	os.Exit(run(ctx, os.Args[1:], e))
}

const diedAt = "died at "

// An operator who is killed with SIGKILL at every step there is, one after the
// other, and starts the same command again each time, gets there: with nothing
// lost, the application not held, and both sides equal, there and back.
func TestKilledAtEveryStep(t *testing.T) {
	w := newWorld(t)
	w.want(exitDone, "init", "-f", w.file)
	w.deploy()
	stop := w.write()
	w.want(exitDone, "backfill", "-f", w.file, "-q")
	for _, op := range []struct {
		verb  string
		at    demoapp.Side
		phase control.Phase
	}{
		{"cutover", demoapp.Target, control.Reversed},
		{"rollback", demoapp.Source, control.Following},
	} {
		steps := w.killAtEach(op.verb)
		for _, must := range []string{"announced", "frozen", "switching", "switched", "turned"} {
			if !slices.Contains(steps, must) {
				t.Errorf("%s: nobody died at %q; there were %q", op.verb, must, steps)
			}
		}
		if side, held := w.sides.At(); held || side != op.at || w.phase() != op.phase {
			t.Fatalf("after the %s the application is at the %s (held: %v), and the migration is %s", op.verb, side, held, w.phase())
		}
		t.Logf("%s: died at %d steps: %s", op.verb, len(steps), strings.Join(steps, ", "))
	}
	w.check(stop, demoapp.Source)
}

// killAtEach runs a verb again and again, each time in a process that dies at the
// first step at which none died before, until one comes to the end.
func (w *world) killAtEach(verb string) (steps []string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Minute)
	defer cancel()
	for len(steps) < 100 {
		p := functest.Start(w.t, append(w.environ, survived+"="+strings.Join(steps, ",")), verb, "-f", w.file, "--yes", "--report", w.dir)
		code := p.Exit(ctx, w.t)
		out := p.Stdout()
		i := slices.IndexFunc(out, func(line string) bool { return strings.HasPrefix(line, diedAt) })
		switch {
		case code == -1 && i >= 0:
			steps = append(steps, strings.TrimPrefix(out[i], diedAt))
		case code != exitDone:
			w.t.Fatalf("%s, having died at %q: exit %d\n%s", verb, steps, code, p.Stderr())
		default:
			return steps
		}
	}
	w.t.Fatalf("%s has no end: %q", verb, steps)
	return nil
}

// An operator is killed in the freeze, and the next one gives up: the application
// goes on where it was.
func TestAbortAfterAKill(t *testing.T) {
	w := newWorld(t)
	w.want(exitDone, "init", "-f", w.file)
	w.deploy()
	stop := w.write()
	w.want(exitDone, "backfill", "-f", w.file, "-q")
	before := []string{"taken over", "announced", "compared", "ready", "frozen", "freeze-hook:before"}
	p := functest.Start(t, append(w.environ, survived+"="+strings.Join(before, ",")), "cutover", "-f", w.file, "--yes", "--report", w.dir)
	if code := p.Exit(t.Context(), t); code != -1 {
		t.Fatalf("exit %d\n%s", code, p.Stderr())
	}
	if at, held := w.sides.At(); !held || at != demoapp.Source {
		t.Fatalf("at the %s, held: %v\n%s", at, held, strings.Join(p.Stdout(), "\n"))
	}
	if stdout, _ := w.want(exitIncomplete, "status", "-f", w.file, "--no-canary"); !strings.Contains(stdout, "the application was told to hold, and not yet to go on") {
		t.Fatal(stdout)
	}
	stdout, _ := w.want(exitDone, "abort", "-f", w.file, "--yes", "--report", w.dir)
	if !strings.Contains(stdout, "aborted: shop is as it was before, and the application writes to the source") {
		t.Fatal(stdout)
	}
	if w.phase() != control.Following {
		t.Fatal(w.phase())
	}
	w.check(stop, demoapp.Source)
}
