package lambdaapi_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/crossfade-io/crossfade/testutil/lambdaapi"
	"github.com/crossfade-io/crossfade/testutil/loopback"
)

// childMode makes this test binary a bootstrap, by its value.
const childMode = "CROSSFADE_LAMBDAAPI_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childMode) {
	case "":
		os.Exit(m.Run())
	case "serve":
		lambda.Start(handle) // AWS's own client of the protocol
	case "exit":
		os.Exit(3)
	case "report":
		res, err := loopback.Client().Post("http://"+os.Getenv("AWS_LAMBDA_RUNTIME_API")+"/2018-06-01/runtime/init/error",
			"application/json", strings.NewReader(`{"errorType":"Runtime.ConfigInvalid","errorMessage":"nothing is set"}`))
		if err != nil || res.StatusCode != http.StatusAccepted {
			os.Exit(9)
		}
		os.Exit(2)
	case "hang":
		time.Sleep(time.Minute)
	}
}

// order is what a test tells its function to do.
type order struct {
	Do   string
	Size int
}

func handle(ctx context.Context, o order) (any, error) {
	switch o.Do {
	case "pid":
		return os.Getpid(), nil
	case "deadline":
		deadline, _ := ctx.Deadline()
		lc, _ := lambdacontext.FromContext(ctx)
		return map[string]any{"left": time.Until(deadline).Seconds(), "arn": lc.InvokedFunctionArn, "id": lc.AwsRequestID}, nil
	case "fail":
		return nil, errors.New("as told")
	case "panic":
		panic("as told")
	case "exit":
		os.Exit(4)
	case "hang":
		time.Sleep(time.Minute) // past its deadline, whatever the context says
	case "large":
		return strings.Repeat("x", o.Size), nil
	}
	return nil, fmt.Errorf("unknown order %q", o.Do)
}

// deploy returns a function whose processes are this binary.
func deploy(t *testing.T, mode string, opts lambdaapi.Options) *lambdaapi.Function {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	f := lambdaapi.New(opts)
	f.Deploy(lambdaapi.Bootstrap{Path: self, Env: []string{childMode + "=" + mode}})
	t.Cleanup(func() { f.Shutdown(0) })
	return f
}

func invoke(t *testing.T, f *lambdaapi.Function, payload string) lambdaapi.Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	a, err := f.Invoke(ctx, []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestInvocations(t *testing.T) {
	t.Parallel()
	f := deploy(t, "serve", lambdaapi.Options{Timeout: 20 * time.Second})
	first := invoke(t, f, `{"Do":"pid"}`)
	if second := invoke(t, f, `{"Do":"pid"}`); first.Failed || !bytes.Equal(first.Payload, second.Payload) {
		t.Errorf("processes %s and %s, want one", first.Payload, second.Payload)
	}
	a := invoke(t, f, `{"Do":"deadline"}`)
	var got struct {
		Left    float64
		ARN, ID string
	}
	if err := json.Unmarshal(a.Payload, &got); err != nil || got.Left <= 0 || got.Left > 20 || got.ARN != lambdaapi.ARN || got.ID != a.RequestID {
		t.Errorf("the function was told %s (request %s)", a.Payload, a.RequestID)
	}
	if a := invoke(t, f, `{"Do":"fail"}`); a.ErrorType() != "errorString" || !bytes.Contains(a.Payload, []byte("as told")) {
		t.Errorf("failure: %+v", a)
	}
	if third := invoke(t, f, `{"Do":"pid"}`); !bytes.Equal(first.Payload, third.Payload) {
		t.Errorf("a failure ended the process")
	}
	if s := f.Stats(); len(s.Inits) != 1 || s.Inits[0] <= 0 || len(s.Exits) != 0 || s.Freezes != 0 {
		t.Errorf("%+v", s)
	}
}

func TestLargePayloads(t *testing.T) {
	t.Parallel()
	f := deploy(t, "serve", lambdaapi.Options{})
	if a := invoke(t, f, fmt.Sprintf(`{"Do":"large","Size":%d}`, lambdaapi.MaxPayload-2)); a.Failed || len(a.Payload) != lambdaapi.MaxPayload {
		t.Errorf("an answer of 6 MB: %d bytes, failed %v", len(a.Payload), a.Failed)
	}
	if a := invoke(t, f, fmt.Sprintf(`{"Do":"large","Size":%d}`, lambdaapi.MaxPayload+1000)); a.ErrorType() != "Function.ResponseSizeTooLarge" {
		t.Errorf("a larger answer: %s", a.ErrorType())
	}
	if a := invoke(t, f, strings.Repeat(" ", lambdaapi.MaxPayload+1)); a.ErrorType() != "RequestTooLargeException" {
		t.Errorf("a larger request: %s", a.ErrorType())
	}
}

// A process that ended, however, is followed by another at the next invocation.
func TestProcessesThatEnd(t *testing.T) {
	t.Parallel()
	f := deploy(t, "serve", lambdaapi.Options{Timeout: 2 * time.Second, Freeze: true})
	if a := invoke(t, f, `{"Do":"exit"}`); a.ErrorType() != "Runtime.ExitError" || !bytes.Contains(a.Payload, []byte("exit status 4")) {
		t.Errorf("exit: %s", a.Payload)
	}
	if a := invoke(t, f, `{"Do":"panic"}`); a.ErrorType() != "string" || !bytes.Contains(a.Payload, []byte("as told")) {
		t.Errorf("panic: %s", a.Payload)
	}
	if a := invoke(t, f, `{"Do":"hang"}`); a.ErrorType() != "Sandbox.Timedout" || !bytes.Contains(a.Payload, []byte("Task timed out after 2.00 seconds")) {
		t.Errorf("no answer: %s", a.Payload)
	}
	pid := invoke(t, f, `{"Do":"pid"}`)
	if err := f.Signal(syscall.SIGKILL); err != nil { // while it waits for work, frozen or not yet
		t.Fatal(err)
	}
	if a := invoke(t, f, `{"Do":"pid"}`); a.Failed || bytes.Equal(a.Payload, pid.Payload) {
		t.Errorf("after a kill: %s, the process before was %s", a.Payload, pid.Payload)
	}
	if s := f.Stats(); s.Timeouts != 1 || len(s.Inits) != 5 || len(s.Exits) != 2 {
		t.Errorf("%+v", s)
	}
}

func TestInitFails(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]string{
		"exit": "Runtime.ExitError", "report": "Runtime.ConfigInvalid", "hang": "Sandbox.Timedout",
	} {
		f := deploy(t, mode, lambdaapi.Options{InitTimeout: 5 * time.Second})
		if mode == "hang" {
			f = deploy(t, mode, lambdaapi.Options{InitTimeout: 50 * time.Millisecond})
		}
		for range 2 { // a new process each time
			if a := invoke(t, f, `{}`); a.ErrorType() != want {
				t.Errorf("%s: %s", mode, a.Payload)
			}
		}
		if s := f.Stats(); len(s.Inits) != 0 {
			t.Errorf("%s: %+v", mode, s)
		}
	}
	f := lambdaapi.New(lambdaapi.Options{})
	f.Deploy(lambdaapi.Bootstrap{Path: "/nowhere/bootstrap"})
	if a := invoke(t, f, `{}`); !a.Failed {
		t.Errorf("no such file: %+v", a)
	}
}

