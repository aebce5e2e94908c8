package model

import (
	"flag"
	"os"
	"testing"

	"pgregory.net/rapid"
)

// drawn makes choices that rapid can shrink.
type drawn struct{ t *rapid.T }

func (d drawn) Choose(n int) int {
	if n == 1 {
		return 0
	}
	return rapid.IntRange(0, n-1).Draw(d.t, "choice")
}

// More schedules than rapid would make by itself.
func TestMain(m *testing.M) {
	flag.Parse()
	const name = "rapid.checks"
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	if !given {
		if err := flag.Set(name, "2000"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// Random schedules in random worlds, shrunk where one breaks an invariant.
func TestSchedules(t *testing.T) {
	t.Parallel()
	runs, steps := 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		c := drawn{rt}
		w := Run(Draw(c), c)
		runs++
		steps += w.Steps()
		if f := w.Failure(); f != "" {
			rt.Fatalf("%s\n%s", f, w.Schedule())
		}
	})
	t.Logf("%d schedules, %d requests", runs, steps)
}
