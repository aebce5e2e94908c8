package killtest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// Lambda is a Lambda function with one execution environment: the Invoke API
// towards the queue, and the Runtime API towards the bootstrap (AWS Lambda
// developer guide, "Using the Lambda runtime API for custom runtimes").
type Lambda struct {
	flights
	server  *httptest.Server
	waiting chan *invocation

	lock sync.Mutex
	env  *environment // of the process
	last int
}

type invocation struct {
	payload []byte
	answer  chan answer // for one
}

type answer struct {
	body   []byte
	failed bool
}

// environment is one process with a Runtime API of its own.
type environment struct {
	l      *Lambda
	server *httptest.Server

	lock   sync.Mutex
	dead   bool
	inHand map[string]*invocation
}

const lambdaTimeout = time.Minute

// NewLambda serves until the test ends.
func NewLambda(t testing.TB) *Lambda {
	l := &Lambda{waiting: make(chan *invocation)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /2015-03-31/functions/crossfade/invocations", l.invoke)
	l.server = httptest.NewServer(mux)
	t.Cleanup(l.server.Close)
	return l
}

// URL is the function's Invoke API.
func (l *Lambda) URL() string { return l.server.URL + "/2015-03-31/functions/crossfade/invocations" }

// invoke waits for a process to take the payload, and for its answer.
func (l *Lambda) invoke(w http.ResponseWriter, r *http.Request) {
	payload, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	inv := &invocation{payload: payload, answer: make(chan answer, 1)}
	select {
	case l.waiting <- inv:
	case <-r.Context().Done():
		return
	}
	select {
	case a := <-inv.answer:
		if a.failed {
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
		}
		w.Write(a.body) //nolint:errcheck // the caller is gone
	case <-r.Context().Done():
	}
}

// Start gives the process a Runtime API.
func (l *Lambda) Start(t testing.TB, env []string, path string) *Process {
	t.Helper()
	e := &environment{l: l, inHand: map[string]*invocation{}}
	mux := http.NewServeMux()
	const runtime = "/2018-06-01/runtime/"
	mux.HandleFunc("GET "+runtime+"invocation/next", e.next)
	mux.HandleFunc("POST "+runtime+"invocation/{id}/response", e.answered)
	mux.HandleFunc("POST "+runtime+"invocation/{id}/error", e.answered)
	mux.HandleFunc("POST "+runtime+"init/error", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		t.Errorf("the function does not start: %s", body)
		w.WriteHeader(http.StatusAccepted)
	})
	e.server = httptest.NewServer(mux)
	t.Cleanup(func() {
		e.server.CloseClientConnections()
		e.server.Close()
	})
	l.lock.Lock()
	l.env = e
	l.lock.Unlock()
	return Start(t, append(env, "AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(e.server.URL, "http://")), nil, path)
}

// next hands out an invocation, and waits for one as long as it takes.
func (e *environment) next(w http.ResponseWriter, r *http.Request) {
	var inv *invocation
	select {
	case inv = <-e.l.waiting:
	case <-r.Context().Done():
		return
	}
	id, ok := e.take(inv)
	if !ok {
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Lambda-Runtime-Aws-Request-Id", id)
	h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(lambdaTimeout).UnixMilli(), 10))
	h.Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:crossfade")
	h.Set("Lambda-Runtime-Trace-Id", "Root=1-00000000-000000000000000000000000")
	w.Write(inv.payload) //nolint:errcheck // the end of the process tells
}

// take notes who has the invocation. One taken by a process that is dead by now
// fails as if it had died of it.
func (e *environment) take(inv *invocation) (id string, ok bool) {
	e.l.lock.Lock()
	e.l.last++
	id = strconv.Itoa(e.l.last)
	e.l.lock.Unlock()
	e.lock.Lock()
	defer e.lock.Unlock()
	if e.dead {
		inv.answer <- exited
		return "", false
	}
	e.inHand[id] = inv
	e.l.add(1)
	return id, true
}

// exited is what Lambda tells the caller of a process that died.
var exited = answer{[]byte(`{"errorType":"Runtime.ExitError","errorMessage":"RequestId: Error: Runtime exited with error: signal: killed"}`), true}

func (e *environment) answered(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, `{"errorType":"InvalidRequest"}`, http.StatusBadRequest)
		return // cut short: it is in hand still
	}
	e.lock.Lock()
	inv := e.inHand[r.PathValue("id")]
	delete(e.inHand, r.PathValue("id"))
	e.lock.Unlock()
	if inv == nil {
		http.Error(w, `{"errorType":"InvalidRequestID"}`, http.StatusBadRequest)
		return
	}
	e.l.add(-1)
	inv.answer <- answer{body, strings.HasSuffix(r.URL.Path, "/error")}
	w.WriteHeader(http.StatusAccepted)
}

// Kill fails what the process had in hand.
func (l *Lambda) Kill(p *Process) (broken int, killed bool) {
	killed = p.Kill()
	l.lock.Lock()
	e := l.env
	l.lock.Unlock()
	e.lock.Lock()
	defer e.lock.Unlock()
	e.dead = true
	broken = len(e.inHand)
	for id, inv := range e.inHand {
		delete(e.inHand, id)
		inv.answer <- exited
		l.add(-1)
	}
	return broken, killed
}
