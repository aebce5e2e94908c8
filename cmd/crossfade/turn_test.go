package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/cutover"
	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/demoapp"
)

// says fails the test unless text has all of these.
func (c *cli) says(text string, all ...string) {
	c.t.Helper()
	for _, s := range all {
		if !strings.Contains(text, s) {
			c.t.Errorf("no %q in\n%s", s, text)
		}
	}
}

// A whole migration by its verbs, the application writing all the while.
func TestMigrationByItsVerbs(t *testing.T) {
	w := newWorld(t)
	file := []string{"-f", w.file}
	with := func(verb string, more ...string) []string { return append(append([]string{verb}, file...), more...) }

	// Nothing but init makes a migration, and a backfill needs one.
	for _, verb := range []string{"backfill", "status", "cutover", "rollback", "abort", "finish"} {
		_, stderr := w.want(exitIncomplete, with(verb, map[bool][]string{true: {"--yes"}}[verb != "backfill" && verb != "status"]...)...)
		w.says(stderr, "the control object of shop is missing: create it with crossfade init")
	}
	for range 2 {
		stdout, _ := w.want(exitDone, with("init")...)
		w.says(stdout, "shop is seeding (epoch 0), the source is the authority; its control object is .crossfade/shop/state.json in gs://target/\n")
	}
	w.deploy()
	stop := w.write()
	_, stderr := w.want(exitIncomplete, with("cutover", "--yes", "--report", w.dir)...)
	w.says(stderr, "the cutover is refused, and nothing was changed: phase: the backfill is not complete; run crossfade backfill -f crossfade.yaml to its end")
	w.want(exitDone, with("backfill", "--include", "a*", "-q")...)
	if w.phase() != control.Seeding {
		t.Fatal("a part of the keys was taken for all of them")
	}
	w.want(exitDone, with("backfill", "-q")...)
	if w.phase() != control.Following {
		t.Fatal(w.phase())
	}

	stdout, _ := w.want(exitDone, with("status")...)
	w.says(stdout, "migration   shop: s3://source/ to gs://target/\n", "phase       following, epoch 0\n", "authority   source, s3://source/\n",
		"lag         ", " forward\n", "seeded      ", "history     ", "crossfade cutover --dry-run")
	stdout, _ = w.want(exitDone, "status", "s3://source", "gs://target", "--json", "--no-canary")
	var s cutover.Status
	if err := json.Unmarshal([]byte(stdout), &s); err != nil || s.Migration != "shop" || s.Phase != control.Following || s.Lag != nil {
		t.Fatalf("%v\n%s", err, stdout)
	}

	// Whoever cannot be asked has to say yes beforehand.
	_, stderr = w.want(exitUsage, with("cutover")...)
	w.says(stderr, "standard input is no terminal, so nobody can be asked: give --yes")
	stdout, stderr = w.want(exitDone, with("cutover", "--dry-run", "--report", w.dir)...)
	w.says(stderr, "Cutover of shop: the application moves from s3://source/ to gs://target/", "ok       phase: following, epoch 0")
	if strings.Contains(stderr+stdout, "token") {
		t.Fatalf("a secret:\n%s%s", stdout, stderr)
	}
	if w.phase() != control.Following || len(w.reports()) != 0 {
		t.Fatal("a dry run is no run")
	}
	w.env.interactive = func() bool { return true }
	w.env.stdin = strings.NewReader("yes\n")
	_, stderr = w.want(exitIncomplete, with("cutover", "--report", w.dir)...)
	w.says(stderr, "To go on, type the name of the migration (shop): ", `"yes" is not the name of the migration, which is "shop": nothing was changed`)
	w.env.stdin = strings.NewReader("shop\n")
	stdout, stderr = w.want(exitDone, with("cutover", "--report", w.dir)...)
	w.says(stderr, "announced  ", "frozen     ", "switching  ", "switched   ", "reversed   ")
	w.says(stdout, "report: "+w.dir, "report: .crossfade/shop/report/")
	w.at(demoapp.Target, control.Reversed)
	names := w.reports()
	if len(names) != 2 {
		t.Fatal(names)
	}
	doc, err := os.ReadFile(names[1])
	if err != nil {
		t.Fatal(err)
	}
	if r, err := report.Parse(doc); err != nil || r.Outcome != report.Switched || r.Freeze == nil || r.Freeze.Seconds <= 0 || r.Migration != "shop" {
		t.Fatalf("%v\n%s", err, doc)
	}
	stdout, _ = w.want(exitDone, with("cutover", "--yes", "--report", w.dir)...)
	w.says(stdout, "nothing to do: the application moved to the target, gs://target/, at ")

	// The source is no place to copy from any more, however it is asked for.
	for _, args := range [][]string{
		with("backfill"), with("sync", "k"), {"backfill", "s3://source", "gs://target"}, {"sync", "s3://source", "gs://target", "k"},
	} {
		_, stderr = w.want(exitIncomplete, args...)
		w.says(stderr, "crossfade: the application writes to the target since the migration shop was turned round (reversed, epoch 1): nothing may be copied there from the source\n")
	}
	w.want(exitDone, "sync", "gs://target", "s3://source", "nosuch")

	w.late(with)

	w.want(exitDone, with("rollback", "--yes", "--report", w.dir)...)
	w.at(demoapp.Source, control.Following)
	w.want(exitDone, with("sync", "nosuch")...)
	w.check(stop, demoapp.Source)

	stdout, _ = w.want(exitDone, with("finish", "--yes", "--stamps")...)
	w.says(stdout, "finished: ", " stamps taken off\n", "What can be taken down now:\n  - ")
	_, stderr = w.want(exitIncomplete, with("backfill")...)
	w.says(stderr, "the migration shop is done, and nothing is copied any more")
	stdout, _ = w.want(exitDone, with("status")...)
	w.says(stdout, "phase       done")
}

