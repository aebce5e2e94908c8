// Package eventgrid is the function on Azure, and the decoder of what tells of
// a changed blob. It runs as a custom handler of the Functions host, or, for the
// webhook, anywhere else that HTTPS reaches. On any path it takes all of these,
// told apart by their form:
//
//   - Event Grid deliveries to a webhook, in the Event Grid or the CloudEvents
//     schema, with the handshake of either. As an HTTP trigger of the Functions
//     host they need enableForwardingHttpRequest;
//   - invocations by a storage queue trigger, of a queue that an Event Grid
//     subscription delivers to;
//   - invocations by an Event Grid trigger, whose handshake is the host's.
//
// Event Grid takes one answer for a whole delivery: 200 when every event is
// done, 429 or 503 when any is to come again (30 attempts in 24 hours), and 400
// when those that are not done never can be: then it dead-letters them at once,
// if the subscription has a dead-letter destination. It waits 30 seconds for an
// answer, so that objects which take longer to copy need the queue.
//
// The host takes any other answer than 2xx to an invocation for a failure. Of a
// queue trigger it then shows the message again after the visibilityTimeout that
// host.json has under extensions.queues, 0 unless set; and after maxDequeueCount
// deliveries, 5 unless set, it moves it to the queue of the same name with
// "-poison" appended. That is the dead-letter queue: a message that no retry can
// help is answered as a failure too, and gets there with the others. Set the
// time-out to a minute or more, so that a target which is throttled for a while
// does not send its messages there.
package eventgrid

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/crossfade-io/crossfade/functions"
)

// maxBody is above the 1 MiB that Event Grid delivers at most, and what the
// host makes of the 64 KiB of a queue's message.
const maxBody = 2 << 20

// webhookTimeout is how long Event Grid waits for an answer.
const webhookTimeout = 30 * time.Second

// Handler answers deliveries and invocations.
type Handler struct {
	proc *functions.Processor
	log  *slog.Logger
}

// New returns the handler that hands events to proc. log gets what is not an
// event: handshakes, and deliveries that cannot be read.
func New(proc *functions.Processor, log *slog.Logger) *Handler {
	return &Handler{proc: proc, log: log}
}

// ServeHTTP handles one delivery, invocation or handshake.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodOptions:
		h.options(w, r)
		return
	case http.MethodPost:
	default:
		w.Header().Set("Allow", "OPTIONS, POST")
		http.Error(w, "events come by POST", http.StatusMethodNotAllowed)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		status := http.StatusServiceUnavailable // cut short: let it come again
		if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
			status = http.StatusRequestEntityTooLarge
		}
		h.refuse(w, r, status, "the delivery cannot be read", err)
		return
	}
	if r.Header.Get("Aeg-Event-Type") == "SubscriptionValidation" {
		h.validate(w, r, body)
		return
	}
	if v, ok := parseInvocation(body); ok {
		h.invoke(w, r, v)
		return
	}
	events, err := Decode(body)
	if err != nil {
		h.refuse(w, r, http.StatusBadRequest, "the delivery cannot be read", err)
		return
	}
	if n, err := strconv.Atoi(r.Header.Get("Aeg-Delivery-Count")); err == nil {
		for i := range events {
			events[i].Deliveries = n + 1 // the header counts from 0
		}
	}
	ctx, cancel := context.WithTimeout(r.Context(), webhookTimeout)
	defer cancel()
	functions.Worst(h.proc.Process(ctx, events)...).Answer(w)
}

// invoke answers an invocation by a trigger of the Functions host.
func (h *Handler) invoke(w http.ResponseWriter, r *http.Request, v *invocation) {
	verdict := functions.Worst(h.proc.Process(r.Context(), v.events())...)
	if verdict.Outcome != functions.Ack {
		verdict.Answer(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, invocationDone) // a write that fails is the peer's loss
}

// validate answers the handshake of the Event Grid schema with the code that
// the event carries. Anyone may ask; the answer tells nothing.
func (h *Handler) validate(w http.ResponseWriter, r *http.Request, body []byte) {
	var events []struct {
		EventType string `json:"eventType"`
		Topic     string `json:"topic"`
		Data      struct {
			ValidationCode string `json:"validationCode"`
		} `json:"data"`
	}
	err := json.Unmarshal(body, &events)
	if err == nil && (len(events) != 1 || events[0].EventType != validationType || events[0].Data.ValidationCode == "") {
		err = errors.New("it is not one " + validationType + " with a validationCode")
	}
	if err != nil {
		h.refuse(w, r, http.StatusBadRequest, "the handshake cannot be read", err)
		return
	}
	h.log.LogAttrs(r.Context(), slog.LevelInfo, "Event Grid subscription validated", slog.String("topic", functions.LogText(events[0].Topic)))
	w.Header().Set("Content-Type", "application/json")
	// A map of strings always encodes; a write that fails is the peer's loss.
	_ = json.NewEncoder(w).Encode(map[string]string{"validationResponse": events[0].Data.ValidationCode})
}

// options answers the handshake of CloudEvents webhooks: HTTP 1.1 Web Hooks for
// Event Delivery, "Validation request".
func (h *Handler) options(w http.ResponseWriter, r *http.Request) {
	origin := strings.TrimSpace(r.Header.Get("WebHook-Request-Origin"))
	if origin == "" {
		h.refuse(w, r, http.StatusBadRequest, "the handshake cannot be read", errors.New("it has no WebHook-Request-Origin"))
		return
	}
	w.Header().Set("Allow", "OPTIONS, POST")
	w.Header().Set("WebHook-Allowed-Origin", origin)
	w.WriteHeader(http.StatusOK)
	h.log.LogAttrs(r.Context(), slog.LevelInfo, "CloudEvents webhook validated", slog.String("origin", functions.LogText(origin)))
}

func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, status int, what string, err error) {
	h.log.LogAttrs(r.Context(), slog.LevelError, what, slog.Int("status", status), slog.String("error", functions.LogText(err.Error())))
	http.Error(w, what, status)
}
