// Package gcs is the function on Cloud Run functions, to serve with the
// Functions Framework, and the decoder of what tells of a changed object in
// Cloud Storage. One endpoint takes all of these, told apart by their form:
//
//   - CloudEvents of Cloud Storage by Eventarc, in the binary, the structured
//     or the batched content mode;
//   - CloudEvents of Pub/Sub by Eventarc, of the type
//     google.cloud.pubsub.topic.v1.messagePublished, whose message is a bucket's
//     notification;
//   - such a notification by a push subscription to the bucket's topic, with
//     the payload format JSON_API_V1 or NONE; by one with payload unwrapping
//     where it writes metadata and the format is JSON_API_V1.
//
// DecodeMessage reads a notification that was pulled.
//
// An Eventarc trigger and a push subscription deliver through Pub/Sub, to which
// every answer but a 2xx is alike: it delivers again, with growing delay, until
// the message's retention ends or, where the subscription has a dead-letter
// topic, after its max-delivery-attempts. So events that no retry can help need
// that topic; their status is 400, to tell them from 429 and 503 in the request
// log.
//
// Who may call is for Cloud Run to say: it checks the OpenID Connect token of a
// delivery against the service's invokers before the request gets here. The
// service must not allow unauthenticated calls. What an event can do is bounded
// all the same: it only names a key of the configured bucket to look at.
package gcs

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"github.com/crossfade-io/crossfade/functions"
)

// maxBody is what a Pub/Sub message holds at most.
const maxBody = 10 << 20

// Handler answers deliveries. Register its ServeHTTP with the
// framework as an HTTP function. As a CloudEvent function it would be served by
// the SDK's receiver, which hands requests to each other's goroutines and, with
// several at once, leaves some without an answer (cloudevents/sdk-go#1224).
type Handler struct {
	proc *functions.Processor
}

// New returns the handler that hands events to proc.
func New(proc *functions.Processor) *Handler { return &Handler{proc: proc} }

// ServeHTTP handles one delivery, answered as a whole.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "events come by POST", http.StatusMethodNotAllowed)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	functions.Worst(h.proc.Process(r.Context(), read(r))...).Answer(w)
}

// read returns the events of a request, at least one.
func read(r *http.Request) []functions.Event {
	mediaType := r.Header.Get("Content-Type")
	switch {
	case strings.HasPrefix(mediaType, batchType):
		return readBatch(r)
	case strings.HasPrefix(mediaType, "application/cloudevents") || binaryMode(r.Header):
		ce, err := cloudevents.NewEventFromHTTPRequest(r)
		if err == nil && ce == nil {
			err = errors.New("nothing in it")
		}
		if err != nil {
			return []functions.Event{refused(fmt.Errorf("not a CloudEvent: %w", err))}
		}
		return []functions.Event{validated(*ce)}
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return []functions.Event{refused(fmt.Errorf("the request cannot be read: %w", err))}
	}
	if r.Header.Get(headerMessageID) != "" {
		return []functions.Event{decodeUnwrapped(r.Header, body)}
	}
	return []functions.Event{decodePush(body)}
}

// batchType is the media type of several CloudEvents in one request.
const batchType = "application/cloudevents-batch+json"

func readBatch(r *http.Request) []functions.Event {
	batch, err := cloudevents.NewEventsFromHTTPRequest(r)
	if err == nil && len(batch) == 0 {
		err = errors.New("nothing in it")
	}
	if err != nil {
		return []functions.Event{refused(fmt.Errorf("not a batch of CloudEvents: %w", err))}
	}
	events := make([]functions.Event, len(batch))
	for i, ce := range batch {
		events[i] = validated(ce)
	}
	return events
}

// binaryMode reports whether headers hold any attribute of a CloudEvent. A
// single one makes it one, if a bad one: the body is then no push request.
func binaryMode(h http.Header) bool {
	for name := range h {
		if strings.HasPrefix(name, "Ce-") {
			return true
		}
	}
	return false
}

func validated(ce cloudevents.Event) functions.Event {
	if err := ce.Validate(); err != nil {
		return refused(fmt.Errorf("not a CloudEvent: %w", err))
	}
	return Decode(ce)
}

func refused(err error) functions.Event {
	return functions.Event{Source: service, Malformed: err}
}
