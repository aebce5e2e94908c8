package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
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
