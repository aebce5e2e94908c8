// Package azhost is as much of the Azure Functions host as a custom handler
// sees: Azure Functions documentation, "Azure Functions custom handlers", "Azure
// Queue storage trigger" and "Azure Event Grid trigger". It starts the program,
// invokes it for the messages of a storage queue and for Event Grid events, and
// passes HTTP requests on.
package azhost

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/functest"
	"github.com/crossfade-io/crossfade/testutil/loopback"
)

// Options are what host.json and the functions' function.json say. Zero values
// are the host's defaults.
type Options struct {
	Form Form // how a queue's message stands in the request

	BatchSize         int           // extensions.queues.batchSize, invocations at once: default 16
	MaxDequeueCount   int           // extensions.queues.maxDequeueCount: default 5
	VisibilityTimeout time.Duration // extensions.queues.visibilityTimeout
	FunctionTimeout   time.Duration // functionTimeout: default 5 min

	ForwardHTTP bool // customHandler.enableForwardingHttpRequest
}

// The functions' names, which are their paths, and the names of their triggers.
const (
	queueFunction   = "queue"
	queueBinding    = "queueItem"
	eventFunction   = "events"
	eventBinding    = "event"
	webhookFunction = "webhook"
)

// Host is a running host. Its methods may be called concurrently.
type Host struct {
	// Process is the custom handler that Start started; nil after New.
	Process *functest.Process

	opts   Options
	url    string // of the custom handler
	client *http.Client
	queue  *cloudsim.Queue

	mu       sync.Mutex
	sent     int
	failures []error
}

// New returns a host of the custom handler that listens at url.
func New(url string, opts Options) *Host {
	if opts.BatchSize == 0 {
		opts.BatchSize = 16
	}
	if opts.MaxDequeueCount == 0 {
		opts.MaxDequeueCount = 5
	}
	if opts.FunctionTimeout == 0 {
		opts.FunctionTimeout = 5 * time.Minute
	}
	return &Host{
		opts: opts, url: url, client: loopback.Client(),
		queue: cloudsim.NewQueue(cloudsim.QueueOptions{Visibility: 10 * time.Minute, MaxReceives: opts.MaxDequeueCount}),
	}
}

// Start starts the command of the test's binary (see functest.Main) as a custom
// handler, in the environment that the host gives it and env, and waits until
// it listens. It ends with the test.
func Start(ctx context.Context, t testing.TB, env []string, opts Options) *Host {
	t.Helper()
	port := functest.FreePort(t)
	p := functest.Start(t, append(slices.Clone(env), "FUNCTIONS_CUSTOMHANDLER_PORT="+port, "FUNCTIONS_WORKER_RUNTIME=Custom"))
	addr := "127.0.0.1:" + port
	if err := p.Listening(ctx, addr); err != nil {
		t.Fatal(err)
	}
	h := New("http://"+addr, opts)
	h.Process = p
	return h
}

// Send puts a message into the queue, as Event Grid does.
func (h *Host) Send(body []byte) {
	h.mu.Lock()
	h.sent++
	id := fmt.Sprintf("800ae4b3-bdd2-4c08-badd-%012d", h.sent)
	h.mu.Unlock()
	h.queue.Send(cloudsim.Message{ID: id, Document: cloudsim.Document{Body: body}, Committed: time.Now()}, 0)
}

// Drain invokes the function until the queue is empty: every message is done,
// or in the poison queue.
func (h *Host) Drain(ctx context.Context) error {
	working, stop := context.WithCancel(ctx)
	var workers sync.WaitGroup
	for range h.opts.BatchSize {
		workers.Go(func() { h.work(working) })
	}
	err := h.queue.Wait(ctx)
	stop()
	workers.Wait()
	return err
}

func (h *Host) work(ctx context.Context) {
	for {
		batch, err := h.queue.Receive(ctx, 1)
		if err != nil {
			return
		}
		for _, m := range batch {
			if err := h.invokeQueue(ctx, m); err != nil {
				h.fail(err)
				h.queue.Nack(m, h.opts.VisibilityTimeout)
			} else {
				h.queue.Ack(m)
			}
		}
	}
}

func (h *Host) fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failures = append(h.failures, err)
}

// Failures are the invocations for queue messages that failed.
func (h *Host) Failures() []error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.failures)
}

// Poison returns the messages of the poison queue.
func (h *Host) Poison() [][]byte {
	var bodies [][]byte
	for _, m := range h.queue.DeadLetters() {
		bodies = append(bodies, m.Body)
	}
	return bodies
}

// Event invokes the function of the Event Grid trigger for one event, in either
// schema. On an error Event Grid would come again.
func (h *Host) Event(ctx context.Context, event []byte) error {
	_, err := h.invoke(ctx, eventFunction, request{
		Data:     map[string]any{eventBinding: json.RawMessage(event)},
		Metadata: map[string]any{"sys": system(eventFunction)},
	})
	return err
}

// request and response are the payloads of the protocol.
type request struct {
	Data     map[string]any
	Metadata map[string]any
}

type response struct {
	Outputs     map[string]json.RawMessage
	Logs        []string
	ReturnValue json.RawMessage
}

// invoke calls a function. Any answer but a 2xx, and one that is not understood,
// is its failure.
func (h *Host) invoke(ctx context.Context, function string, r request) (*response, error) {
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, h.opts.FunctionTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url+"/"+function, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Azure-Functions-Invocationid", "24ad4c06-24ad-4e5b-8294-3da9714877e9")
	res, err := h.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if res.StatusCode/100 != 2 {
		return nil, fmt.Errorf("function %s failed: status %d: %.200q", function, res.StatusCode, answer)
	}
	var parsed response
	if err := json.Unmarshal(answer, &parsed); err != nil || parsed.Outputs == nil {
		return nil, fmt.Errorf("function %s answered what is no invocation response: %.200q", function, answer)
	}
	return &parsed, nil
}

// system is the metadata that every invocation has.
func system(function string) map[string]string {
	return map[string]string{
		"MethodName": function, "UtcNow": time.Now().UTC().Format(time.RFC3339Nano), "RandGuid": "24ad4c06-24ad-4e5b-8294-3da9714877e9",
	}
}
