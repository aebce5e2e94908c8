package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crossfade-io/crossfade/cutover"
	creport "github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/testutil/demo"
	"github.com/crossfade-io/crossfade/testutil/demoapp"
)

// freezeLatency is of every request to a cloud.
const freezeLatency = 15 * time.Millisecond

// mostAborted is how many attempts of one pair may be given up.
const mostAborted = 5

// frozen is how long the application could not write, in milliseconds.
type frozen struct {
	App    []float64 `json:"app_ms"`    // by its own clock: from the last accepted write to the next
	Engine []float64 `json:"engine_ms"` // from before the freeze hook to after the last
	P50    float64   `json:"p50_ms"`    // of App
	Worst  float64   `json:"worst_ms"`  // of App
}

// freezeResult is one pair of clouds with so many objects.
type freezeResult struct {
	Objects  int     `json:"objects"`
	From     string  `json:"from"`
	To       string  `json:"to"`
	Rate     float64 `json:"rate"` // of the application's writes and deletes a second
	Cutover  frozen  `json:"cutover"`
	Rollback frozen  `json:"rollback"`

	// Whole is the median time of a cutover or rollback from its announcement
	// until changes flowed the other way, without the functions' own time.
	Whole float64 `json:"announce_to_reverse_seconds"`

	// The cold way: a complete second run while nobody may write, though nothing
	// is left to copy. 0 where it was not measured.
	Backfill float64 `json:"cold_backfill_seconds"`
	Rclone   float64 `json:"cold_rclone_seconds"`

	Aborted int  `json:"aborted"` // attempts that were given up before the switch, and begun again
	Writes  int  `json:"writes"`  // and deletes, of the application
	Checked bool `json:"checked"` // both sides are as the application was told
}

// freezes measures the freeze at each size, and of all pairs at one.
func freezes(ctx context.Context, o options) ([]freezeResult, error) {
	var all []freezeResult
	for _, n := range o.freeze {
		r, err := freezeOf(ctx, o, "s3", "gcs", n)
		if err != nil {
			return all, fmt.Errorf("freeze of %d objects: %w", n, err)
		}
		all = append(all, r)
	}
	clouds := []string{"s3", "gcs", "azure"}
	for _, from := range clouds {
		for _, to := range clouds {
			if from == to || o.freezePairs == 0 || from == "s3" && to == "gcs" && slices.Contains(o.freeze, o.freezePairs) {
				continue
			}
			r, err := freezeOf(ctx, o, from, to, o.freezePairs)
			if err != nil {
				return all, fmt.Errorf("freeze from %s to %s: %w", from, to, err)
			}
			all = append(all, r)
		}
	}
	return all, nil
}

func freezeOf(ctx context.Context, o options, from, to string, objects int) (res freezeResult, err error) {
	defer uncollected(objects)()
	res = freezeResult{Objects: objects, From: from, To: to, Rate: o.freezeRate}
	w, err := demo.NewWorld(ctx, demo.Options{
		From: from, To: to, Rate: o.freezeRate, Seed: 1, Calm: true, Objects: 45,
		FunctionTimeout: 3 * time.Second, Lease: 250 * time.Millisecond, MaxFreeze: 30 * time.Second, MaxLag: 5 * time.Second, Invocations: 64,
	})
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	b := &freezeBench{World: w, options: o, res: &res}
	if err := b.prepare(ctx, objects); err != nil {
		return res, err
	}
	b.latency(freezeLatency)
	if err := b.cold(ctx); err != nil {
		return res, err
	}
	if err := b.alternate(ctx); err != nil {
		return res, err
	}
	return res, nil
}

// uncollected keeps the collector away as long as there is memory, until the
// returned function is called: the clouds keep all their objects in this process,
// and marking them takes a second of both processors where there are a million.
func uncollected(objects int) (end func()) {
	limit := debug.SetMemoryLimit(2<<30 + int64(objects)*10<<10)
	percent := debug.SetGCPercent(-1)
	return func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}
}

// freezeBench is one world to and fro.
type freezeBench struct {
	*demo.World
	options
	res     *freezeResult
	engine  *cutover.Engine
	deliver map[control.Side]*demo.Functions
	whole   []float64
	begun   time.Time
}

