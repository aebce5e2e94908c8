package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
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

func TestDemoJSON(t *testing.T) { // not parallel: it needs what the machine has
	c := demoCLI(t)
	stdout, stderr := c.want(exitDone, strings.Fields("demo --json --quiet --rollback --from azure --to s3 --duration 1s --objects 45 --rate 20 --seed 9")...)
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
	for _, op := range []string{"cutover", "rollback"} {
		turn, ok := got[op].(map[string]any)
		if !ok {
			t.Fatalf("%s is %v", op, got[op])
		}
		for _, name := range []string{"freeze_ms", "engine_freeze_ms", "announce_to_reverse_seconds", "compared"} {
			if v, ok := turn[name].(float64); !ok || v <= 0 {
				t.Errorf("%s.%s is %v", op, name, turn[name])
			}
		}
	}
	if got["from"] != "azure" || got["to"] != "s3" || got["seed"] != 9.0 || got["seeded"] != 45.0 {
		t.Errorf("not the run that was asked for: %s", stdout)
	}
}

func TestDemoTellsPeople(t *testing.T) { // not parallel: it needs what the machine has
	dir := filepath.Join(t.TempDir(), "reports")
	stdout, stderr := demoCLI(t).want(exitDone, "demo", "--duration", "1s", "--objects", "0", "--rate", "15", "--latency", "1ms", "--report", dir)
	at := 0
	for _, phase := range []string{"seeding", "deployed", "backfill", "following", "announced", "frozen", "switching", "switched", "reversed", "draining", "comparing"} {
		i := strings.Index(stderr[at:], "  "+phase+" ")
		if i < 0 {
			t.Fatalf("%q does not follow in %s", phase, stderr)
		}
		at += i
	}
	if !strings.Contains(stdout, "just as the application was told") || strings.Contains(stderr, "\x1b") {
		t.Errorf("stdout %s\nstderr %q", stdout, stderr)
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 || !strings.Contains(stderr, "report of the cutover: "+filepath.Join(dir, files[0].Name())) {
		t.Errorf("%v, %v in %s", files, err, stderr)
	}
}

// Faults on a side make the exit code 1, and are in the JSON.
func TestDemoFails(t *testing.T) { // not parallel: it needs what the machine has
	c := demoCLI(t)
	opts := demo.Defaults()
	opts.Duration, opts.Objects, opts.Rate = time.Second, 30, 30
	opts.Events = func(d control.Direction, enc cloudsim.Encoder) cloudsim.Encoder {
		return func(c cloudsim.Change) []cloudsim.Document {
			if d == control.Reverse && !strings.HasPrefix(c.Object.Name, store.ControlPrefix) {
				return nil // nothing flows back but signals
			}
			return enc(c)
		}
	}
	err := c.env.demo(t.Context(), opts, slog.LevelError, true, "")
	if !errors.Is(err, errIncomplete) {
		t.Errorf("ended with %v", err)
	}
	var got demo.Result
	if err := json.Unmarshal([]byte(c.out.take()), &got); err != nil {
		t.Fatal(err)
	}
	if got.Lost+got.Stale+got.Resurrected == 0 || got.OnSide["source"].Sum() != got.Sum() || len(got.Faults) == 0 {
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
		LagMS: demo.LagMS{P50: 8.14, P99: 64, Max: 1212}, FreezeMS: 141, Compared: 4034, Seconds: 19.84,
		Cutover:  demo.Turn{FreezeMS: 141, EngineMS: 138.2, ReverseSeconds: 2.4, Keys: 3712, Repaired: 3, Changed: 212, Dropped: 1},
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
  cutover freeze            141 ms   from the last write on the source to the first on the target; 138 ms by crossfade's own clock
    announce to reverse     2.40 s   with the times of functions shortened: see --help
    compared before          3,712   3 repaired; in the freeze 212 that had changed since
    found afterwards             1   events that never came 1, writes of the old epoch undone 0, late writes kept 0

                            source    target
  lost                           0         0   stored, and not there
  stale                          0         0   as it was before its last change
  resurrected                    0         0   deleted, and there
  corrupt                        0         0   other bytes or attributes than were ever stored
  foreign                        0         0   there, and nobody stored it

All 4,034 keys are on both sides just as the application was told.
`
	if got := demoTable(r); got != good {
		t.Errorf("got\n%s\nwant\n%s", got, good)
	}
	r.Verdicts = demo.Verdicts{Lost: 1, Foreign: 2}
	r.OnSide = map[string]demo.Verdicts{"source": {Foreign: 2}, "target": {Lost: 1}}
	r.Rollback, r.AfterRollback = &demo.Turn{FreezeMS: 95, Aborted: 2}, 77
	r.Errors, r.FirstError = 4, "put \"a\": refused"
	r.Faults = []demo.Fault{{Side: "target", Key: "a\nb", Verdict: "lost", Why: "stored with 3 bytes, and not there"}}
	got := demoTable(r)
	const bad = `
  lost                           0         1   stored, and not there
  stale                          0         0   as it was before its last change
  resurrected                    0         0   deleted, and there
  corrupt                        0         0   other bytes or attributes than were ever stored
  foreign                        2         0   there, and nobody stored it

  lost         target, a b: stored with 3 bytes, and not there
  ... and 2 more
  The application met 4 errors, first: put "a": refused
Of 4,034 keys, not all are on both sides as the application was told.
`
	if !strings.HasSuffix(got, bad) {
		t.Errorf("got\n%s\nwant at its end\n%s", got, bad)
	}
	for _, want := range []string{
		"  after the rollback            77   of them, on the source again\n",
		"  rollback freeze            95 ms   from the last write on the target to the first on the source; 0.0 ms by crossfade's own clock\n",
		"    given up                     2   times before the switch, and begun again\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
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
