package lambdaapi

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Environment is the Runtime API of one process.
type Environment struct {
	f        *Function
	server   *httptest.Server
	begun    time.Time
	first    chan *invocation // the one that the process is started for, if any
	attached chan struct{}    // closed once proc is set
	ready    chan struct{}    // closed when the process asks for its first invocation
	closed   chan struct{}

	mu      sync.Mutex
	proc    *os.Process
	asked   bool
	ending  bool // it was told to end: it is not stopped any more
	dead    bool
	current *invocation
	timer   *time.Timer // of the current one's deadline
	initErr []byte      // what the process said of a failed start
}

// NewEnvironment serves the Runtime API to a process that the caller is about to
// start with Env, and then to Attach if it is to be stopped and killed.
func (f *Function) NewEnvironment() *Environment {
	e := &Environment{
		f: f, begun: time.Now(), first: make(chan *invocation, 1),
		attached: make(chan struct{}), ready: make(chan struct{}), closed: make(chan struct{}),
	}
	mux := http.NewServeMux()
	const runtime = "/2018-06-01/runtime/"
	mux.HandleFunc("GET "+runtime+"invocation/next", e.next)
	mux.HandleFunc("POST "+runtime+"invocation/{id}/response", e.response)
	mux.HandleFunc("POST "+runtime+"invocation/{id}/error", e.failure)
	mux.HandleFunc("POST "+runtime+"init/error", e.initFailure)
	e.server = httptest.NewServer(mux)
	return e
}

// Env is what Lambda adds to the environment of a process.
func (e *Environment) Env() []string {
	return []string{
		"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(e.server.URL, "http://"),
		"AWS_LAMBDA_FUNCTION_NAME=crossfade", "AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=256", "AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/crossfade", "AWS_LAMBDA_LOG_STREAM_NAME=2026/01/01/[$LATEST]0",
		"_HANDLER=bootstrap", "TZ=:UTC",
	}
}

// Attach names the process, which then is stopped and killed as Lambda does.
func (e *Environment) Attach(p *os.Process) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.proc = p
	close(e.attached)
}

// Ended says that the process is gone: what it had in hand failed for that
// reason. It returns how many there were.
func (e *Environment) Ended(reason string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.dead {
		e.dead = true
		close(e.closed)
	}
	select {
	case inv := <-e.first:
		inv.answer <- e.unstarted(inv.id, reason)
	default:
	}
	if e.current == nil {
		return 0
	}
	e.finish(exited(e.current.id, reason))
	return 1
}

// unstarted answers the invocation that the process was started for. The lock is
// held.
func (e *Environment) unstarted(id, reason string) Answer {
	switch {
	case e.asked:
		return Answer{untaken: true}
	case e.initErr != nil:
		return Answer{RequestID: id, Payload: e.initErr, Failed: true}
	default:
		return exited(id, reason)
	}
}

// exited is what Lambda tells the caller of a process that died.
func exited(id, reason string) Answer {
	return failed(id, "Runtime.ExitError", fmt.Sprintf("RequestId: %s Error: Runtime exited with error: %s", id, reason))
}

// Close ends the API.
func (e *Environment) Close() {
	e.Ended("the environment is closed")
	e.server.CloseClientConnections()
	e.server.Close()
}

// finish answers the current invocation. The lock is held.
func (e *Environment) finish(a Answer) {
	inv := e.current
	e.current = nil
	e.timer.Stop()
	e.f.inHand(-1)
	inv.answer <- a
}