func (b *freezeBench) latency(d time.Duration) {
	b.Source.SetLatency(d)
	b.Target.SetLatency(d)
}

// prepare fills both sides, and declares the migration.
func (b *freezeBench) prepare(ctx context.Context, objects int) (err error) {
	backlog := func(context.Context) (int64, error) {
		at, _ := b.Sides.At()
		s := b.deliver[control.Side(at)].Stats()
		return int64(s.Waiting + s.InFlight), nil
	}
	if b.engine, err = b.Engine(backlog, b.progress); err != nil {
		return err
	}
	if _, err := b.engine.Init(ctx); err != nil {
		return err
	}
	progress("seeding %d objects, %s to %s", objects, b.res.From, b.res.To)
	if err := b.Seed(ctx); err != nil {
		return err
	}
	if err := seedPair(ctx, b.World, objects); err != nil {
		return err
	}
	return b.engine.Seeded(ctx, int64(b.Source.Bucket.Len()))
}

func (b *freezeBench) progress(e cutover.Event) {
	switch e.Step {
	case "announced":
		b.begun = e.At
	case "turned":
		b.whole = append(b.whole, e.At.Sub(b.begun).Seconds())
	}
}

// cold measures what the cold way does while nobody may write.
func (b *freezeBench) cold(ctx context.Context) error {
	begin := time.Now()
	sum, err := b.Backfill(ctx, b.concurrency, nil)
	if err != nil {
		return err
	}
	if sum.Failed+sum.Copied+sum.Updated > 0 {
		return fmt.Errorf("the sides were not equal to begin with: %+v", sum)
	}
	b.res.Backfill = time.Since(begin).Seconds()
	progress("%d objects: a second backfill takes %.1f s", b.res.Objects, b.res.Backfill)
	if b.res.From != "s3" || b.res.To != "gcs" {
		return nil
	}
	if b.res.Rclone, err = b.rcloneSync(ctx); err != nil {
		return err
	}
	progress("%d objects: rclone sync takes %.1f s", b.res.Objects, b.res.Rclone)
	return nil
}

