package token

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/crossfade-io/crossfade/store"
)

// Error is a failure to get credentials by an identity. Its text is one line and
// says whose identity it was, who refused it and what to check; what it repeats of
// an answer has gone through Scrub.
type Error struct {
	Identity string // such as "the Google service account of this process"
	Service  string // who was asked, such as "AWS STS, for the role arn:…"
	Answer   string // what it said
	Check    string // what to check; "" for nothing in particular
	Kind     store.Kind
	Err      error // the cause: not shown, for it may quote a token
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Identity)
	if e.Kind == store.Denied {
		b.WriteString(" was refused by ")
	} else {
		b.WriteString(" got no answer of use from ")
	}
	b.WriteString(e.Service)
	if e.Answer != "" {
		b.WriteString(" (" + e.Answer + ")")
	}
	if e.Check != "" && e.Kind == store.Denied {
		b.WriteString(": " + e.Check)
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// NonRetriable tells Azure's SDK not to ask again: package retry does.
func (e *Error) NonRetriable() {}

// KindOf is what the status of a token service's answer means; 0 is no answer.
func KindOf(status int) store.Kind {
	switch {
	case status == http.StatusTooManyRequests:
		return store.Throttled
	case status == 0, status == http.StatusRequestTimeout, status >= http.StatusInternalServerError:
		return store.Unavailable
	default:
		return store.Denied
	}
}

// Ended reports whether err is about the caller's context, not the service.
func Ended(ctx context.Context, err error) bool {
	return ctx.Err() != nil || errors.Is(err, context.Canceled)
}
