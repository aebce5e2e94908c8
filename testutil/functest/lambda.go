package functest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Lambda is the Runtime API that Lambda offers to a bootstrap: AWS Lambda
// developer guide, "Using the Lambda runtime API". One invocation at a time.
type Lambda struct {
	URL string

	next    chan []byte
	answers chan answer
}

type answer struct {
	body   []byte
	failed bool
}

// NewLambda serves the API until the test ends, each invocation with timeout.
func NewLambda(t testing.TB, timeout time.Duration) *Lambda {
	t.Helper()
	l := &Lambda{next: make(chan []byte), answers: make(chan answer, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	id := 0
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		select {
		case payload := <-l.next:
			id++
			w.Header().Set("Lambda-Runtime-Aws-Request-Id", fmt.Sprint("request-", id))
			w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(timeout).UnixMilli(), 10))
			w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:123456789012:function:crossfade")
			w.Write(payload) //nolint:errcheck // the answer will tell
		case <-r.Context().Done():
		case <-ctx.Done():
		}
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/{what}", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.PathValue("id") != fmt.Sprint("request-", id) {
			http.Error(w, "what is this?", http.StatusBadRequest)
			return
		}
		w.WriteHeader(http.StatusAccepted)
		l.answers <- answer{body, r.PathValue("what") == "error"}
	})
	server := httptest.NewServer(mux)
	l.URL = server.URL
	t.Cleanup(func() {
		cancel()
		server.Close()
	})
	return l
}

// Addr is what AWS_LAMBDA_RUNTIME_API holds.
func (l *Lambda) Addr() string { return strings.TrimPrefix(l.URL, "http://") }

// Invoke has the function handle payload and returns what it answered; failed
// says that it answered with an error.
func (l *Lambda) Invoke(ctx context.Context, t testing.TB, payload []byte) (body []byte, failed bool) {
	t.Helper()
	select {
	case l.next <- payload:
	case <-ctx.Done():
		t.Fatalf("the function does not ask for an invocation: %v", ctx.Err())
	}
	select {
	case a := <-l.answers:
		return a.body, a.failed
	case <-ctx.Done():
		t.Fatalf("the function does not answer: %v", ctx.Err())
		return nil, false
	}
}