// rcloneSync runs one over what is equal already, by sizes and checksums: both
// clouds list them, so it has nothing else to ask for. It is kept away from the
// application's objects, for it damages those whose keys are no paths.
func (b *freezeBench) rcloneSync(ctx context.Context) (float64, error) {
	dir, err := os.MkdirTemp("", "crossfade-bench-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a log
	rclone, err := filepath.Abs(b.rclone)
	if err != nil {
		return 0, err
	}
	n := strconv.Itoa(b.concurrency)
	argv := []string{
		rclone, "sync", "src:" + b.Source.Bucket.Name + "/" + bulkPrefix, "dst:" + b.Target.Bucket.Name + "/" + bulkPrefix,
		"--transfers", n, "--checkers", n, "--checksum", "--stats", "0",
	}
	env := []string{
		"RCLONE_CONFIG=" + os.DevNull,
		"RCLONE_CONFIG_SRC_TYPE=s3", "RCLONE_CONFIG_SRC_PROVIDER=AWS", "RCLONE_CONFIG_SRC_ENDPOINT=" + b.Source.Base, "RCLONE_CONFIG_SRC_REGION=us-east-1",
		"RCLONE_CONFIG_SRC_ACCESS_KEY_ID=AKIAEXAMPLE", "RCLONE_CONFIG_SRC_SECRET_ACCESS_KEY=example", "RCLONE_CONFIG_SRC_FORCE_PATH_STYLE=true",
		"RCLONE_CONFIG_DST_TYPE=google cloud storage", "RCLONE_CONFIG_DST_ANONYMOUS=true", "RCLONE_CONFIG_DST_ENDPOINT=" + b.Target.Base + "/storage/v1/",
		"RCLONE_CONFIG_DST_NO_CHECK_BUCKET=true",
	}
	u, _, err := measured(ctx, argv, env, filepath.Join(dir, "rclone.log"))
	return u.Seconds, err
}

// alternate lets the application work, and moves it to and fro.
func (b *freezeBench) alternate(ctx context.Context) error {
	b.deliver = map[control.Side]*demo.Functions{}
	for _, d := range []control.Direction{control.Forward, control.Reverse} {
		f, err := b.Deploy(ctx, d)
		if err != nil {
			return err
		}
		defer f.Close()
		b.deliver[d.From()] = f
	}
	leave := b.Work(ctx)
	defer leave()
	for run := range b.freezeRuns {
		for _, x := range []struct {
			op   string
			move func(context.Context, cutover.RunOptions) (creport.Report, error)
			into *frozen
		}{{creport.Cutover, b.engine.Cutover, &b.res.Cutover}, {creport.Rollback, b.engine.Rollback, &b.res.Rollback}} {
			rep, err := b.move(ctx, x.move)
			if err != nil {
				return fmt.Errorf("%s %d: %w", x.op, run+1, err)
			}
			if err := x.into.add(rep, b.Sides.Pauses()); err != nil {
				return fmt.Errorf("%s %d: %w", x.op, run+1, err)
			}
			progress("%d objects, %s to %s, %s %d: the application paused for %.0f ms", b.res.Objects, b.res.From, b.res.To, x.op, run+1, x.into.App[run])
		}
	}
	leave()
	b.res.Cutover.sum()
	b.res.Rollback.sum()
	b.res.Whole = median(b.whole)
	return b.check(ctx)
}

// move begins again what was given up before the switch: on a machine that has
// much else to do, functions fall behind for a while.
func (b *freezeBench) move(ctx context.Context, f func(context.Context, cutover.RunOptions) (creport.Report, error)) (creport.Report, error) {
	for {
		runtime.GC()
		rep, err := f(ctx, cutover.RunOptions{})
		_, aborted := errors.AsType[*cutover.AbortedError](err)
		_, refused := errors.AsType[*cutover.RefusedError](err)
		if !aborted && !refused || b.res.Aborted == mostAborted {
			return rep, err
		}
		b.res.Aborted++
		progress("begun again: %v", err)
	}
}

// check compares both sides with the application's record, and with each other.
func (b *freezeBench) check(ctx context.Context) error {
	b.latency(0)
	for _, s := range []control.Side{control.Source, control.Target} {
		if err := b.deliver[s].Wait(ctx); err != nil {
			return err
		}
	}
	bulk := 0
	for _, s := range []demoapp.Side{demoapp.Source, demoapp.Target} {
		n := 0
		found, err := b.Compare(ctx, s, func(key string) bool {
			is := strings.HasPrefix(key, bulkPrefix)
			if is {
				n++
			}
			return is
		})
		if err != nil {
			return err
		}
		if len(found) > 0 {
			return fmt.Errorf("%d keys of the %s are not as the application was told: %+v", len(found), s, found.Sorted()[0])
		}
		if bulk += n; n != b.res.Objects {
			return fmt.Errorf("the %s has %d of %d objects", s, n, b.res.Objects)
		}
	}
	c := b.App.Record.Counts()
	if c.Errors > 0 {
		return fmt.Errorf("the application met %d errors: %w", c.Errors, b.App.Record.FirstError())
	}
	b.res.Writes, b.res.Checked = c.Writes()+c.Deletes-len(b.App.Plan.Seeds()), true
	return nil
}

func (f *frozen) add(rep creport.Report, pauses []demoapp.Pause) error {
	for _, p := range pauses {
		if p.Run == rep.Run && p.From != p.To && rep.Freeze != nil {
			f.App = append(f.App, p.Length.Seconds()*1000)
			f.Engine = append(f.Engine, rep.Freeze.Seconds*1000)
			return nil
		}
	}
	return errors.New("the application has not written since")
}

func (f *frozen) sum() {
	f.P50, f.Worst = median(f.App), slices.Max(f.App)
}

// parseSizes reads a list such as 1k,10k,1M.
func parseSizes(list string) ([]int, error) {
	var sizes []int
	for s := range strings.SplitSeq(list, ",") {
		if s == "" {
			continue
		}
		digits := strings.TrimRight(s, "kM")
		n, err := strconv.Atoi(digits)
		unit, ok := map[string]int{"": 1, "k": 1000, "M": 1_000_000}[s[len(digits):]]
		if err != nil || !ok || n < 1 || n > 10_000_000 {
			return nil, fmt.Errorf("%q is no number of objects such as 500, 10k or 1M", s)
		}
		sizes = append(sizes, n*unit)
	}
	return sizes, nil
}
