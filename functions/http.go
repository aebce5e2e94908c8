package functions

import (
	"math"
	"net/http"
	"strconv"

	"github.com/crossfade-io/crossfade/store"
)

// HTTPStatus is the verdict for platforms that deliver by HTTP: 200, 400 to
// dead-letter, 429 or 503 to retry.
func (v Verdict) HTTPStatus() int {
	switch {
	case v.Outcome == Ack:
		return http.StatusOK
	case v.Outcome == DeadLetter:
		return http.StatusBadRequest
	case v.Kind == store.Throttled:
		return http.StatusTooManyRequests
	default:
		return http.StatusServiceUnavailable
	}
}

// Answer writes the verdict as the answer to an HTTP delivery: its status, when
// to come again, and a few words that hold nothing of the event.
func (v Verdict) Answer(w http.ResponseWriter) {
	status := v.HTTPStatus()
	if status == http.StatusOK {
		w.WriteHeader(status)
		return
	}
	if v.After > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(v.After.Seconds()))))
	}
	http.Error(w, v.Outcome.String()+": "+v.Reason, status)
}
