package cutover

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
)

// A key that changes all the time is never equal when one looks. It is no reason
// against a freeze, and in the freeze it is looked at.
func TestFullLeavesBusyKeysToTheFreeze(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, tl := newTail(t)
		for _, key := range []string{"busy", "idle"} {
			s.put(s.dst, key, "another's") // nothing makes them equal
			s.put(s.src, key, "v1")
		}
		s.record(time.Now(), "busy")
		time.Sleep(time.Second) // the tail has read that
		if got, err := tl.Full(t.Context()); err != nil || wrong(got) != 1 || got.Foreign != 1 || got.Examples[0] != "idle" {
			t.Errorf("%+v, %v", got, err)
		}
		if _, c := s.final(tl); wrong(c) != 1 || c.Examples[0] != "busy" {
			t.Errorf("in the freeze: %+v", c)
		}
	})
}

// What was written in the second of the cut, and compared in the freeze, is no
// late write.
func TestFullKeepsNothingThatWasCompared(t *testing.T) {
	t.Parallel()
	for _, compared := range []bool{true, false} {
		s := newSides(t)
		var verified []string
		if compared {
			verified = []string{"k"}
		}
		st := s.turned(func() {
			s.put(s.src, "k", "v1")
			s.carry(control.Forward, "k")
		}, verified...)
		_, old := s.body(s.src, "k")
		st.Turn.Cut = old.ModTime
		st = s.state(st)
		s.put(s.dst, "k", "v2")
		if got, err := s.comparer(st).Full(t.Context()); err != nil || wrong(got) != 0 || got.Repaired != 1 {
			t.Errorf("%+v, %v", got, err)
		}
		s.wantSame("k")
		if kept := len(s.late()); kept != 0 == compared {
			t.Errorf("compared %v: %d kept", compared, kept)
		}
	}
}

// Nor is what a function has carried there between the Sync that met with a
// conflict and the look at what is to be kept.
func TestFullKeepsNoCopy(t *testing.T) {
	t.Parallel()
	s := newSides(t)
	st := s.turned(func() { s.put(s.src, "k", "v1") })
	_, old := s.body(s.src, "k")
	st.Turn.Cut = old.ModTime
	st = s.state(st)
	s.put(s.dst, "k", "v2")
	c := s.comparer(st)
	if res, err := c.Sync(t.Context(), "k", replicate.HintNone); err != nil || res.Action != replicate.Conflict {
		t.Fatalf("%+v, %v", res, err)
	}
	s.carry(control.Reverse, "k")
	if res, err := c.replaceLate(t.Context(), "k"); err != nil || res.Action != replicate.Skip {
		t.Errorf("%+v, %v", res, err)
	}
	if kept := s.late(); len(kept) != 0 {
		t.Errorf("a copy was kept: %+v", kept)
	}
}
