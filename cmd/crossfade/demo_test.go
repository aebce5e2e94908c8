package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/demo"
	"github.com/crossfade-io/crossfade/testutil/demoapp"
)

// demoCLI has the real clock: the application's pace goes by it.
func demoCLI(t *testing.T) *cli {
	t.Helper()
	c := newCLI(t)
	c.env.now = time.Now
	return c
}

func TestDemoUsageErrors(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ args, says string }{
		{"demo --from aws", `--from is "aws": use one of s3, gcs, azure`},
		{"demo --to file", `--to is "file": use one of s3, gcs, azure`},
		{"demo --duration 10", "--duration"},
		{"demo --duration 10ms", "--duration is 10ms: use 1s to 1h"},
		{"demo --objects -5", "--objects is -5: use 0 to 200000"},
		{"demo --objects many", "--objects"},
		{"demo --rate 0", "--rate is 0: use 1 to 5000 a second"},
		{"demo --rate NaN", "--rate is NaN: use 1 to 5000 a second"},
		{"demo --seed -1", "--seed"},
		{"demo --faults 0.3", "--faults is 0.3: use 0 to 0.2"},
		{"demo --latency 1h", "--latency is 1h0m0s: use 0s to 1s"},
		{"demo s3://source", "unknown command"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			t.Parallel()
			stdout, stderr := demoCLI(t).want(exitUsage, strings.Fields(tc.args)...)
			first, _, _ := strings.Cut(stderr, "\n")
			if stdout != "" || !strings.HasPrefix(first, "crossfade: ") || !strings.Contains(first, tc.says) {
				t.Errorf("stdout %q, stderr %q", stdout, stderr)
			}
		})
	}
}

func TestDemoJSON(t *testing.T) {
	t.Parallel()
	c := demoCLI(t)
	stdout, stderr := c.want(exitDone, strings.Fields("demo --json --quiet --from azure --to s3 --duration 1s --objects 60 --rate 100 --seed 9")...)
	if stderr != "" {
		t.Errorf("--quiet, and there is %q", stderr)
	}
	var got map[string]any
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatalf("%v in %s", err, stdout)
	}
	for _, name := range []string{"seeded", "writes", "overwrites", "deletes", "freeze_ms", "lost", "stale", "resurrected", "corrupt", "foreign", "seconds", "errors"} {
		if _, ok := got[name].(float64); !ok {
			t.Errorf("%s is %v", name, got[name])
		}
	}
	lag, ok := got["lag_ms"].(map[string]any)
	if !ok {
		t.Fatalf("lag_ms is %v", got["lag_ms"])
	}
	for _, name := range []string{"p50", "p99", "max"} {
		if v, ok := lag[name].(float64); !ok || v <= 0 {
			t.Errorf("lag_ms.%s is %v", name, lag[name])
		}
	}
	if got["from"] != "azure" || got["to"] != "s3" || got["seed"] != 9.0 || got["seeded"] != 60.0 {
		t.Errorf("not the run that was asked for: %s", stdout)
	}
}

func TestDemoTellsPeople(t *testing.T) {
	t.Parallel()
	stdout, stderr := demoCLI(t).want(exitDone, strings.Fields("demo --duration 1s --objects 0 --rate 50 --latency 1ms")...)
	at := 0
	for _, phase := range []string{"seeding", "following", "backfill", "frozen", "drained", "switched", "comparing"} {
		i := strings.Index(stderr[at:], "  "+phase+"  ")
		if i < 0 {
			t.Fatalf("%q does not follow in %s", phase, stderr)
		}
		at += i
	}
	if !strings.Contains(stdout, "just as the application was told") || strings.Contains(stderr, "\x1b") {
		t.Errorf("stdout %s\nstderr %q", stdout, stderr)
	}
}

// Faults on the target make the exit code 1, and are in the JSON.
func TestDemoFails(t *testing.T) {
	t.Parallel()
	c := demoCLI(t)
	opts := demo.Defaults()
	opts.Duration, opts.Objects, opts.Rate = 2*time.Second, 30, 100
	opts.Events = func(cloudsim.Encoder) cloudsim.Encoder {
		return func(cloudsim.Change) []cloudsim.Document { return nil } // none arrives
	}
	err := c.env.demo(t.Context(), opts, slog.LevelError, true)
	if !errors.Is(err, errIncomplete) {
		t.Errorf("ended with %v", err)
	}
	var got demo.Result
	if err := json.Unmarshal([]byte(c.out.take()), &got); err != nil {
		t.Fatal(err)
	}
	if got.Lost+got.Stale+got.Resurrected == 0 || len(got.Faults) == 0 {
		t.Errorf("%+v", got)
	}
}