// next hands out an invocation, and waits for one as long as it takes.
func (e *Environment) next(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	busy := e.current != nil
	if !e.asked && !busy {
		e.asked = true
		took := time.Since(e.begun)
		e.f.note(func(s *Stats) { s.Inits = append(s.Inits, took) })
		close(e.ready)
	}
	e.mu.Unlock()
	if busy {
		apiError(w, http.StatusForbidden, "InvalidStateTransition", "the invocation before is not answered")
		return
	}
	inv := e.await(r)
	if inv == nil || !e.take(inv) {
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(e.f.opts.Timeout).UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", ARN)
	h.Set("Lambda-Runtime-Trace-Id", "Root=1-00000000-"+strings.Repeat("0", 24)+";Parent="+strings.Repeat("0", 16)+";Sampled=0")
	h.Set("Lambda-Runtime-Client-Context", "{}")
	w.Write(inv.payload) //nolint:errcheck // the end of the process tells
}

// await returns the next invocation, nil if the process goes away first. It is
// frozen meanwhile.
func (e *Environment) await(r *http.Request) *invocation {
	select {
	case inv := <-e.first:
		return inv
	case inv := <-e.f.waiting:
		return inv
	default:
	}
	if e.f.opts.Freeze && e.freeze(r) {
		defer e.thaw()
	}
	select {
	case inv := <-e.f.waiting:
		return inv
	case <-e.closed:
	case <-r.Context().Done():
	}
	return nil
}

func (e *Environment) freeze(r *http.Request) bool {
	select {
	case <-e.attached:
	case <-e.closed:
		return false
	case <-r.Context().Done():
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ending {
		return false
	}
	e.f.note(func(s *Stats) { s.Freezes++ })
	e.proc.Signal(syscall.SIGSTOP) //nolint:errcheck // it may have ended
	return true
}

// thaw lets the process go on.
func (e *Environment) thaw() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.proc.Signal(syscall.SIGCONT) //nolint:errcheck // it may have ended
}

// terminate asks the process to end, which it can only if it is not stopped.
func (e *Environment) terminate() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ending = true
	e.proc.Signal(syscall.SIGTERM) //nolint:errcheck // it may have ended
	e.proc.Signal(syscall.SIGCONT) //nolint:errcheck // likewise
}

// take notes what the process is about to get, and gives it back if that is dead
// by now.
func (e *Environment) take(inv *invocation) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.dead {
		inv.answer <- Answer{untaken: true}
		return false
	}
	e.current = inv
	e.timer = time.AfterFunc(e.f.opts.Timeout, func() { e.expire(inv) })
	e.f.inHand(1)
	return true
}

// expire kills a process that did not answer in time.
func (e *Environment) expire(inv *invocation) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.current != inv {
		return
	}
	e.f.note(func(s *Stats) { s.Timeouts++ })
	if e.proc != nil {
		e.proc.Kill() //nolint:errcheck // it may have ended
	}
	if !e.dead {
		e.dead = true
		close(e.closed)
	}
	e.finish(failed(inv.id, "Sandbox.Timedout", timedOut(inv.id, e.f.opts.Timeout)))
}

func timedOut(id string, limit time.Duration) string {
	return fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", id, limit.Seconds())
}

func (e *Environment) response(w http.ResponseWriter, r *http.Request) { e.answered(w, r, false) }
func (e *Environment) failure(w http.ResponseWriter, r *http.Request)  { e.answered(w, r, true) }

// answered takes the answer of the invocation in hand. One that is cut short, or
// too large, leaves it there or fails it.
func (e *Environment) answered(w http.ResponseWriter, r *http.Request, isError bool) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer+1))
	if err != nil {
		apiError(w, http.StatusBadRequest, "InvalidRequest", err.Error())
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	id := r.PathValue("id")
	if e.current == nil || e.current.id != id {
		apiError(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return
	}
	if len(body) > maxAnswer {
		text := fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", maxAnswer)
		e.finish(failed(id, "Function.ResponseSizeTooLarge", text))
		apiError(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", text)
		return
	}
	e.finish(Answer{RequestID: id, Payload: body, Failed: isError})
	accepted(w)
}

// accepted is written before the process asks for more.
func accepted(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	io.WriteString(w, `{"status":"OK"}`) //nolint:errcheck // the end of the process tells
}

// initFailure keeps what the process says of its failed start.
func (e *Environment) initFailure(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer))
	if err != nil {
		apiError(w, http.StatusBadRequest, "InvalidRequest", err.Error())
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.asked {
		apiError(w, http.StatusForbidden, "InvalidStateTransition", "the function has started")
		return
	}
	e.initErr = body
	accepted(w)
}