func TestFreeze(t *testing.T) {
	t.Parallel()
	f := deploy(t, "serve", lambdaapi.Options{Freeze: true})
	a := invoke(t, f, `{"Do":"pid"}`)
	frozen(t, string(a.Payload))
	if b := invoke(t, f, `{"Do":"pid"}`); !bytes.Equal(a.Payload, b.Payload) {
		t.Errorf("another process after the freeze")
	}
	frozen(t, string(a.Payload))
	if s := f.Stats(); s.Freezes != 2 {
		t.Errorf("%+v", s)
	}
	f.Shutdown(10 * time.Second)
	if s := f.Stats(); len(s.Exits) != 1 || s.Exits[0] != "signal: terminated" {
		t.Errorf("after SIGTERM to a frozen process: %+v", s)
	}
}

// frozen waits until the process is stopped.
func frozen(t *testing.T, pid string) {
	t.Helper()
	for t.Context().Err() == nil {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		if errors.Is(err, os.ErrNotExist) && !exists("/proc") {
			return // not on Linux
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, state, _ := strings.Cut(string(stat), ") "); strings.HasPrefix(state, "T") {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Two at once need two processes, a third waits.
func TestConcurrency(t *testing.T) {
	t.Parallel()
	f := deploy(t, "serve", lambdaapi.Options{Concurrency: 2, Timeout: 300 * time.Millisecond})
	answers := make(chan lambdaapi.Answer)
	for range 3 {
		go func() {
			a, err := f.Invoke(t.Context(), []byte(`{"Do":"hang"}`))
			if err != nil {
				t.Error(err)
			}
			answers <- a
		}()
	}
	for range 3 {
		if a := <-answers; a.ErrorType() != "Sandbox.Timedout" {
			t.Errorf("%s", a.Payload)
		}
	}
	if s := f.Stats(); len(s.Inits) != 3 || s.Timeouts != 3 {
		t.Errorf("%+v", s)
	}
}

func TestInvokeAPI(t *testing.T) {
	t.Parallel()
	f := deploy(t, "serve", lambdaapi.Options{})
	server := httptest.NewServer(f)
	defer server.Close()
	for payload, want := range map[string]struct {
		status int
		failed string
	}{
		`{"Do":"pid"}`: {200, ""}, `{"Do":"fail"}`: {200, "Unhandled"},
		strings.Repeat(" ", lambdaapi.MaxPayload+1): {413, ""},
	} {
		res, err := loopback.Client().Post(server.URL+lambdaapi.InvokePath, "application/json", strings.NewReader(payload))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want.status || res.Header.Get("X-Amz-Function-Error") != want.failed {
			t.Errorf("%.20s: status %d, function error %q", payload, res.StatusCode, res.Header.Get("X-Amz-Function-Error"))
		}
	}
}

// What a process must not do is refused.
func TestRefused(t *testing.T) {
	t.Parallel()
	f := lambdaapi.New(lambdaapi.Options{})
	e := f.NewEnvironment()
	defer e.Close()
	addr, _ := strings.CutPrefix(e.Env()[0], "AWS_LAMBDA_RUNTIME_API=")
	call := func(method, path string) (*http.Response, error) {
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+addr+"/2018-06-01/runtime/"+path, strings.NewReader("{}"))
		if err != nil {
			return nil, err
		}
		return loopback.Client().Do(req)
	}
	status := func(method, path string, want int) http.Header {
		t.Helper()
		res, err := call(method, path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("%s %s: status %d, want %d", method, path, res.StatusCode, want)
		}
		return res.Header
	}
	status("POST", "invocation/x/response", 400)
	answered := make(chan error, 1)
	go func() {
		_, err := f.Invoke(t.Context(), []byte("{}"))
		answered <- err
	}()
	id := status("GET", "invocation/next", 200).Get("Lambda-Runtime-Aws-Request-Id")
	status("GET", "invocation/next", 403) // before it has answered
	status("POST", "init/error", 403)     // too late
	status("POST", "invocation/other/response", 400)
	status("POST", "invocation/"+id+"/response", 202)
	status("POST", "invocation/"+id+"/response", 400) // twice
	if err := <-answered; err != nil {
		t.Error(err)
	}
}