func TestDemoInterrupted(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, cancel)
	defer cancel()
	code, stdout, stderr := demoCLI(t).runContext(ctx, "demo", "--duration", "1h", "--objects", "50")
	if code != exitIncomplete || stdout != "" || !strings.HasSuffix(stderr, "crossfade: interrupted; nothing is left behind\n") {
		t.Errorf("exit %d, stdout %q, stderr %q", code, stdout, stderr)
	}
}

func TestDemoTable(t *testing.T) {
	t.Parallel()
	r := &demo.Result{
		From: "s3", To: "gcs", Seed: 1, Seeded: 3000, SeededBytes: 94 << 20, Writes: 2101, Overwrites: 1432, Deletes: 412, OnTarget: 803,
		LagMS: demo.LagMS{P50: 8.14, P99: 64, Max: 1212}, FreezeMS: 41, Compared: 4034, Seconds: 19.84,
		Backfill: demo.BackfillCounts{Copied: 2950, Skipped: 50, Seconds: 2.3},
		Events:   demo.EventCounts{Sent: 2012, Redelivered: 3},
	}
	const good = `
From s3 to gcs in 19.8 s, seed 1

  objects seeded             3,000   94.0 MiB
  live writes                2,101
    of them overwrites       1,432
  live deletes                 412
  after the move               803   of these writes and deletes, on the target
  events                     2,012   3 delivered again, 0 given up
  backfilled                 2,950   in 2.3 s, 50 were there already, 0 failed
  replication lag           8.1 ms   p50; p99 64 ms, max 1.21 s
  freeze                     41 ms   from the last write on the source to the first on the target

  lost                           0   stored, and not there
  stale                          0   as it was before its last change
  resurrected                    0   deleted, and there
  corrupt                        0   other bytes or attributes than were ever stored
  foreign                        0   there, and nobody stored it

All 4,034 keys are on the target just as the application was told.
`
	if got := demoTable(r); got != good {
		t.Errorf("got\n%s\nwant\n%s", got, good)
	}
	r.Lost, r.Foreign, r.Errors, r.FirstError = 1, 2, 4, "put \"a\": refused"
	r.Faults = []demo.Fault{{Key: "a\nb", Verdict: "lost", Why: "stored with 3 bytes, and not there"}}
	const bad = `
  lost         a b: stored with 3 bytes, and not there
  ... and 2 more
  The application met 4 errors, first: put "a": refused
Of 4,034 keys, not all are on the target as the application was told.
`
	if got := demoTable(r); !strings.HasSuffix(got, bad) {
		t.Errorf("got\n%s\nwant at its end\n%s", got, bad)
	}
}

func TestDemoStatus(t *testing.T) {
	t.Parallel()
	s := demo.Status{
		Phase: "backfill", Elapsed: 3210 * time.Millisecond, Seeded: 3000, Source: 3100, Target: 1200,
		App: demoapp.Counts{Creates: 3050, Overwrites: 100, Deletes: 20}, Lag: 12 * time.Millisecond,
		Events:   cloudsim.QueueStats{Sent: 170, Waiting: 3, InFlight: 2},
		Backfill: backfill.Snapshot{Done: 1100, Seen: 2000},
	}
	const line = "   3.2 s  backfill   148 operations/s, 150 writes, 20 deletes, backfill 1,100 of 2,000+, 5 events on their way, lag 12 ms, objects 3,100 | 1,200"
	if got := demoStatus(s, 148.2, 0); got != line {
		t.Errorf("got  %s\nwant %s", got, line)
	}
	if got := demoStatus(s, 148.2, 60); got != line[:59] {
		t.Errorf("cut to 60 columns: %q", got)
	}
	s.Phase, s.Events, s.App = "seeding", cloudsim.QueueStats{}, demoapp.Counts{Creates: 700, Errors: 2}
	if got, want := demoStatus(s, 2000, 0), "   3.2 s  seeding    2000 operations/s, 700 of 3,000 objects, objects 3,100 | 1,200, 2 errors"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDemoMeter(t *testing.T) {
	t.Parallel()
	var m demoMeter
	at := func(ms, ops int) float64 {
		return m.perSecond(demo.Status{Elapsed: time.Duration(ms) * time.Millisecond, App: demoapp.Counts{Creates: ops}})
	}
	for _, x := range []struct {
		ms, ops int
		want    float64
	}{{0, 0, 0}, {500, 50, 100}, {1000, 150, 150}, {2000, 350, 200}, {3000, 350, 0}} {
		if got := at(x.ms, x.ops); got != x.want {
			t.Errorf("at %d ms: %g, want %g", x.ms, got, x.want)
		}
	}
}
