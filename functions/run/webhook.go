package run

import (
	"errors"
	"io"
	"log/slog"
	"net/http"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/pull"
	"github.com/crossfade-io/crossfade/functions/s3"
)

// maxBody is far above what a notification has.
const maxBody = 2 << 20

// S3 takes S3 notifications by HTTP, as MinIO sends them.
//
// MinIO sends one after the other, and the same until it is taken, if it keeps a
// queue. So an event that no retry can help is taken, and its log line is what
// remains of it: refused, it would hold up all that come after it.
func S3(proc pull.Processor, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method {
		case http.MethodPost:
		case http.MethodHead, http.MethodGet: // MinIO asks whether anyone listens
			w.WriteHeader(http.StatusOK)
			return
		default:
			w.Header().Set("Allow", "GET, HEAD, POST")
			http.Error(w, "events come by POST", http.StatusMethodNotAllowed)
			return
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			status := http.StatusServiceUnavailable // cut short: let it come again
			if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
				status = http.StatusRequestEntityTooLarge
			}
			log.LogAttrs(r.Context(), slog.LevelError, "the notification cannot be read", slog.Int("status", status), slog.String("error", functions.LogText(err.Error())))
			http.Error(w, "the notification cannot be read", status)
			return
		}
		v := functions.Worst(proc.Process(r.Context(), s3.Decode(body))...)
		if v.Outcome == functions.DeadLetter {
			w.WriteHeader(http.StatusAccepted)
			return
		}
		v.Answer(w)
	})
}