// late has something written to the side that the application has left.
func (w *world) late(with func(string, ...string) []string) {
	w.t.Helper()
	source := w.ends[control.Source]
	st := (&clouds{cli: w.cli}).store(source.url)
	for _, key := range []string{"late/1", "late/2"} {
		if _, err := st.Put(w.t.Context(), key, store.Bytes("written late"), store.PutOptions{}); err != nil {
			w.t.Fatal(err)
		}
	}
	var kept lateList
	for len(kept.Late) < 2 {
		if err := w.t.Context().Err(); err != nil {
			w.t.Fatal(err)
		}
		stdout, _ := w.want(exitDone, with("resolve", "--json")...)
		if err := json.Unmarshal([]byte(stdout), &kept); err != nil {
			w.t.Fatal(err)
		}
	}
	stdout, _ := w.want(exitDone, with("resolve")...)
	w.says(stdout, kept.Late[0].ID+"  late/1\n    12 B on the source, ", "2 kept; to settle them: crossfade resolve ID --apply, or --drop\n")
	stdout, _ = w.want(exitIncomplete, with("status", "--no-canary")...)
	w.says(stdout, "2 late writes have to be settled", "late write  "+kept.Late[1].ID+"  late/2")
	_, stderr := w.want(exitIncomplete, with("rollback", "--yes", "--report", w.dir)...)
	w.says(stderr, "late writes: 2 are kept")
	_, stderr = w.want(exitIncomplete, with("resolve", "nosuch", "--drop")...)
	w.says(stderr, `no late write is kept with the ID or key "nosuch"`)
	stdout, _ = w.want(exitDone, with("resolve", kept.Late[0].ID, "--apply")...)
	w.says(stdout, "applied  "+kept.Late[0].ID+"  late/1: the target had nothing, and has 12 B of ")
	stdout, _ = w.want(exitDone, with("resolve", "--all", "--drop")...)
	w.says(stdout, "dropped  "+kept.Late[1].ID+"  late/2: the target keeps nothing")
	if o := w.ends[control.Target].bucket.Get("late/1"); o == nil || string(o.Body) != "written late" {
		w.t.Fatalf("applied, and not there: %v", o)
	}
	// The application knows nothing of it.
	if err := (&clouds{cli: w.cli}).store("gs://target").Delete(w.t.Context(), "late/1", store.Condition{}); err != nil {
		w.t.Fatal(err)
	}
}

// at fails the test unless the application goes on at a side, and the migration
// is in a phase.
func (w *world) at(side demoapp.Side, p control.Phase) {
	w.t.Helper()
	if at, held := w.sides.At(); held || at != side || w.phase() != p {
		w.t.Fatalf("the application is at the %s (held: %v), and the migration is %s", at, held, w.phase())
	}
}

// reports are the files of reports, the page first.
func (w *world) reports() []string {
	w.t.Helper()
	names, err := filepath.Glob(filepath.Join(w.dir, "crossfade-shop-*"))
	if err != nil {
		w.t.Fatal(err)
	}
	return names
}

// An interrupt before the switch aborts: the application goes on where it was.
func TestInterruptAborts(t *testing.T) {
	w := newWorld(t)
	w.want(exitDone, "init", "-f", w.file)
	w.deploy()
	stop := w.write()
	w.want(exitDone, "backfill", "-f", w.file, "-q")
	ctx, interrupt := context.WithCancel(t.Context())
	w.env.stepped = func(step string) {
		if step == "freeze-hook:after" {
			interrupt()
		}
	}
	code, stdout, stderr := w.runContext(ctx, "cutover", "-f", w.file, "--yes", "--report", w.dir)
	if code != exitIncomplete {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	w.says(stderr, "crossfade: aborted before the switch, the application goes on at the source: it was interrupted\n")
	w.at(demoapp.Source, control.Following)
	if names := w.reports(); len(names) != 2 {
		t.Fatal(names)
	}
	w.check(stop, demoapp.Source)
}
