package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	creport "github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/testutil/demo"
	"github.com/crossfade-io/crossfade/testutil/demoapp"
)

// The test binary measures itself: it takes the part of main for the verb.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == measureVerb {
		os.Exit(measureChild(os.Args[2], os.Args[3:]))
	}
	os.Exit(m.Run())
}

func TestMeasured(t *testing.T) {
	big := make([]byte, 256<<20) // must not show in the child's memory
	for i := range big {
		big[i] = byte(i)
	}
	log := filepath.Join(t.TempDir(), "log")
	u, out, err := measured(t.Context(), []string{"sh", "-c", "echo out; echo err >&2; echo $VAR"}, []string{"VAR=value"}, log)
	if err != nil {
		t.Fatal(err)
	}
	if string(out) != "out\nvalue\n" {
		t.Errorf("standard output %q", out)
	}
	if b, _ := os.ReadFile(log); string(b) != "err\n" {
		t.Errorf("log %q", b)
	}
	if u.Seconds <= 0 || u.RSS <= 0 || u.RSS > 100 {
		t.Errorf("usage %+v: want some time, and the memory of a shell", u)
	}
	if big[1] != 1 {
		t.Error("the large slice is gone")
	}
}

func TestMeasuredReportsFailure(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	_, _, err := measured(t.Context(), []string{"sh", "-c", "echo the reason >&2; exit 7"}, nil, log)
	if err == nil || !strings.Contains(err.Error(), "exit status 7") || !strings.Contains(err.Error(), "the reason") {
		t.Errorf("error %v, want the exit status and the reason", err)
	}
}

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		in   []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1}, 5}, {[]float64{9, 1, 2}, 2}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(c.in); got != c.want {
			t.Errorf("median(%v) = %v, want %v", c.in, got, c.want)
		}
	}
}

func TestRandomBody(t *testing.T) {
	for _, size := range []int64{0, 1, 8, 4096, 100_001} {
		r := &random{seed: 7, size: size}
		one, err := io.ReadAll(r)
		if err != nil || int64(len(one)) != size {
			t.Fatalf("%d bytes, %v; want %d", len(one), err, size)
		}
		if end, err := r.Seek(0, io.SeekEnd); end != size || err != nil {
			t.Errorf("the end is at %d, %v; want %d", end, err, size)
		}
		if _, err := r.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		// A retry reads the same bytes.
		if two, err := io.ReadAll(r); err != nil || !bytes.Equal(one, two) {
			t.Errorf("size %d: the second reading differs", size)
		}
	}
}

func TestCPUOf(t *testing.T) {
	for begin := selfCPU(); selfCPU()-begin < 0.1; {
		bytes.Repeat([]byte{1}, 1<<16)
	}
	if got, want := cpuOf(os.Getpid()), selfCPU(); got < want/2 || got > want*2 {
		t.Errorf("cpuOf(self) = %v, the process used %v", got, want)
	}
	if got := cpuOf(1 << 30); got != 0 {
		t.Errorf("cpuOf(no process) = %v", got)
	}
}

func TestReport(t *testing.T) {
	s := &scenario{Objects: 100, Bytes: 1e6, Checked: true}
	for i, seconds := range []float64{2, 1, 4} {
		s.add("crossfade", false, result{usage: usage{Seconds: seconds, CPU: 1, RSS: 30}})
		s.add("rclone", false, result{usage: usage{Seconds: 2 * seconds, CPU: 2, RSS: 60}})
		s.add("crossfade", true, result{usage: usage{Seconds: float64(i + 1), CPU: 1, RSS: 30}})
		s.add("rclone", true, result{usage: usage{Seconds: float64(i + 1), CPU: 1, RSS: 30}})
	}
	s.compare()
	r := report{Small: s, Options: reported{Objects: 100, Size: 10, Concurrency: 4, Rounds: 3}, Function: []rate{{"function", 123.4, 5}}}
	var b strings.Builder
	if err := r.print(&b); err != nil {
		t.Fatal(err)
	}
	flat := strings.Join(strings.Fields(b.String()), " ")
	for _, want := range []string{
		"| crossfade backfill | 50 | 2.00 | 1.00 | 30 |",
		"| rclone sync | 25 | 4.00 | 2.00 | 60 |",
		"| ratio | 2.00 | 0.50 | 0.50 | 0.50 | – |",
		"| function | 123 | 5 |",
		"every byte",
	} {
		if !strings.Contains(flat, want) {
			t.Errorf("the report lacks %q:\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "MB/s") {
		t.Error("the report has a table that was not measured")
	}
}

func TestEventDocuments(t *testing.T) {
	if doc := notification(3); !json.Valid(doc) || !bytes.Contains(doc, []byte(`"dir03%2Fobject-000003"`)) {
		t.Errorf("notification: %s", doc)
	}
	var batch struct {
		Records []struct{ MessageID, EventSource, Body string }
	}
	if err := json.Unmarshal(sqsBatch(20, 10), &batch); err != nil {
		t.Fatal(err)
	}
	for i, m := range batch.Records {
		if m.MessageID != strconv.Itoa(20+i) || m.EventSource != "aws:sqs" || m.Body != string(notification(20+i)) {
			t.Errorf("message %d: %+v", i, m)
		}
	}
	if len(batch.Records) != 10 {
		t.Errorf("%d messages", len(batch.Records))
	}
}

func TestParseSizes(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want []int
	}{{"", nil}, {"500", []int{500}}, {"1k,10k,100k,1M", []int{1000, 10_000, 100_000, 1_000_000}}} {
		if got, err := parseSizes(tt.in); err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%q: %v, %v", tt.in, got, err)
		}
	}
	for _, in := range []string{"k", "0", "-1k", "1kk", "1G", "1k;2k", "99999999999"} {
		if got, err := parseSizes(in); err == nil {
			t.Errorf("%q: %v", in, got)
		}
	}
	var o options
	if err := o.parseFreeze("1k", "1k,10k"); err == nil {
		t.Error("all pairs of two sizes")
	}
	if err := o.parseFreeze("1k", "10k"); err != nil || o.freezePairs != 10_000 || len(o.freeze) != 1 {
		t.Errorf("%+v, %v", o, err)
	}
}

