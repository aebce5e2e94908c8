package config

import (
	"fmt"
	"io"
	"log/slog"
	"strconv"
)

// Secret is a text that may hold a credential. Whatever way it is printed, logged
// or encoded, it is "[redacted]", or as much as may be told: of an argument of a
// command what the file says before the environment is filled in, of a webhook
// the host.
type Secret struct {
	value *string // a pointer: fmt prints no more than an address of it, even in an unexported field
	shown *string // what is told of it; nil: nothing
}

const redacted = "[redacted]"

// NewSecret returns a secret of which nothing is told.
func NewSecret(value string) Secret { return Secret{value: &value} }

// Reveal returns the text itself, for where it is used; "" if there is none.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsZero reports whether there is no text at all.
func (s Secret) IsZero() bool { return s.value == nil }

func (s Secret) String() string {
	if s.shown != nil {
		return *s.shown
	}
	return redacted
}

// GoString is String: %#v reveals nothing more.
func (s Secret) GoString() string { return s.String() }

// Format is String for every verb.
func (s Secret) Format(f fmt.State, verb rune) {
	text := s.String()
	if verb == 'q' {
		text = strconv.Quote(text)
	}
	io.WriteString(f, text) //nolint:errcheck // fmt knows of its own writer
}

// MarshalText is String, in JSON and YAML too.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// LogValue is String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
