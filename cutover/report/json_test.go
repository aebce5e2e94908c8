package report_test

import (
	"bytes"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/crossfade-io/crossfade/cutover/report"
)

func encode(t *testing.T, r report.Report) []byte {
	t.Helper()
	doc, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// TestJSONRoundTrip: what is written is read back as it was, and written again
// to the same bytes.
func TestJSONRoundTrip(t *testing.T) {
	t.Parallel()
	all := samples()
	all["hostile"], all["empty"] = hostile(), report.Report{}
	for name, r := range all {
		doc := encode(t, r)
		got, err := report.Parse(doc)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := r.Bounded()
		want.Format = report.Format
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: read back\n%+v, want\n%+v", name, got, want)
		}
		if !bytes.Equal(encode(t, got), doc) {
			t.Errorf("%s: written again it differs", name)
		}
		if bytes.ContainsFunc(doc, func(c rune) bool { return c != '\n' && !unicode.IsPrint(c) }) {
			t.Errorf("%s: has characters that do not print", name)
		}
		if bytes.Contains(doc, []byte("null,")) && name != "aborted" && name != "empty" {
			t.Errorf("%s: has a null", name)
		}
	}
}

// TestJSONNames: the names are a promise to whoever reads the file.
func TestJSONNames(t *testing.T) {
	t.Parallel()
	doc := string(encode(t, rollback()))
	for _, want := range []string{
		"{\n  \"format\": 1,\n  \"tool\": \"v1.4.0\",\n  \"migration\": \"photos\",", `"started": "2026-03-14T09:30:00Z"`, `"epoch_after": 5`,
		`"mode": "hook"`, `"seconds": 0.31`, `"journal_keys": 0`, `"late_kept": 1`, `"p50_ms": `, `"dry_run": false`, `"checksum": true`,
	} {
		if !strings.Contains(doc, want) {
			t.Errorf("no %s in\n%s", want, doc[:min(len(doc), 2000)])
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for doc, want := range map[string]string{
		"":                                     "not a JSON document",
		"{":                                    "not a JSON document",
		"[]":                                   "not a JSON document",
		"null":                                 "no field \"format\"",
		"{}":                                   "no field \"format\"",
		`{"format":0}`:                         "there is only 1",
		`{"format":2,"phases":"a new way"}`:    "a newer crossfade wrote it",
		`{"format":1,"phases":"x"}`:            "not a JSON document",
		`{"format":1} {}`:                      "something follows",
		`{"format":1}]`:                        "something follows",
		strings.Repeat(" ", report.MaxBytes+1): "are the most",
	} {
		if _, err := report.Parse([]byte(doc)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", doc, err, want)
		}
	}
	if _, err := report.Parse([]byte(`{"format":1,"of_a_later_version":[1]}`)); err != nil {
		t.Errorf("a field more: %v", err)
	}
	if _, err := (report.Report{Format: 2, Run: "r"}).JSON(); err == nil || !strings.Contains(err.Error(), `format is 2`) {
		t.Errorf("format 2: %v", err)
	}
}

// TestBounded: what is too long is cut and counted, nothing of the original
// changes, and a second time changes nothing.
func TestBounded(t *testing.T) {
	t.Parallel()
	r := hostile()
	before := hostile()
	b := r.Bounded()
	if !reflect.DeepEqual(r, before) {
		t.Error("the original was changed")
	}
	if again := b.Bounded(); !reflect.DeepEqual(again, b) {
		t.Error("bounded twice it differs")
	}
	for name, want := range map[string]int64{"phases": 10, "freeze.parts": 12, "hooks": 11, "history": 10, "lag.samples": 1200, "comparisons": 30} {
		if b.Omitted[name] != want {
			t.Errorf("%s: %d omitted, want %d", name, b.Omitted[name], want)
		}
	}

	long := report.Report{History: make([]report.Event, 301), Reason: strings.Repeat("ü", 600)}
	long.History[0].What, long.History[300].What = "first", "last"
	b = long.Bounded()
	if len(b.History) != 300 || b.History[0].What != "first" || b.History[299].What != "last" || b.Omitted["history"] != 1 {
		t.Errorf("%d events, %d omitted", len(b.History), b.Omitted["history"])
	}
	if want := strings.Repeat("ü", 510) + "…"; b.Reason != want {
		t.Errorf("%d bytes: %q", len(b.Reason), b.Reason)
	}
	key := strings.Repeat("k", 1024)
	if got := (report.Report{Sweep: &report.Sweep{Examples: []string{key}}}).Bounded().Sweep.Examples[0]; got != key {
		t.Errorf("a key of 1,024 bytes was cut to %d", len(got))
	}
}

// TestMaxBytes: the longest report there can be is read again.
func TestMaxBytes(t *testing.T) {
	t.Parallel()
	output := strings.Repeat("\x00", 8_200) // six bytes each in JSON
	wide := output[:1_030]
	r := report.Report{Freeze: &report.Freeze{}, Sweep: &report.Sweep{}, Hashes: map[string]string{}}
	for i := range 30 {
		r.Notes, r.Sweep.Examples = append(r.Notes, wide), append(r.Sweep.Examples, wide)
		r.Hashes[string(rune('a'+i))+wide] = wide
	}
	for i := range 300 {
		r.History = append(r.History, report.Event{Who: wide, What: wide, Phase: wide, Note: wide})
		if i < 100 {
			r.Phases = append(r.Phases, report.Span{Name: wide, Note: wide})
		}
		if i < 50 {
			r.Hooks = append(r.Hooks, report.HookRun{Name: wide, Kind: wide, Result: wide, Output: output})
			r.Comparisons = append(r.Comparisons, report.Comparison{Kind: wide, Examples: r.Notes})
		}
	}
	r.Freeze.Parts, r.Lag.Samples = r.Phases, make([]report.LagSample, 1_001)
	if n := len(encode(t, r)); n > report.MaxBytes || n < report.MaxBytes/2 {
		t.Errorf("%d bytes are written, and %d read", n, report.MaxBytes)
	}
}

// TestBoundedKeepsTheWorstLag: thinning the canaries hides neither the slowest
// nor a lost one.
func TestBoundedKeepsTheWorstLag(t *testing.T) {
	t.Parallel()
	var samples []report.LagSample
	for i := range 5_000 {
		samples = append(samples, report.LagSample{At: ms(i), MS: 5})
	}
	samples[1234].MS = 900
	samples[4321].Lost = true
	l := report.Report{Lag: report.Quantiles(samples)}.Bounded().Lag
	var slow, lost int
	for _, s := range l.Samples {
		if s.MS == 900 {
			slow++
		}
		if s.Lost {
			lost++
		}
	}
	if len(l.Samples) != 1000 || slow != 1 || lost != 1 {
		t.Errorf("%d samples, %d slow, %d lost", len(l.Samples), slow, lost)
	}
}

// TestBoundedFigures: what no document could hold does not keep the evidence
// from being written.
func TestBoundedFigures(t *testing.T) {
	t.Parallel()
	r := report.Report{
		Started: t0.In(time.FixedZone("X", 3600)), Ended: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC),
		Freeze: &report.Freeze{Seconds: math.NaN(), Budget: math.Inf(1)}, Counts: report.Counts{Objects: -1, Bytes: math.MaxInt64},
	}
	b := r.Bounded()
	if b.Started != t0 || !b.Ended.IsZero() || b.Freeze.Seconds != 0 || b.Freeze.Budget != 1e9 || b.Counts.Objects != 0 || b.Counts.Bytes != 1<<53 {
		t.Errorf("%+v, %+v", b, b.Freeze)
	}
	encode(t, r)
}

// FuzzParse: whatever is read can be written, read and shown again, and its
// page stands alone.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"format":1}`))
	f.Add([]byte(`{"format":2}`))
	f.Add([]byte(`{"format":1,"started":"0000-01-01T00:00:00+23:59","freeze":{"start":"9999-12-31T23:59:59-23:59","parts":[{"name":"<script>"}]}}`))
	f.Add([]byte(`{"format":1,"outcome":"switched","comparisons":[{"kind":"strict","missing":9e15,"examples":["\u202e\u0000</desc>"]}],"sweep":{"failed":-1}}`))
	f.Add([]byte(`{"format":1,"lag":{"samples":[{"at":"0001-01-01T00:00:00Z","ms":9223372036854775807},{"at":"9999-01-01T00:00:00Z","lost":true}]}}`))
	for _, r := range []report.Report{clean(), aborted(), rollback()} {
		r.Lag.Samples = r.Lag.Samples[:3]
		doc, err := r.JSON()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		r, err := report.Parse(doc)
		if err != nil {
			if strings.ContainsFunc(err.Error(), unicode.IsControl) {
				t.Errorf("the error %q", err)
			}
			return
		}
		first := encode(t, r)
		again, err := report.Parse(first)
		if err != nil {
			t.Fatalf("%v of its own %s", err, first)
		}
		if !reflect.DeepEqual(again, r) || !bytes.Equal(encode(t, again), first) {
			t.Errorf("read back\n%+v, want\n%+v", again, r)
		}
		standsAlone(t, "fuzzed", render(t, r))
		if s := report.Summary(r); strings.Count(s, "\n") > 15 || strings.ContainsFunc(s, func(c rune) bool { return c != '\n' && !unicode.IsPrint(c) }) {
			t.Errorf("summary %+q", s)
		}
	})
}