func TestFreezeReport(t *testing.T) {
	f := freezeResult{Objects: 10_000, From: "s3", To: "gcs", Rate: 100, Whole: 3.21, Backfill: 1.5}
	pauses := []demoapp.Pause{{Run: "other", From: "source", To: "target"}, {Run: "r", From: "source", To: "source"}}
	rep := creport.Report{Run: "r", Freeze: &creport.Freeze{Seconds: 0.2}}
	if err := f.Cutover.add(rep, pauses); err == nil {
		t.Error("a pause that is not this run's, or did not move it")
	}
	for i := range 3 {
		p := demoapp.Pause{Run: "r", From: "source", To: "target", Length: time.Duration(100*(i+1)) * time.Millisecond}
		for _, into := range []*frozen{&f.Cutover, &f.Rollback} {
			if err := into.add(rep, append(pauses, p)); err != nil {
				t.Fatal(err)
			}
		}
	}
	f.Cutover.sum()
	f.Rollback.sum()
	var b strings.Builder
	if err := (report{Freeze: []freezeResult{f}}).print(&b); err != nil {
		t.Fatal(err)
	}
	flat := strings.Join(strings.Fields(b.String()), " ")
	if want := "| 10000 | s3, gcs | 200 ms | 300 ms | 200 ms | 300 ms | 3 | 3.2 s | 1.5 s | – |"; !strings.Contains(flat, want) {
		t.Errorf("%q is not in\n%s", want, b.String())
	}
	if f.Cutover.Engine[0] != 200 {
		t.Errorf("%+v", f.Cutover)
	}
}

// What is put straight into the clouds' memory is what crossfade's copies are.
func TestSeedPair(t *testing.T) {
	for _, pair := range [][2]string{{"s3", "gcs"}, {"gcs", "azure"}, {"azure", "s3"}} {
		w, err := demo.NewWorld(t.Context(), demo.Options{
			From: pair[0], To: pair[1], Rate: 1, FunctionTimeout: time.Second, Lease: time.Second, MaxFreeze: time.Second, MaxLag: time.Second,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		engine, err := w.Engine(nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := engine.Init(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := seedPair(t.Context(), w, 1234); err != nil {
			t.Fatal(err)
		}
		sum, err := w.Backfill(t.Context(), 16, nil)
		if err != nil || sum.Listed != 1234 || sum.Skipped != 1234 || w.Source.Bucket.Len() != 1234 {
			t.Errorf("%v: %+v, %v, %d objects", pair, sum, err, w.Source.Bucket.Len())
		}
	}
}

func TestColdStarts(t *testing.T) {
	packages := coldPackages()
	all, err := coldStarts(t.Context(), packages[len(packages)-1:], 2)
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	c := all[0]
	if c.Runs != 2 || c.Zip <= 0 || c.Zip >= c.Binary || c.InitMedian <= 0 || c.InitWorst < c.InitMedian || c.DoneMedian <= c.InitMedian {
		t.Errorf("%+v", c)
	}
	var b strings.Builder
	if err := (report{ColdStart: all}).print(&b); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "\n| crossfade-s3-to-s3") {
		t.Errorf("the report lacks the package:\n%s", b.String())
	}
}
