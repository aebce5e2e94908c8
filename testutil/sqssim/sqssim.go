// Package sqssim is a queue service in this process that speaks the JSON
// protocol of SQS: Amazon SQS API reference, and developer guide, "Making query
// API requests using AWS JSON protocol". It has what crossfade asks of SQS:
// visibility, receive counts, long polling and redrive policies.
package sqssim

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Account is the account of every queue.
const Account = "000000000000"

// Message is one in a queue.
type Message struct {
	ID         string
	Body       string
	Attributes map[string]string // those of strings
	Receives   int
	VisibleAt  time.Time
	Sent       time.Time

	receipt string
}

// Server holds queues. It is an http.Handler, and may be used concurrently.
type Server struct {
	mu      sync.Mutex
	queues  map[string]*queue
	next    int
	calls   map[string]int
	fail    func(op string) *Fault
	changed chan struct{} // closed and replaced at every change
}

type queue struct {
	messages    []*Message // in the order of their first sending
	visibility  time.Duration
	maxReceives int
	dead        string
}

// Fault is an answer in place of the right one.
type Fault struct {
	Status int
	Code   string // such as AccessDenied
	Lost   bool   // the operation is carried out, and only its answer is lost
}

// New returns a server without queues.
func New() *Server {
	return &Server{queues: map[string]*queue{}, calls: map[string]int{}, changed: make(chan struct{})}
}

// Create makes a queue whose messages become dead letters of another after so
// many receives; 0 means never.
func (s *Server) Create(name string, maxReceives int, dead string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queues[name] = &queue{visibility: 30 * time.Second, maxReceives: maxReceives, dead: dead}
}

// Send puts a message into a queue, and returns its ID.
func (s *Server) Send(name, body string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.send(s.queues[name], body, nil, 0)
}

func (s *Server) send(q *queue, body string, attributes map[string]string, delay time.Duration) string {
	s.next++
	now := time.Now()
	m := &Message{ID: fmt.Sprintf("%08x-0000-4000-8000-000000000000", s.next), Body: body, Attributes: attributes, Sent: now, VisibleAt: now.Add(delay)}
	q.messages = append(q.messages, m)
	s.broadcast()
	return m.ID
}

// Messages returns what is in a queue, hidden or not.
func (s *Server) Messages(name string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Message
	for _, m := range s.queues[name].messages {
		all = append(all, *m)
	}
	return all
}

// Wait returns when a queue is empty.
func (s *Server) Wait(ctx context.Context, name string) error {
	for {
		s.mu.Lock()
		n, changed := len(s.queues[name].messages), s.changed
		s.mu.Unlock()
		if n == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

// Expire makes every message of a queue visible, as if the time were over for
// which it was hidden.
func (s *Server) Expire(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.queues[name].messages {
		m.VisibleAt = time.Now()
	}
	s.broadcast()
}

// Calls is how often an operation was asked for.
func (s *Server) Calls(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[op]
}

// Fail lets operations fail for which f returns a fault; nil ends that.
func (s *Server) Fail(f func(op string) *Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = f
}

func (s *Server) broadcast() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// fault is an error of an operation.
type fault struct {
	status int
	code   string
}

func (f *fault) Error() string { return f.code }

// ServeHTTP answers one operation.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	op, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "AmazonSQS.")
	body, err := io.ReadAll(io.LimitReader(r.Body, 4<<20))
	var in request
	if err == nil {
		err = json.Unmarshal(body, &in)
	}
	if !ok || err != nil {
		answer(w, nil, &fault{http.StatusBadRequest, "InvalidAction"})
		return
	}
	s.mu.Lock()
	s.calls[op]++
	fail := s.fail
	s.mu.Unlock()
	if fail != nil {
		if f := fail(op); f != nil {
			if f.Lost {
				_, _ = s.do(r.Context(), op, in) // its answer is what is lost
			}
			answer(w, nil, &fault{f.Status, f.Code})
			return
		}
	}
	out, err := s.do(r.Context(), op, in)
	if r.Context().Err() == nil {
		answer(w, out, err)
	}
}

func answer(w http.ResponseWriter, out any, err error) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	if f, ok := err.(*fault); ok { //nolint:errorlint // do returns no other
		w.WriteHeader(f.status)
		out = map[string]string{"__type": "com.amazonaws.sqs#" + f.code, "message": f.code}
	}
	_ = json.NewEncoder(w).Encode(out) // a client that is gone needs none
}

func (s *Server) do(ctx context.Context, op string, in request) (any, error) {
	name := in.QueueUrl[strings.LastIndexByte(in.QueueUrl, '/')+1:]
	if op == "ReceiveMessage" {
		return s.receive(ctx, name, in)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q := s.queues[name]
	if q == nil {
		return nil, &fault{http.StatusBadRequest, "QueueDoesNotExist"}
	}
	switch op {
	case "SendMessage":
		if len(in.MessageAttributes) > 10 {
			return nil, &fault{http.StatusBadRequest, "InvalidParameterValue"}
		}
		id := s.send(q, in.MessageBody, in.strings(), time.Duration(in.DelaySeconds)*time.Second)
		return map[string]string{"MessageId": id}, nil
	case "DeleteMessage":
		s.delete(q, in.ReceiptHandle)
		return struct{}{}, nil
	case "DeleteMessageBatch":
		done := []map[string]string{}
		for _, e := range in.Entries {
			s.delete(q, e.ReceiptHandle)
			done = append(done, map[string]string{"Id": e.Id})
		}
		return map[string]any{"Successful": done, "Failed": []any{}}, nil
	case "ChangeMessageVisibility":
		m := q.held(in.ReceiptHandle)
		if m == nil || !m.VisibleAt.After(time.Now()) {
			return nil, &fault{http.StatusBadRequest, "MessageNotInflight"}
		}
		m.VisibleAt = time.Now().Add(time.Duration(*in.VisibilityTimeout) * time.Second)
		s.broadcast()
		return struct{}{}, nil
	case "GetQueueAttributes":
		return map[string]any{"Attributes": q.counts()}, nil
	default:
		return nil, &fault{http.StatusBadRequest, "InvalidAction"}
	}
}

func (q *queue) held(receipt string) *Message {
	for _, m := range q.messages {
		if m.receipt != "" && m.receipt == receipt {
			return m
		}
	}
	return nil
}

func (s *Server) delete(q *queue, receipt string) {
	q.messages = slices.DeleteFunc(q.messages, func(m *Message) bool { return m.receipt != "" && m.receipt == receipt })
	s.broadcast()
}

func (q *queue) counts() map[string]string {
	visible, hidden := 0, 0
	for _, m := range q.messages {
		if m.VisibleAt.After(time.Now()) {
			hidden++
		} else {
			visible++
		}
	}
	return map[string]string{
		"ApproximateNumberOfMessages": strconv.Itoa(visible), "ApproximateNumberOfMessagesNotVisible": strconv.Itoa(hidden), "ApproximateNumberOfMessagesDelayed": "0",
	}
}
