package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/cutover"
	"github.com/crossfade-io/crossfade/replicate/control"
)

func TestStatusOnOneScreen(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	waiting := int64(1234)
	s := cutover.Status{
		At: at, Migration: "shop", Source: "s3://source/", Target: "gs://target/", Phase: control.Frozen, Epoch: 2, Authority: control.Source,
		Run:     &cutover.RunStatus{Operation: "cutover", Operator: "ann@host", PID: 7, Step: "drained", Since: at.Add(-90 * time.Second)},
		Lag:     &cutover.LagStatus{Direction: control.Forward, MS: 1500},
		Backlog: &waiting, Seeded: &control.Seeded{At: at.Add(-time.Hour), Objects: 9000},
		LateCount: 5, Late: make([]control.Late, 5),
		Attention: []string{"first\x1b[31m", "second"}, Next: cutover.Next{Text: "wait", Command: "crossfade abort"},
	}
	for i := range 9 {
		s.History = append(s.History, control.Entry{At: at, Who: "ann", What: "step", Note: strings.Repeat("x", i)})
	}
	text := statusText(s)
	for _, line := range []string{
		"phase       frozen, epoch 2\n", "under way   cutover by ann@host (process 7), for 1:30, drained\n", "lag         1.5 s forward\n",
		"backlog     1,234 events in the queue\n", "seeded      9,000 objects, 1:00:00 ago\n", "            and 2 more\n",
		"attention   first\uFFFD[31m\n            second\n", "next        wait\n            crossfade abort\n",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("no %q in\n%s", line, text)
		}
	}
	if n := strings.Count(text, "\n"); n > 23 {
		t.Errorf("%d lines", n)
	}
	if got, want := statusLine(s), "12:00:00  frozen, epoch 2, authority source, lag 1.5 s forward, 1,234 in the queue, 5 late, attention: first\uFFFD[31m; second"; got != want {
		t.Errorf("%q", got)
	}
	if got, want := redrawn("längste\nb\n", 5), "\x1b[Hläng\x1b[K\nb\x1b[K\n\x1b[J"; got != want {
		t.Errorf("%q", got)
	}
}

// A watch goes on until it is interrupted, which is no failure.
func TestStatusWatch(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		screen int
		args   []string
		begins string
	}{
		{"log", 0, nil, "22:13:20  seeding, epoch 0, authority source\n"},
		{"terminal", 60, nil, "\x1b[2J\x1b[Hmigration   shop: "},
		{"json", 60, []string{"--json"}, `{"at":"2023-11-14T22:13:20Z","migration":"shop",`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := newCLI(t)
			file := c.migrated(func(*control.State) {})
			ctx, interrupt := context.WithCancel(t.Context())
			c.env.screen = func() int { return tc.screen }
			c.env.stdout = writerFunc(func(p []byte) (int, error) {
				if strings.Count(c.out.text(), "seeding") >= 2 {
					interrupt()
				}
				return c.out.Write(p)
			})
			code, stdout, stderr := c.runContext(ctx, append([]string{"status", "-f", file, "--watch", "--no-canary", "--interval", "100ms"}, tc.args...)...)
			if code != exitDone || stderr != "" || !strings.HasPrefix(stdout, tc.begins) {
				t.Fatalf("exit %d\n%q\n%q", code, stdout, stderr)
			}
			if tc.name != "json" {
				return
			}
			lines := strings.Split(strings.TrimSpace(stdout), "\n")
			for _, line := range lines {
				if !json.Valid([]byte(line)) {
					t.Errorf("%q", line)
				}
			}
			if len(lines) < 2 {
				t.Errorf("%d lines", len(lines))
			}
		})
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestConfirm(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	if err := c.env.confirm(t.Context(), true, "shop"); err != nil {
		t.Fatal(err)
	}
	if err := c.env.confirm(t.Context(), false, "shop"); err == nil || !strings.Contains(err.Error(), "give --yes") {
		t.Fatal(err)
	}
	c.env.interactive = func() bool { return true }
	for typed, says := range map[string]string{"shop\n": "", "shop": "", "SHOP\n": "is not the name", "": "is not the name"} {
		c.env.stdin = strings.NewReader(typed)
		err := c.env.confirm(t.Context(), false, "shop")
		if (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", typed, err)
		}
	}
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	c.env.stdin = readerFunc(func([]byte) (int, error) { select {} })
	if err := c.env.confirm(ctx, false, "shop"); err == nil || err.Error() != "interrupted; nothing was changed" {
		t.Fatal(err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestLateWritesAreChosen(t *testing.T) {
	t.Parallel()
	late := []control.Late{{ID: "1", Key: "a"}, {ID: "2", Key: "a"}, {ID: "3", Key: "b"}}
	chosen, err := chooseLate(late, []string{"b", "3", "2"})
	if err != nil || len(chosen) != 2 || chosen[0].ID != "3" || chosen[1].ID != "2" || onceEach(chosen) != nil {
		t.Fatal(chosen, err)
	}
	if chosen, err = chooseLate(late, []string{"a"}); err != nil || len(chosen) != 2 {
		t.Fatal(chosen, err)
	}
	if err := onceEach(chosen); err == nil || !strings.Contains(err.Error(), "more than once: apply one by its ID, such as 1 or 2") {
		t.Fatal(err)
	}
	if _, err := chooseLate(late, []string{"a", "c"}); err == nil {
		t.Fatal("c is not kept")
	}
}
