// Package emf writes metrics into the log of a Lambda function, as documents
// that CloudWatch makes metrics of: "Specification: Embedded metric format" in
// the CloudWatch user guide. That costs no request, and nothing is lost when the
// process is frozen after the answer.
package emf

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/replicate"
)

// Namespace is that of all metrics.
const Namespace = "crossfade"

// Limits of the specification.
const (
	maxValues    = 100  // of a metric in one document
	maxDimension = 1024 // bytes of a dimension's value
)

// Options of an Observer.
type Options struct {
	Out io.Writer        // of the log; each document is one Write
	Now func() time.Time // the clock

	// Source and Target are the dimensions of all metrics. What is not printable
	// ASCII in them is written as in URLs, for CloudWatch accepts no more.
	Source, Target string

	Migration string // its name beside the metrics, "" for none

	Stores func() []functions.StoreStats // counts of the stores, nil for none
}

// Observer writes one document an invocation, or several where there are more
// values than one holds. It is a functions.Observer.
type Observer struct {
	opts Options

	mu   sync.Mutex
	last functions.StoreStats // sums that were written
}

var _ functions.Observer = (*Observer)(nil)

// New returns an Observer.
func New(opts Options) *Observer {
	opts.Source, opts.Target = dimension(opts.Source), dimension(opts.Target)
	return &Observer{opts: opts}
}

// dimension is s as the value of a dimension.
func dimension(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	s = b.String()
	return s[:min(len(s), maxDimension)]
}

// metrics are those of one invocation.
type metrics struct {
	mu     sync.Mutex
	counts map[string]int64
	values map[string][]float64 // seconds
}

func (m *metrics) add(name string, n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts[name] += n
}

func (m *metrics) record(name string, took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.values[name] = append(m.values[name], took.Seconds())
}

type contextKey struct{}

// Invocation begins the metrics of an invocation; end writes them.
func (o *Observer) Invocation(ctx context.Context, events int) (context.Context, func()) {
	m := &metrics{counts: map[string]int64{"Events": int64(events)}, values: map[string][]float64{}}
	return context.WithValue(ctx, contextKey{}, m), func() {
		if events > 0 {
			o.write(m)
		}
	}
}

// Sync measures a Sync.
func (o *Observer) Sync(ctx context.Context) (context.Context, func(functions.Synced)) {
	return ctx, func(s functions.Synced) {
		m, ok := ctx.Value(contextKey{}).(*metrics)
		if !ok {
			return
		}
		m.record("SyncDuration", s.Took)
		m.add(outcome(s), 1)
		m.add("BytesCopied", s.Bytes)
		m.add("SyncRetries", int64(max(s.Attempts-1, 0)))
	}
}

// outcome is the metric that counts what came of a Sync.
func outcome(s functions.Synced) string {
	if s.Verdict.Outcome != functions.Ack {
		return "ObjectsFailed"
	}
	switch s.Action {
	case replicate.Copy:
		return "ObjectsCopied"
	case replicate.UpdateMetadata:
		return "ObjectsUpdated"
	case replicate.Delete:
		return "ObjectsDeleted"
	case replicate.Conflict:
		return "Conflicts"
	default:
		return "ObjectsSkipped"
	}
}

// Event counts an event.
func (o *Observer) Event(ctx context.Context, e functions.Observed) {
	m, ok := ctx.Value(contextKey{}).(*metrics)
	if !ok {
		return
	}
	switch e.Verdict.Outcome {
	case functions.Retry:
		m.add("EventsRetried", 1)
	case functions.DeadLetter:
		m.add("EventsDeadLettered", 1)
	}
	if e.Timed {
		m.record("Lag", e.Lag)
	}
}

// units are those of all metrics, by their names.
func units() []definition {
	return []definition{
		{"Lag", "Seconds"},
		{"SyncDuration", "Seconds"},
		{"Events", "Count"},
		{"EventsRetried", "Count"},
		{"EventsDeadLettered", "Count"},
		{"ObjectsCopied", "Count"},
		{"ObjectsUpdated", "Count"},
		{"ObjectsDeleted", "Count"},
		{"ObjectsSkipped", "Count"},
		{"Conflicts", "Count"},
		{"ObjectsFailed", "Count"},
		{"BytesCopied", "Bytes"},
		{"SyncRetries", "Count"},
		{"StoreRetries", "Count"},
		{"StoreRetriesDenied", "Count"},
		{"StoreThrottled", "Count"},
	}
}

// write writes the documents of an invocation.
func (o *Observer) write(m *metrics) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o.stores(m)
	at := o.opts.Now().UnixMilli()
	for first := true; ; first = false {
		d := o.document(m, first)
		if len(d.metrics) == 0 {
			return
		}
		line, err := json.Marshal(d.root(at))
		if err != nil {
			return // of texts and numbers: it cannot fail
		}
		// A log that cannot be written to has nobody to be told.
		_, _ = o.opts.Out.Write(append(line, '\n'))
	}
}

// stores adds what the counts of the stores grew by.
func (o *Observer) stores(m *metrics) {
	if o.opts.Stores == nil {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	var sum functions.StoreStats
	for _, s := range o.opts.Stores() {
		sum.Retries += s.Retries
		sum.RetriesDenied += s.RetriesDenied
		sum.Throttled += s.Throttled
	}
	m.counts["StoreRetries"] = sum.Retries - o.last.Retries
	m.counts["StoreRetriesDenied"] = sum.RetriesDenied - o.last.RetriesDenied
	m.counts["StoreThrottled"] = sum.Throttled - o.last.Throttled
	o.last = sum
}

// definition of a metric, as the specification names its members.
type definition struct {
	Name string
	Unit string
}

type directive struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []definition
}

// document is one to write.
type document struct {
	metrics []definition
	members map[string]any
}

// document takes what the next document holds from m: counts in the first, and
// of each list as many values as one may have. A count of 0 is left out, but for
// that of events.
func (o *Observer) document(m *metrics, first bool) document {
	d := document{members: map[string]any{"source": o.opts.Source, "target": o.opts.Target}}
	if o.opts.Migration != "" {
		d.members["migration"] = o.opts.Migration
	}
	for _, u := range units() {
		if values := m.values[u.Name]; len(values) > 0 {
			n := min(len(values), maxValues)
			d.members[u.Name], m.values[u.Name] = values[:n], values[n:]
		} else if count := m.counts[u.Name]; first && count != 0 {
			d.members[u.Name] = count
		} else {
			continue
		}
		d.metrics = append(d.metrics, u)
	}
	return d
}

// root is the document whole.
func (d document) root(at int64) map[string]any {
	d.members["_aws"] = struct {
		Timestamp         int64
		CloudWatchMetrics []directive
	}{at, []directive{{Namespace, [][]string{{"source", "target"}}, d.metrics}}}
	return d.members
}
