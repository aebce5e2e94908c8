// Package gcs is the function on Cloud Run functions: CloudEvents of Cloud
// Storage by Eventarc, to serve with the Functions Framework.
//
// Eventarc delivers through Pub/Sub, to which every answer but a 2xx is alike:
// it delivers again, with growing delay, until the message's retention ends or,
// where the trigger's subscription has a dead-letter topic, after its
// max-delivery-attempts. So events that no retry can help need that topic;
// their status is 400, to tell them from 429 and 503 in the request log.
package gcs

import (
	"errors"
	"fmt"
	"net/http"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"github.com/crossfade-io/crossfade/functions"
)

// maxBody is what a Pub/Sub message holds at most.
const maxBody = 10 << 20

// Handler answers deliveries of CloudEvents. Register its ServeHTTP with the
// framework as an HTTP function. As a CloudEvent function it would be served by
// the SDK's receiver, which hands requests to each other's goroutines and, with
// several at once, leaves some without an answer (cloudevents/sdk-go#1224).
type Handler struct {
	proc *functions.Processor
}

// New returns the handler that hands events to proc.
func New(proc *functions.Processor) *Handler { return &Handler{proc: proc} }

// ServeHTTP handles one delivery, in the binary or the structured content mode.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "events come by POST", http.StatusMethodNotAllowed)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	h.proc.Process(r.Context(), []functions.Event{read(r)})[0].Answer(w)
}

// read returns the event of a request.
func read(r *http.Request) functions.Event {
	ce, err := cloudevents.NewEventFromHTTPRequest(r)
	switch {
	case err == nil && ce == nil:
		err = errors.New("nothing in it")
	case err == nil:
		err = ce.Validate()
	}
	if err != nil {
		return functions.Event{Source: service, Malformed: fmt.Errorf("not a CloudEvent: %w", err)}
	}
	return Decode(*ce)
}
