package pull_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/pull"
	"github.com/crossfade-io/crossfade/store"
)

func TestDelay(t *testing.T) {
	t.Parallel()
	retry := functions.Verdict{Outcome: functions.Retry}
	later := functions.Verdict{Outcome: functions.Retry, After: time.Minute, Kind: store.Denied}
	dead := functions.Verdict{Outcome: functions.DeadLetter}
	for _, c := range []struct {
		v          functions.Verdict
		deliveries int
		random     float64
		want       time.Duration
	}{
		{retry, 0, 0, time.Second},
		{retry, 1, 0, time.Second},
		{retry, 1, 0.5, 750 * time.Millisecond},
		{retry, 4, 0, 8 * time.Second},
		{retry, 9, 0, 256 * time.Second},
		{retry, 10, 0, 5 * time.Minute},
		{retry, 1 << 30, 0, 5 * time.Minute},
		{later, 1, 0, time.Minute},
		{later, 9, 0, 256 * time.Second},
		{dead, 1, 0, time.Minute},
		{dead, 3, 0, 4 * time.Minute},
		{dead, 100, 0, time.Hour},
	} {
		if got := pull.Delay(c.v, c.deliveries, c.random); got != c.want {
			t.Errorf("%+v, %d deliveries: %s, want %s", c.v, c.deliveries, got, c.want)
		}
	}
}

func TestReason(t *testing.T) {
	t.Parallel()
	v := functions.Verdict{Outcome: functions.DeadLetter, Reason: "malformed"}
	if got := pull.Reason(v, functions.Event{}); got != "malformed" {
		t.Error(got)
	}
	got := pull.Reason(v, functions.Event{Malformed: errors.New("a\x00b" + strings.Repeat("x", 10_000))})
	if !strings.HasPrefix(got, `"malformed: a\x00bxx`) || len(got) > 3000 {
		t.Error(got)
	}
}

// Trouble is told when it begins, when it changes, and when it is over.
func TestHealth(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	h := pull.Health{Log: slog.New(slog.NewTextHandler(&log, nil))}
	for _, c := range []struct {
		err   error
		kind  string
		lines int
	}{
		{nil, "", 0},
		{errors.New("denied, request 1"), "denied", 1},
		{errors.New("denied, request 2"), "denied", 1},
		{errors.New("no answer"), "", 2},
		{nil, "", 3},
		{nil, "", 3},
		{errors.New("denied, request 3"), "denied", 4},
	} {
		h.Note(t.Context(), c.err, c.kind)
		if n := strings.Count(log.String(), "\n"); n != c.lines || !errors.Is(h.Err(), c.err) {
			t.Errorf("%v: %d lines, %v\n%s", c.err, n, h.Err(), log.String())
		}
	}
}
