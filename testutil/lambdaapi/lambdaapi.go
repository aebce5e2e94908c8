// Package lambdaapi runs a function's bootstrap as AWS Lambda does: it serves
// the Runtime API to the process and the Invoke API to callers. It is written to
// the AWS Lambda developer guide: "Using the Lambda runtime API for custom
// runtimes", "Understanding the Lambda execution environment lifecycle" and
// "Lambda quotas".
//
// Deploy has it start and end the processes by itself. A test that starts them
// in a way of its own gives each an Environment.
package lambdaapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// MaxPayload is the most that an invocation takes and answers: 6 MB, and some
// for the envelope of the answer.
const (
	MaxPayload = 6 << 20
	maxAnswer  = 6291556
)

// Options configure a Function. The zero value will do.
type Options struct {
	Timeout     time.Duration // of an invocation: default one minute
	InitTimeout time.Duration // until a new process asks for its first: default 10 s
	Concurrency int           // processes at once, of those that Deploy starts: default 1

	// Freeze stops a process while it waits for an invocation.
	Freeze bool

	// InHand, if not nil, is called as processes take invocations (1) and are
	// done with them (-1).
	InHand func(delta int)
}

// Function is a function on Lambda. It is an http.Handler that serves the
// Invoke API.
type Function struct {
	opts    Options
	mux     *http.ServeMux
	waiting chan *invocation

	mu    sync.Mutex
	boot  *Bootstrap
	slots chan struct{} // one for each process that may be started
	live  map[*Environment]*process
	last  int // request id
	stats Stats
}

// Stats count what happened to the processes.
type Stats struct {
	Inits    []time.Duration // from the start of a process until it asked for work
	Timeouts int             // processes killed for an invocation past its deadline
	Freezes  int             // times that a process was stopped between invocations
	Exits    []string        // how processes ended by themselves
}

// Answer is what an invocation came to.
type Answer struct {
	RequestID string
	Payload   []byte

	// Failed says that the function failed; Payload then is a document with
	// errorType and errorMessage.
	Failed bool

	untaken bool // the process went before it had the invocation
}

// ErrorType is the errorType of a failure: the function's own, or Lambda's, such
// as Sandbox.Timedout, Runtime.ExitError or Function.ResponseSizeTooLarge.
func (a Answer) ErrorType() string {
	var doc failure
	if !a.Failed || json.Unmarshal(a.Payload, &doc) != nil {
		return ""
	}
	return doc.Type
}

type failure struct {
	Type    string `json:"errorType"`
	Message string `json:"errorMessage"`
}

func failed(id, kind, message string) Answer {
	b, err := json.Marshal(failure{kind, message})
	if err != nil {
		panic(err) // strings always marshal
	}
	return Answer{RequestID: id, Payload: b, Failed: true}
}

// New returns a function that has no process yet.
func New(opts Options) *Function {
	if opts.Timeout == 0 {
		opts.Timeout = time.Minute
	}
	if opts.InitTimeout == 0 {
		opts.InitTimeout = 10 * time.Second
	}
	if opts.Concurrency == 0 {
		opts.Concurrency = 1
	}
	f := &Function{
		opts: opts, mux: http.NewServeMux(), waiting: make(chan *invocation),
		slots: make(chan struct{}, opts.Concurrency), live: map[*Environment]*process{},
	}
	f.mux.HandleFunc("POST "+InvokePath, f.serveInvoke)
	return f
}

// InvokePath is the function's in the Invoke API.
const InvokePath = "/2015-03-31/functions/crossfade/invocations"

// ARN is the function's name as it is told to it.
const ARN = "arn:aws:lambda:us-east-1:000000000000:function:crossfade"

// ServeHTTP serves the Invoke API, for synchronous calls.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.mux.ServeHTTP(w, r) }

func (f *Function) serveInvoke(w http.ResponseWriter, r *http.Request) {
	payload, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxPayload))
	if err != nil {
		apiError(w, http.StatusRequestEntityTooLarge, "RequestTooLargeException", fmt.Sprintf("Request must be smaller than %d bytes for the InvokeFunction operation", MaxPayload))
		return
	}
	a, err := f.Invoke(r.Context(), payload)
	if err != nil {
		apiError(w, http.StatusInternalServerError, "ServiceException", err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Requestid", a.RequestID)
	if a.Failed {
		w.Header().Set("X-Amz-Function-Error", "Unhandled")
	}
	w.Write(a.Payload) //nolint:errcheck // the caller is gone
}

// apiError answers as both APIs do.
func apiError(w http.ResponseWriter, status int, kind, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(failure{kind, message}) //nolint:errcheck // the caller is gone
}

// Stats returns the counts so far.
func (f *Function) Stats() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.stats
	s.Inits, s.Exits = append([]time.Duration(nil), s.Inits...), append([]string(nil), s.Exits...)
	return s
}

func (f *Function) note(change func(*Stats)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.stats)
}

func (f *Function) inHand(delta int) {
	if f.opts.InHand != nil {
		f.opts.InHand(delta)
	}
}

// invocation is one call on its way through a process.
type invocation struct {
	id      string
	payload []byte
	answer  chan Answer // for one
}

func (f *Function) newInvocation(payload []byte) *invocation {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	return &invocation{id: fmt.Sprintf("00000000-0000-4000-8000-%012d", f.last), payload: payload, answer: make(chan Answer, 1)}
}

// Invoke has a process handle payload: one that waits for work, else, after
// Deploy, a new one if there may be more. The error is that of ctx.
func (f *Function) Invoke(ctx context.Context, payload []byte) (Answer, error) {
	inv := f.newInvocation(payload)
	if len(payload) > MaxPayload {
		return failed(inv.id, "RequestTooLargeException", fmt.Sprintf("Request must be smaller than %d bytes for the InvokeFunction operation", MaxPayload)), nil
	}
	for {
		if err := f.hand(ctx, inv); err != nil {
			return Answer{}, err
		}
		select {
		case a := <-inv.answer:
			if !a.untaken {
				return a, nil
			}
		case <-ctx.Done():
			return Answer{}, fmt.Errorf("no answer to invocation %s: %w", inv.id, ctx.Err())
		}
	}
}

// hand gives the invocation to a process.
func (f *Function) hand(ctx context.Context, inv *invocation) error {
	select {
	case f.waiting <- inv:
		return nil
	default:
	}
	select {
	case f.waiting <- inv:
		return nil
	case f.starts() <- struct{}{}:
		return f.start(ctx, inv)
	case <-ctx.Done():
		return fmt.Errorf("no process for invocation %s: %w", inv.id, ctx.Err())
	}
}

// starts is where a process that may be started takes its place; nil, where
// nothing can, without Deploy.
func (f *Function) starts() chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.boot == nil {
		return nil
	}
	return f.slots
}
