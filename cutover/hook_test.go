package cutover

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
)

func someCall() HookCall {
	return HookCall{
		Migration: "shop", Operation: "cutover", Step: StepSwitch, Authority: control.Target,
		Source: "s3://old", Target: "gs://new", Epoch: 7, Run: "RUN", MaxFreeze: 1500 * time.Millisecond,
	}
}

func shell(script string, timeout time.Duration) config.Hook {
	return config.Hook{
		Command: []config.Secret{config.NewSecret("/bin/sh"), config.NewSecret("-c"), config.NewSecret(script)},
		Timeout: timeout,
	}
}

func testRunner() *runner { return newRunner(time.Now, store.Sleep) }

func TestCommandIsTold(t *testing.T) {
	t.Parallel()
	run, err := testRunner().Run(t.Context(), shell("env | grep ^CROSSFADE_ | sort; echo oops >&2", 10*time.Second), someCall())
	if err != nil {
		t.Fatal(err)
	}
	want := `CROSSFADE_AUTHORITY=target
CROSSFADE_DRY_RUN=0
CROSSFADE_EPOCH=7
CROSSFADE_MAX_FREEZE=1.5
CROSSFADE_MIGRATION=shop
CROSSFADE_OPERATION=cutover
CROSSFADE_RUN=RUN
CROSSFADE_SOURCE=s3://old
CROSSFADE_STEP=switch
CROSSFADE_TARGET=gs://new
oops
`
	if run.Output != want {
		t.Errorf("output\n%s\nwant\n%s", run.Output, want)
	}
	if run.Name != StepSwitch || run.Kind != report.HookCommand || run.Result != report.HookOK || run.Attempts != 1 {
		t.Errorf("%+v", run)
	}
}

func TestCommandFails(t *testing.T) {
	t.Parallel()
	r := testRunner()
	run, err := r.Run(t.Context(), shell("echo no such host; exit 3", 10*time.Second), someCall())
	if _, ok := errors.AsType[*HookError](err); !ok || !strings.Contains(err.Error(), "exit status 3") || run.Result != report.HookFailed || run.Output != "no such host\n" {
		t.Errorf("%+v, %v", run, err)
	}
	missing := config.Hook{Command: []config.Secret{config.NewSecret("/no/such/hook"), config.NewSecret("--password=hunter2hunter2")}}
	_, err = r.Run(t.Context(), missing, someCall())
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "could not be started") {
		t.Errorf("%v", err)
	}
	if err := r.Check(t.Context(), missing); err == nil {
		t.Error("the check finds a command that is not there")
	}
	if err := r.Check(t.Context(), shell("", 0)); err != nil {
		t.Error(err)
	}
}

// A command that hangs is killed with all that it has started.
func TestCommandHangs(t *testing.T) {
	t.Parallel()
	pid := filepath.Join(t.TempDir(), "pid")
	// The child holds the output open, and ignores what a polite end would be.
	run, err := testRunner().Run(t.Context(), shell("trap '' TERM; sleep 1000 & echo $! > "+pid+"; wait", 700*time.Millisecond), someCall())
	if err == nil || run.Result != report.HookTimedOut || !strings.Contains(err.Error(), "timed out after 700ms") {
		t.Fatalf("%+v, %v", run, err)
	}
	b, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	var child int
	if _, err := fmt.Sscan(string(b), &child); err != nil {
		t.Fatal(err)
	}
	for range 500 {
		if syscall.Kill(child, 0) != nil || isZombie(child) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %d lives", child)
}

// isZombie reports whether a process has ended and nobody has asked for it.
func isZombie(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(b), ") Z ")
}

func TestHookEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := errors.New("the freeze is over")
	time.AfterFunc(50*time.Millisecond, func() { cancel(ended) })
	run, err := testRunner().Run(ctx, shell("sleep 1000", time.Minute), someCall())
	if !errors.Is(err, ended) || run.Result != report.HookFailed {
		t.Errorf("%+v, %v", run, err)
	}
}

