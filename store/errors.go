package store

import (
	"errors"
	"strings"
	"time"
	"unicode"
)

// Kind says what an error means for the caller, whatever the cloud.
type Kind uint8

// The kinds. Unknown is the zero value and is retryable.
const (
	Unknown      Kind = iota
	NotFound          // the key, definitely, is not there
	Precondition      // the object is not the version that the call was bound to
	Denied            // no permission, or no valid credentials
	Throttled         // asked to slow down; see RetryAfter
	Archived          // the bytes cannot be read until they are restored
	Invalid           // the store can never accept this: name, metadata, argument
	TooLarge          // over a limit of the store
	Corrupt           // the bytes are not those that were promised
	Unavailable       // the service, or the bucket, is not there now
)

var kindNames = [...]string{
	"unknown", "not found", "precondition failed", "denied", "throttled",
	"archived", "invalid", "too large", "corrupt", "unavailable",
}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return kindNames[Unknown]
}

// Retryable reports whether the same call may succeed later without anyone
// mending anything.
func (k Kind) Retryable() bool {
	switch k {
	case Unknown, Precondition, Throttled, Corrupt, Unavailable:
		return true
	default:
		return false
	}
}

// Error is the one error type of all stores.
type Error struct {
	Op         string // head, open, read, put, delete, list, update, check
	Store      string // such as s3://bucket
	Key        string // "" where it concerns the store as a whole
	Kind       Kind
	RetryAfter time.Duration // 0 where the service named none
	Err        error
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	b.WriteByte(' ')
	b.WriteString(e.Store)
	if e.Key != "" {
		if e.Store != "" {
			b.WriteByte('/')
		}
		b.WriteString(printable(e.Key))
	}
	b.WriteString(": ")
	b.WriteString(e.Kind.String())
	if e.Err != nil {
		b.WriteString(": ")
		b.WriteString(e.Err.Error())
	}
	return b.String()
}

// Unwrap returns the cause, usually the SDK's own error.
func (e *Error) Unwrap() error { return e.Err }

// KindOf returns the Kind of the first *Error in err's chain, or Unknown.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return Unknown
}

// printable takes out what a terminal may act upon, so that a key cannot forge
// a log line.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
