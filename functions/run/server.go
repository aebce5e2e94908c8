package run

import (
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

const (
	headerWithin = 10 * time.Second // that a request's header may take
	bodyWithin   = 30 * time.Second // and all of it
	idleWithin   = 2 * time.Minute  // that a connection may wait for the next
	maxHeader    = 64 << 10
)

// newServer serves webhooks, health and metrics.
func newServer(opts Options, g *gate) *http.Server {
	mux := http.NewServeMux()
	for _, h := range opts.Webhooks {
		mux.Handle("/events/"+h.Name, guarded(h, g))
	}
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "alive")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if why := opts.notReady(g); why != "" {
			http.Error(w, why, http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	if opts.Metrics != nil {
		mux.Handle("GET /metrics", opts.Metrics)
	}
	return &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: headerWithin, ReadTimeout: bodyWithin, IdleTimeout: idleWithin,
		WriteTimeout:   opts.Timeout + bodyWithin,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(opts.Log.Handler(), slog.LevelDebug), // of what clients do wrong
	}
}

// notReady says why no events can be taken, "" if they can. It tells nothing
// that a source or a store said, for anyone may ask.
func (o Options) notReady(g *gate) string {
	if g.stop.Err() != nil {
		return "stopping"
	}
	for i, p := range o.Pulls {
		if s, ok := p.Source.(interface{ Err() error }); ok && s.Err() != nil {
			return fmt.Sprintf("source %d of %d cannot be asked for events: the log says why", i+1, len(o.Pulls))
		}
	}
	return ""
}

// guarded lets requests with the token in, as far as there is room.
func guarded(h Webhook, g *gate) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !allowed(r, h.Token) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "the token of this webhook is missing or wrong", http.StatusUnauthorized)
			return
		}
		ctx, leave, ok := g.enter(r.Context(), 1)
		if !ok {
			w.Header().Set("Connection", "close")
			stopping().Answer(w)
			return
		}
		defer leave()
		h.Handler.ServeHTTP(w, r.WithContext(ctx))
	})
}

// allowed reports whether a request carries the token: as a bearer's or, for
// services that cannot send that, as the parameter token of its URL. How long it
// takes tells nothing of the token.
func allowed(r *http.Request, token string) bool {
	if token == "" {
		return true
	}
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	bearer := strings.EqualFold(scheme, "Bearer") && same(strings.TrimSpace(given), token)
	return bearer || same(r.URL.Query().Get("token"), token)
}

func same(given, token string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
