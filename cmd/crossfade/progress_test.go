package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crossfade-io/crossfade/backfill"
)

// ratesOf feeds snapshots a second apart.
func ratesOf(snapshots ...backfill.Snapshot) *rates {
	var r rates
	for i, s := range snapshots {
		r.add(time.Unix(int64(i), 0), s)
	}
	return &r
}

func TestProgressLine(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for name, tc := range map[string]struct {
		r     *rates
		width int
		want  string
	}{
		"nothing yet": {ratesOf(backfill.Snapshot{}), 100, "copying 0 of 0+ objects, 0 B of 0 B+, 0/s"},
		"listing": {
			ratesOf(backfill.Snapshot{}, backfill.Snapshot{Seen: 12345, SeenBytes: 10 * mib, Done: 1000, DoneBytes: mib, Read: 2 * mib}),
			100, "copying 1,000 of 12,345+ objects, 1.0 MiB of 10.0 MiB+, 1000/s, 2.0 MiB/s",
		},
		"by objects": {
			ratesOf(backfill.Snapshot{Listed: true}, backfill.Snapshot{Seen: 1090, Done: 10, Listed: true}),
			100, "copying 10 of 1,090 objects, 0 B of 0 B, 10/s, 1:48 left",
		},
		"by bytes": {
			ratesOf(backfill.Snapshot{}, backfill.Snapshot{Seen: 20, Done: 10, SeenBytes: 7300 * mib, DoneBytes: mib * 100, Read: mib, Failed: 3, Listed: true}),
			100, "copying 10 of 20 objects, 100 MiB of 7.1 GiB, 10/s, 1.0 MiB/s, 2:00:00 left, 3 failed",
		},
		"cut":     {ratesOf(backfill.Snapshot{}), 12, "copying 0 o"},
		"no room": {ratesOf(backfill.Snapshot{}), 0, ""},
	} {
		if got := tc.r.line("copying", tc.width); got != tc.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// Rates are of the last seconds only, and few samples are kept.
func TestRatesForget(t *testing.T) {
	t.Parallel()
	var r rates
	at := time.Unix(0, 0)
	for i := range 1000 {
		done := int64(min(i, 500)) * 10 // a hundred a second, then nothing
		r.add(at.Add(time.Duration(i)*100*time.Millisecond), backfill.Snapshot{Done: done})
		if _, objects, _ := r.now(); i > 0 && i <= 500 && int(objects+0.5) != 100 {
			t.Fatalf("sample %d: %f/s", i, objects)
		}
	}
	if _, objects, _ := r.now(); objects != 0 || len(r.samples) > 60 {
		t.Fatalf("%f/s from %d samples", objects, len(r.samples))
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1234: "-1,234", -123: "-123"} {
		if got := thousands(n); got != want {
			t.Errorf("thousands(%d) is %q", n, got)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 102300: "99.9 KiB", 102400: "100 KiB", 1023999: "1.0 MiB", 1 << 40: "1.0 TiB", 1<<63 - 1: "8.0 EiB"} {
		if got := bytesText(n); got != want {
			t.Errorf("bytesText(%d) is %q, want %q", n, got, want)
		}
	}
	for s, want := range map[float64]string{0: "0.0 s", 59.94: "59.9 s", 61: "1:01", 3661: "1:01:01"} {
		if got := secondsText(s); got != want {
			t.Errorf("secondsText(%f) is %q", s, got)
		}
	}
}

func TestConsoleKeepsTheLiveLineBelow(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	c := &console{w: &b}
	c.Write([]byte("one\n"))
	c.live("10 %")
	c.live("10 %") // unchanged: not drawn
	c.Write([]byte("two\n"))
	c.live("")
	want := "one\n" + clearLine + "10 %" + clearLine + "two\n10 %" + clearLine
	if b.String() != want {
		t.Fatalf("%q", b.String())
	}
}

// On a terminal one line is redrawn and wiped at the end; elsewhere there is a
// log line now and then; with --quiet there is neither.
func TestShowProgress(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		width int
		quiet bool
		check func(out string) bool
	}{
		"terminal": {80, false, func(out string) bool {
			return strings.HasPrefix(out, clearLine+"comparing 0 of 0+ objects") && strings.HasSuffix(out, clearLine) && !strings.Contains(out, "level=")
		}},
		"log": {0, false, func(out string) bool {
			return strings.Count(out, "level=INFO msg=comparing done=0 seen=0") == 3 && !strings.Contains(out, "\r")
		}},
		"quiet": {80, true, func(out string) bool { return out == "" }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var b safeBuffer
				e := &env{now: time.Now, width: func() int { return tc.width }, quiet: tc.quiet}
				stop := e.showProgress(&console{w: &b}, new(backfill.Progress), "comparing")
				time.Sleep(35 * time.Second) // of the bubble's clock
				stop()
				if out := b.take(); !tc.check(out) {
					t.Fatalf("%q", out)
				}
			})
		})
	}
}

// The summary names a bounded number of keys to those who saw them logged, and
// all that are kept to those who did not.
func TestManyFailures(t *testing.T) {
	t.Parallel()
	s := backfill.Summary{Listed: 1030, Failed: 1030}
	for range 1000 {
		s.Failures = append(s.Failures, backfill.Failure{Key: "k", Reason: "r"})
	}
	if text := summaryText(s, someNamed); strings.Count(text, "failed  k: r\n") != someNamed || !strings.Contains(text, "and 1,010 more") {
		t.Error(text)
	}
	if text := summaryText(s, len(s.Failures)); strings.Count(text, "failed  k: r\n") != 1000 || !strings.Contains(text, "and 30 more") {
		t.Error(text)
	}
	r := backfill.Report{Missing: 12_000, Keys: map[backfill.Class][]string{backfill.Missing: make([]string, 10_000)}}
	if text := reportText(r, someNamed); strings.Count(text, "missing") != someNamed+2 || !strings.Contains(text, "and 11,980 more") {
		t.Error(text)
	}
}

func TestOneLine(t *testing.T) {
	t.Parallel()
	const want = "a b c \uFFFD[31m\uFFFD\uFFFDtxt.exe caf\u00e9 \U0001F600 "
	if got := oneLine("a\nb\tc\u2028\x1b[31m\u009b\u202etxt.exe caf\u00e9 \U0001F600\u2029"); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
