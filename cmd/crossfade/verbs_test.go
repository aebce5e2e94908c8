package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

const firstBackfill = `{
  "source": "s3://source/",
  "target": "gs://target/",
  "listed": 3,
  "copied": 2,
  "updated": 0,
  "skipped": 0,
  "deleted": 0,
  "failed": 1,
  "conflicts": 1,
  "extra": 1,
  "excluded": 1,
  "uploads_aborted": 0,
  "bytes": 5,
  "seconds": 0,
  "dry_run": false,
  "interrupted": false,
  "failures": [
    {
      "key": "<c>",
      "reason": "foreign on the target"
    }
  ],
  "truncated": false
}
`

func TestBackfillJSON(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.put(c.src, "a", "aa")
	c.put(c.src, "b", "bbb")
	c.put(c.src, "<c>", "c")
	c.put(c.src, "tmp/x", "x")
	c.put(c.dst, "<c>", "foreign")
	c.put(c.dst, "z", "foreign")
	args := []string{"backfill", "s3://source", "gs://target", "--exclude", "tmp/**", "--json", "-q"}
	dry := strings.Replace(firstBackfill, `"dry_run": false`, `"dry_run": true`, 1)
	c.wantJSON(exitIncomplete, dry, append(args, "--dry-run")...)
	if n := c.dst.Bucket().Len(); n != 2 {
		t.Fatalf("a dry run left %d objects", n)
	}
	c.wantJSON(exitIncomplete, firstBackfill, args...)

	// What was done is skipped; overwriting on request; deleting what is gone.
	again := strings.NewReplacer(`"copied": 2`, `"copied": 0`, `"skipped": 0`, `"skipped": 2`, `"bytes": 5`, `"bytes": 0`).Replace(firstBackfill)
	c.wantJSON(exitIncomplete, again, args...)
	c.want(exitDone, append(args, "--foreign=overwrite")...)
	if err := c.src.Delete(t.Context(), "a", store.Condition{}); err != nil {
		t.Fatal(err)
	}
	stdout, stderr := c.want(exitIncomplete, append(args, "--delete", "--max-delete=0")...)
	if !strings.Contains(stdout, `"deleted": 0`) || !strings.Contains(stdout, `"error": "too many deletes`) || !strings.Contains(stderr, "none was deleted") {
		t.Fatalf("%s%s", stdout, stderr)
	}
	if stdout, _ = c.want(exitDone, append(args, "--delete")...); !strings.Contains(stdout, `"deleted": 1`) || !strings.Contains(stdout, `"failures": []`) {
		t.Fatal(stdout)
	}
}

func TestBackfillForPeople(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.put(c.src, "a\x1b[31m\nb", "12345")
	c.put(c.dst, "a\x1b[31m\nb", "foreign")
	c.put(c.src, "k", strings.Repeat("x", 2048))
	stdout, stderr := c.want(exitIncomplete, "backfill", "s3://source", "gs://target")
	want := "failed  a\uFFFD[31m b: foreign on the target\n" +
		"2 listed: 1 copied (2.0 KiB), 0 updated, 0 in order, 0 deleted, 1 failed in 0.0 s\n" +
		"1 of the failed are foreign objects on the target, left alone: see --foreign\n"
	if stdout != want {
		t.Fatalf("%q", stdout)
	}
	if !strings.Contains(stderr, "level=WARN") || strings.ContainsAny(stderr, "\x1b\r") {
		t.Fatalf("%q", stderr)
	}
	if _, stderr = c.want(exitIncomplete, "backfill", "s3://source", "gs://target", "--quiet"); stderr != "" {
		t.Fatalf("quiet: %q", stderr)
	}
}

const differentJSON = `{
  "source": "s3://source/",
  "target": "gs://target/",
  "equal": 1,
  "missing": 1,
  "different": 0,
  "extra": 1,
  "foreign": 1,
  "failed": 0,
  "bytes": 2,
  "read": 0,
  "seconds": 0,
  "checksum": false,
  "interrupted": false,
  "keys": {
    "different": [],
    "extra": [
      "gone"
    ],
    "failed": [],
    "foreign": [
      "other"
    ],
    "missing": [
      "new"
    ]
  },
  "truncated": false,
  "reasons": {
    "other": "not on the source"
  }
}
`