func TestOutputIsBoundedAndRedacted(t *testing.T) {
	t.Parallel()
	run, err := testRunner().Run(t.Context(), shell("echo begin; head -c 300000 /dev/zero | tr '\\0' x; echo; echo end", 10*time.Second), someCall())
	if err != nil || len(run.Output) > maxHookOutput+20 || !strings.HasPrefix(run.Output, "begin\n") || !strings.HasSuffix(run.Output, "end\n") {
		t.Errorf("%d bytes, %v", len(run.Output), err)
	}
	hook := config.Hook{
		Webhook: config.NewSecret("https://ann:pass-word@hooks.example/T0/B1?token=abcdef"),
		Headers: map[string]config.Secret{"Authorization": config.NewSecret("Bearer very-secret")},
	}
	said := redactHook(hook, "ok very-secret pass-word abcdef /T0/B1?token=abcdef s3://u:p@host/x?X-Amz-Signature=0123456789&a=1")
	for _, secret := range []string{"very-secret", "pass-word", "abcdef", "T0", "u:p", "0123456789"} {
		if strings.Contains(said, secret) {
			t.Errorf("%q shows %q", said, secret)
		}
	}
	if !strings.HasPrefix(said, "ok [redacted]") || !strings.HasSuffix(said, "&a=1") {
		t.Errorf("%q", said)
	}
}

func TestWebhook(t *testing.T) {
	t.Parallel()
	var n atomic.Int32
	keys := make(chan string, 10)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		keys <- req.Header.Get("Idempotency-Key")
		b, err := io.ReadAll(req.Body)
		var got payload
		if err != nil || json.Unmarshal(b, &got) != nil || req.Method != http.MethodPost || req.Header.Get("Authorization") != "Bearer token-1" ||
			got != (payload{"shop", "cutover", "switch", control.Target, "s3://old", "gs://new", 7, "RUN", 1.5, false}) {
			t.Errorf("%s %s", req.Method, b)
		}
		switch n.Add(1) {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			panic(http.ErrAbortHandler) // the connection breaks
		default:
			fmt.Fprint(w, "moved with token-1")
		}
	}))
	t.Cleanup(srv.Close)
	hook := config.Hook{
		Webhook: config.NewSecret(srv.URL + "/secret-path"), Timeout: 20 * time.Second,
		Headers: map[string]config.Secret{"Authorization": config.NewSecret("Bearer token-1")},
	}
	run, err := testRunner().Run(t.Context(), hook, someCall())
	// The client itself repeats a request whose connection broke.
	if err != nil || n.Load() != 3 || run.Attempts < 2 || run.Kind != report.HookWebhook || run.Output != "moved with [redacted]" {
		t.Errorf("%+v, %v", run, err)
	}
	for range 3 {
		if key := <-keys; key != "RUN-switch-target" {
			t.Errorf("Idempotency-Key %q", key)
		}
	}
}

func TestWebhookRefusals(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	var other atomic.Bool
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { other.Store(true) }))
	t.Cleanup(elsewhere.Close)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		asked.Add(1)
		switch req.URL.Path {
		case "/redirect":
			http.Redirect(w, req, elsewhere.URL, http.StatusTemporaryRedirect)
		case "/hang":
			io.Copy(io.Discard, req.Body) //nolint:errcheck // only then the server notices that the client has gone
			<-req.Context().Done()
		default:
			http.Error(w, "not you", http.StatusForbidden)
		}
	}))
	t.Cleanup(srv.Close)
	r := testRunner()
	for path, says := range map[string]string{"/redirect": "redirects are not followed", "/forbidden": "403 Forbidden"} {
		asked.Store(0)
		run, err := r.Run(t.Context(), config.Hook{Webhook: config.NewSecret(srv.URL + path), Timeout: 20 * time.Second}, someCall())
		if err == nil || !strings.Contains(err.Error(), says) || asked.Load() != 1 || run.Result != report.HookFailed || strings.Contains(err.Error(), srv.URL) {
			t.Errorf("%s: asked %d times, %+v, %v", path, asked.Load(), run, err)
		}
	}
	if other.Load() {
		t.Error("a redirect was followed")
	}
	run, err := r.Run(t.Context(), config.Hook{Webhook: config.NewSecret(srv.URL + "/hang"), Timeout: 200 * time.Millisecond}, someCall())
	if err == nil || run.Result != report.HookTimedOut || strings.Contains(err.Error(), srv.URL) {
		t.Errorf("%+v, %v", run, err)
	}
	// Nobody listens: it is tried again until the time is up.
	srv.Close()
	run, err = r.Run(t.Context(), config.Hook{Webhook: config.NewSecret(srv.URL + "/x"), Timeout: 400 * time.Millisecond}, someCall())
	if err == nil || run.Attempts < 2 || strings.Contains(err.Error(), srv.URL+"/x") {
		t.Errorf("%+v, %v", run, err)
	}
	if err := r.Check(t.Context(), config.Hook{Webhook: config.NewSecret("ftp://secret-host")}); err == nil || strings.Contains(err.Error(), "secret-host") {
		t.Errorf("%v", err)
	}
}
