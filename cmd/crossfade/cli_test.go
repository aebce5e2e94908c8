package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// cli drives command lines over stores in memory: s3://source and gs://target.
type cli struct {
	t        *testing.T
	src, dst *memstore.Store
	env      env
	out, err safeBuffer
}

// safeBuffer is a bytes.Buffer for several goroutines.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// take returns what was written since the last take.
func (b *safeBuffer) take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.b.Reset()
	return b.b.String()
}

func newCLI(t *testing.T) *cli {
	t.Helper()
	c := &cli{t: t, src: memstore.Fresh(), dst: memstore.Fresh()}
	open := func(_ context.Context, u *url.URL) (store.Store, error) {
		switch u.Host {
		case "source":
			return c.src, nil
		case "target":
			return c.dst, nil
		default:
			return nil, &store.Error{Op: "open", Store: u.Scheme + "://" + u.Host, Kind: store.Unavailable, Err: errors.New("no such bucket: create it first")}
		}
	}
	start := time.Unix(1_700_000_000, 0)
	c.env = env{
		stdin: strings.NewReader(""), stdout: &c.out, stderr: &c.err,
		openers: config.Openers{"s3": open, "gs": open},
		now:     func() time.Time { return start },
		lookup:  func(string) (string, bool) { return "", false },
		environ: func() []string { return nil },
		abort:   make(chan struct{}), grace: time.Minute,
		width: func() int { return 0 }, screen: func() int { return 0 },
		interactive: func() bool { return false },
	}
	return c
}

func (c *cli) put(s store.Store, key, body string) {
	c.t.Helper()
	if _, err := s.Put(context.Background(), key, store.Bytes(body), store.PutOptions{}); err != nil {
		c.t.Fatal(err)
	}
}

// run executes a command line and returns what it said.
func (c *cli) run(args ...string) (code int, stdout, stderr string) {
	c.t.Helper()
	return c.runContext(c.t.Context(), args...)
}

func (c *cli) runContext(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	c.t.Helper()
	e := c.env // flags are set in it
	code = run(ctx, args, &e)
	return code, c.out.take(), c.err.take()
}

// want runs a command line that must end with code.
func (c *cli) want(code int, args ...string) (stdout, stderr string) {
	c.t.Helper()
	got, stdout, stderr := c.run(args...)
	if got != code {
		c.t.Fatalf("crossfade %s: exit %d, want %d\n%s%s", strings.Join(args, " "), got, code, stdout, stderr)
	}
	return stdout, stderr
}

// wantJSON also requires that standard output is just this JSON document.
func (c *cli) wantJSON(code int, golden string, args ...string) {
	c.t.Helper()
	stdout, _ := c.want(code, args...)
	if stdout != golden {
		c.t.Fatalf("got\n%s\nwant\n%s", stdout, golden)
	}
	if !json.Valid([]byte(stdout)) {
		c.t.Fatal("not JSON")
	}
}