func TestVerify(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.put(c.src, "a", "a")
	c.put(c.src, "gone", "g")
	c.want(exitDone, "backfill", "s3://source", "gs://target", "-q")
	for _, flag := range []string{"--checksum", "--checksum=false"} {
		stdout, _ := c.want(exitDone, "verify", "s3://source", "gs://target", "-q", flag)
		if stdout != "2 equal, 0 missing, 0 different, 0 extra, 0 foreign; 2 B in 0.0 s\n" {
			t.Fatalf("%q", stdout)
		}
	}
	if err := c.src.Delete(t.Context(), "gone", store.Condition{}); err != nil {
		t.Fatal(err)
	}
	c.put(c.src, "new", "n")
	c.put(c.dst, "other", "o")
	c.wantJSON(exitIncomplete, differentJSON, "verify", "s3://source", "gs://target", "--json")
	stdout, _ := c.want(exitIncomplete, "verify", "s3://source", "gs://target")
	want := "missing    new\nextra      gone\nforeign    other: not on the source\n" +
		"1 equal, 1 missing, 0 different, 1 extra, 1 foreign; 2 B in 0.0 s\n"
	if stdout != want {
		t.Fatalf("%q", stdout)
	}
	if stdout, _ = c.want(exitDone, "verify", "s3://source", "gs://target", "--include", "a"); !strings.HasPrefix(stdout, "1 equal") {
		t.Fatalf("%q", stdout)
	}
}

func TestFailedListing(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.put(c.src, "k", "v")
	c.want(exitDone, "backfill", "s3://source", "gs://target")
	c.src.SetIntercept(func(_ context.Context, op memstore.Op) error {
		if op.Name == "list" {
			return &store.Error{Kind: store.Denied}
		}
		return nil
	})
	for _, args := range [][]string{{"backfill", "s3://source", "gs://target", "--delete", "--json"}, {"verify", "s3://source", "gs://target", "--json"}} {
		stdout, stderr := c.want(exitIncomplete, args...)
		if !strings.Contains(stdout, `"error": "listing the source: list mem://mem: denied"`) || stderr != "crossfade: listing the source: list mem://mem: denied\n" {
			t.Fatalf("%s%s", stdout, stderr)
		}
	}
	if c.dst.Bucket().Get("k") == nil {
		t.Fatal("deleted for a failed listing")
	}
}

const syncJSON = `{
  "source": "s3://source/",
  "target": "gs://target/",
  "failed": 1,
  "keys": [
    {
      "key": "a",
      "action": "copy",
      "reason": "not on the target",
      "bytes": 1,
      "attempts": 1
    },
    {
      "key": "foreign",
      "action": "conflict",
      "reason": "foreign on the target",
      "bytes": 0,
      "attempts": 1
    },
    {
      "key": "nosuch",
      "action": "skip",
      "reason": "on neither side",
      "bytes": 0,
      "attempts": 1
    }
  ]
}
`

func TestSync(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.put(c.src, "a", "a")
	c.put(c.src, "foreign", "f")
	c.put(c.dst, "foreign", "other")
	c.wantJSON(exitIncomplete, syncJSON, "sync", "s3://source", "gs://target", "--json", "a", "foreign", "nosuch")
	if stdout, _ := c.want(exitDone, "sync", "s3://source", "gs://target", "a"); stdout != "skip      a  (up to date)\n" {
		t.Fatalf("%q", stdout)
	}
	if err := c.src.Delete(t.Context(), "a", store.Condition{}); err != nil {
		t.Fatal(err)
	}
	if stdout, _ := c.want(exitDone, "sync", "s3://source", "gs://target", "a"); !strings.Contains(stdout, "deletes are off") || c.dst.Bucket().Get("a") == nil {
		t.Fatalf("%q", stdout)
	}
	if stdout, _ := c.want(exitDone, "sync", "s3://source", "gs://target", "--delete", "a"); !strings.HasPrefix(stdout, "delete") || c.dst.Bucket().Get("a") != nil {
		t.Fatalf("%q", stdout)
	}
	if stdout, _ := c.want(exitDone, "sync", "s3://source", "gs://target", "--foreign=overwrite", "foreign"); !strings.HasPrefix(stdout, "copy") {
		t.Fatalf("%q", stdout)
	}
	c.src.SetIntercept(func(_ context.Context, op memstore.Op) error {
		if op.Name == "check" {
			return nil
		}
		return &store.Error{Kind: store.Denied}
	})
	if stdout, _ := c.want(exitIncomplete, "sync", "s3://source", "gs://target", "foreign"); !strings.HasPrefix(stdout, "failed    foreign  (") {
		t.Fatalf("%q", stdout)
	}
}

