package main

import (
	"encoding/json"
	"testing"

	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

// After a turn each side has originals and copies, and verify -f knows both; the
// reports of the turns are there for programs.
func TestAfterATurn(t *testing.T) {
	w := newWorld(t)
	w.want(exitDone, "init", "-f", w.file)
	w.deploy()
	w.want(exitDone, "backfill", "-f", w.file, "-q")
	turn := func(verb, outcome string) report.Report {
		t.Helper()
		stdout, _ := w.want(exitDone, verb, "-f", w.file, "--yes", "--json", "--report", w.dir)
		r, err := report.Parse([]byte(stdout))
		if err != nil || r.Operation != verb || r.Outcome != outcome || r.Run == "" {
			t.Fatalf("%v\n%s", err, stdout)
		}
		return r
	}
	first := turn("cutover", report.Switched)
	if again := turn("cutover", report.Switched); again.Run != first.Run {
		t.Errorf("nothing was to be done, and the report is of run %s, not %s", again.Run, first.Run)
	}
	var got verifyResult
	verify := func(code int) {
		t.Helper()
		for _, s := range []control.Side{control.Target, control.Source, control.Target} {
			if err := w.ends[s].events.Wait(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		stdout, _ := w.want(code, "verify", "-f", w.file, "--json")
		got = verifyResult{}
		if err := json.Unmarshal([]byte(stdout), &got); err != nil {
			t.Fatal(err)
		}
	}
	target := (&clouds{cli: w.cli}).store("gs://target")
	put := func(key, body string) {
		t.Helper()
		attrs := store.Attrs{ContentType: "text/plain", Metadata: map[string]string{"by": "the application"}}
		if _, err := target.Put(t.Context(), key, store.Bytes(body), store.PutOptions{Attrs: attrs}); err != nil {
			t.Fatal(err)
		}
	}
	put("new", "made on the target")
	put("site/index.html", "changed on the target")
	verify(exitDone)
	if got.Source != "gs://target/" || got.Target != "s3://source/" || got.Foreign+got.Extra+got.Missing+got.Different != 0 || got.Equal < 20 {
		t.Errorf("%+v", got)
	}
	// What is not carried back shows as what it is.
	w.ends[control.Target].events.Stop()
	put("not carried", "made on the target")
	put("new", "and changed there")
	if err := target.Delete(t.Context(), "site/index.html", store.Condition{}); err != nil {
		t.Fatal(err)
	}
	stdout, _ := w.want(exitIncomplete, "verify", "-f", w.file, "--json")
	if err := json.Unmarshal([]byte(stdout), &got); err != nil {
		t.Fatal(err)
	}
	if got.Missing != 1 || got.Different != 1 || got.Extra != 1 || got.Foreign != 0 {
		t.Errorf("%+v", got)
	}
}