func TestUsageErrors(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ args, says string }{
		{"nosuch", "unknown command"},
		{"backfil", "Did you mean this? backfill"},
		{"backfill", "give a source and a target"},
		{"backfill s3://source", "give a source and a target"},
		{"backfill s3://source gs://target more", "one argument too many"},
		{"backfill --nosuch s3://source gs://target", "unknown flag: --nosuch"},
		{"backfill --concurrency x s3://source gs://target", "invalid argument"},
		{"backfill --concurrency 0 s3://source gs://target", "it must be from 1 to"},
		{"backfill --max-delete -1 s3://source gs://target", "cannot be negative"},
		{"backfill --include [ s3://source gs://target", "--include pattern"},
		{"backfill --exclude {a s3://source gs://target", "--exclude pattern"},
		{"backfill --foreign maybe s3://source gs://target", "--foreign"},
		{"backfill --log-level loud s3://source gs://target", "--log-level"},
		{"backfill source gs://target", "source: store URL"},
		{"backfill s3://source ftp://target", "unknown scheme"},
		{"backfill s3://source s3://source", "overlap"},
		{"verify s3://source/a s3://source/a/b", "overlap"},
		{"verify s3://source", "give a source and a target"},
		{"sync s3://source gs://target", "at least one key"},
		{"sync --foreign no s3://source gs://target k", "--foreign"},
		{"sync s3://source gs://target .crossfade/x", "never copied"},
		{"version please", "unknown command"},
		{"cutover -f nosuch.yaml", "there is no such file"},
		{"rollback s3://source gs://target", "unknown command"},
		{"status s3://source -f nosuch.yaml", "give either --file or a source and a target"},
		{"status s3://source", "give a source and a target"},
		{"status --interval 1ms", "--interval 1ms: it must be 100ms at least"},
		{"resolve --apply", "name the late writes by ID or key, or give --all"},
		{"resolve --apply --drop k", "not both"},
		{"resolve --all k --drop", "not both"},
		{"resolve k", "say what is to be done with them"},
	} {
		t.Run(tc.args, func(t *testing.T) {
			t.Parallel()
			c := newCLI(t)
			stdout, stderr := c.want(exitUsage, strings.Fields(tc.args)...)
			lines := strings.Split(strings.TrimSuffix(stderr, "\n"), "\n")
			if stdout != "" || len(lines) != 2 || !strings.HasPrefix(lines[0], "crossfade: ") || !strings.HasPrefix(lines[1], "See 'crossfade") {
				t.Fatalf("out %q, err %q", stdout, stderr)
			}
			if !strings.Contains(lines[0], tc.says) {
				t.Fatalf("%q does not say %q", lines[0], tc.says)
			}
		})
	}
}

func TestRunTimeErrorsAreOneLine(t *testing.T) {
	t.Parallel()
	for _, verb := range []string{"backfill", "verify", "sync"} {
		for _, ends := range [][2]string{{"s3://nosuch", "gs://target"}, {"s3://source", "gs://nosuch"}} {
			c := newCLI(t)
			args := []string{verb, ends[0], ends[1]}
			if verb == "sync" {
				args = append(args, "k")
			}
			stdout, stderr := c.want(exitIncomplete, args...)
			if stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "no such bucket: create it first") {
				t.Errorf("%q: out %q, err %q", args, stdout, stderr)
			}
		}
	}
}

func TestHelpHasExamples(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	verbs := []string{
		"backfill", "verify", "sync", "config", "init", "status", "cutover", "rollback", "abort", "resolve", "finish", "demo", "version",
	}
	for _, verb := range verbs {
		stdout, _ := c.want(exitDone, verb, "--help")
		if !strings.Contains(stdout, "Examples:\n  ") || !strings.Contains(stdout, "crossfade "+verb) {
			t.Errorf("%s: %s", verb, stdout)
		}
	}
	stdout, _ := c.want(exitDone)
	for _, verb := range append(verbs, "completion") {
		if !strings.Contains(stdout, "\n  "+verb) {
			t.Errorf("no %s in %s", verb, stdout)
		}
	}
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if stdout, _ := c.want(exitDone, "completion", shell); !strings.Contains(stdout, "crossfade") {
			t.Errorf("%s: %q", shell, stdout)
		}
	}
	for _, tc := range []struct {
		args []string
		has  string
	}{
		{[]string{"back"}, "backfill\t"},
		{[]string{"backfill", ""}, "s3://\t"},
		{[]string{"verify", "s3://source", ""}, "gs://\t"},
		{[]string{"sync", "--foreign", ""}, "adopt\n"},
	} {
		if stdout, _ := c.want(exitDone, append([]string{"__complete"}, tc.args...)...); !strings.Contains(stdout, tc.has) {
			t.Errorf("%q: %q", tc.args, stdout)
		}
	}
	if stdout, _ := c.want(exitDone, "__complete", "sync", "s3://source", "gs://target", ""); strings.Contains(stdout, "s3://") {
		t.Errorf("a scheme is offered as a key: %q", stdout)
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	if stdout, _ := c.want(exitDone, "version"); !strings.HasPrefix(stdout, "crossfade ") || strings.Count(stdout, "\n") != 1 {
		t.Errorf("%q", stdout)
	}
	var b map[string]any
	stdout, _ := c.want(exitDone, "version", "--json")
	if err := json.Unmarshal([]byte(stdout), &b); err != nil || b["version"] == "" || b["go"] == "" || len(b) != 5 {
		t.Errorf("%q, %v", stdout, err)
	}
}