// The first interrupt lets finish what is in flight; run again, the rest is done;
// a third time nothing is copied.
func TestInterruptedBackfill(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	for i := range 100 {
		c.put(c.src, fmt.Sprintf("%03d", i), "x")
	}
	ctx, interrupt := context.WithCancel(t.Context())
	defer interrupt()
	var inFlight error
	c.dst.SetIntercept(func(ctx context.Context, op memstore.Op) error {
		if op.Name == "put" && op.Key == "010" {
			interrupt()
			inFlight = ctx.Err()
		}
		return nil
	})
	args := []string{"backfill", "s3://source", "gs://target", "--concurrency=1"}
	code, stdout, stderr := c.runContext(ctx, args...)
	if code != exitIncomplete || inFlight != nil || !strings.Contains(stdout, " 11 copied") || !strings.Contains(stderr, "run the same command again: what is done is skipped") {
		t.Fatalf("exit %d, %v\n%s%s", code, inFlight, stdout, stderr)
	}
	c.dst.SetIntercept(nil)
	if stdout, _ := c.want(exitDone, args...); !strings.Contains(stdout, " 89 copied") || !strings.Contains(stdout, " 11 in order") {
		t.Fatal(stdout)
	}
	if stdout, _ := c.want(exitDone, args...); !strings.Contains(stdout, " 0 copied") {
		t.Fatal(stdout)
	}
}

// The second interrupt, or the end of the grace, abandons what is in flight.
func TestAbandonedBackfill(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(e *env, abort chan struct{}){
		"second interrupt": func(_ *env, abort chan struct{}) { close(abort) },
		"grace over":       func(e *env, _ chan struct{}) { e.grace = time.Millisecond },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCLI(t)
			c.put(c.src, "k", "x")
			abort := make(chan struct{})
			c.env.abort = abort
			prepare(&c.env, abort)
			ctx, interrupt := context.WithCancel(t.Context())
			defer interrupt()
			c.dst.SetIntercept(func(ctx context.Context, op memstore.Op) error {
				if op.Name == "put" {
					interrupt()
					<-ctx.Done() // as a write that hangs
					return ctx.Err()
				}
				return nil
			})
			code, stdout, stderr := c.runContext(ctx, "backfill", "s3://source", "gs://target", "--json")
			if code != exitIncomplete || !strings.Contains(stdout, `"interrupted": true`) || !strings.Contains(stdout, `"failed": 0`) || !strings.Contains(stderr, "interrupted") {
				t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
			}
		})
	}
}

// Not parallel: signals are the whole process's.
func TestInterrupts(t *testing.T) {
	ctx, abort := interrupts()
	send := func(s syscall.Signal) {
		t.Helper()
		if err := syscall.Kill(os.Getpid(), s); err != nil {
			t.Fatal(err)
		}
	}
	send(syscall.SIGINT)
	<-ctx.Done()
	select {
	case <-abort:
		t.Fatal("one interrupt aborts")
	default:
	}
	send(syscall.SIGTERM)
	<-abort
}

func TestVerifyInterrupted(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.put(c.src, "k", "x")
	ctx, interrupt := context.WithCancel(t.Context())
	interrupt()
	code, stdout, stderr := c.runContext(ctx, "verify", "s3://source", "gs://target", "--json")
	if code != exitIncomplete || !strings.Contains(stderr, "interrupted") {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
}
