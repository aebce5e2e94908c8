package killtest

import (
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/testutil/lambdaapi"
)

// Lambda is a Lambda function with one process at a time: the Invoke API
// towards the queue, and the Runtime API towards the bootstrap.
type Lambda struct {
	flights
	function *lambdaapi.Function
	server   *httptest.Server

	lock sync.Mutex
	env  *lambdaapi.Environment // of the process
}

// NewLambda serves until the test ends.
func NewLambda(t testing.TB) *Lambda {
	l := new(Lambda)
	l.function = lambdaapi.New(lambdaapi.Options{Timeout: time.Minute, InHand: l.add})
	l.server = httptest.NewServer(l.function)
	t.Cleanup(l.server.Close)
	return l
}

// URL is the function's Invoke API.
func (l *Lambda) URL() string { return l.server.URL + lambdaapi.InvokePath }

// Start gives the process a Runtime API.
func (l *Lambda) Start(t testing.TB, env []string, path string) *Process {
	t.Helper()
	e := l.function.NewEnvironment()
	t.Cleanup(e.Close)
	l.lock.Lock()
	l.env = e
	l.lock.Unlock()
	p := Start(t, append(env, e.Env()...), nil, path)
	e.Attach(p.cmd.Process)
	return p
}

// Kill fails what the process had in hand.
func (l *Lambda) Kill(p *Process) (broken int, killed bool) {
	killed = p.Kill()
	l.lock.Lock()
	e := l.env
	l.lock.Unlock()
	return e.Ended("signal: killed"), killed
}
