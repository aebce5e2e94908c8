// Package functions is what crossfade's functions have in common, whatever the
// cloud: an Event, the checks that keep it from aiming the function elsewhere,
// one Sync a key, and the Verdict that the platform's package translates.
//
// An event is only a hint that a key may have changed. Nothing in it but the
// key decides what happens: Sync asks the source.
package functions

import (
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/crossfade-io/crossfade/replicate"
)

// maxKey is the longest key in bytes that a store holds.
const maxKey = 1024

// Event is one change as a cloud announced it.
type Event struct {
	ID        string // of the delivery, for logs
	Source    string // the service, such as aws:s3
	Type      string // in the service's words
	Account   string // of the bucket, where the service names one (Azure)
	Bucket    string
	Key       string    // whole and decoded, the configured prefix included
	Version   string    // in the service's words, for logs
	Sequencer string    // orders events of one key on some services, for logs
	Time      time.Time // of the change; zero where unknown

	Created bool // a new object, over an old one or not
	Removed bool // an object, or an old version of it, is gone

	// Deliveries counts how often the platform has delivered this, 1 the first
	// time; 0 where it does not tell.
	Deliveries int

	// Ignored says why there is nothing to do: it is acknowledged.
	Ignored string

	// Malformed says why it cannot be understood: it is dead-lettered.
	Malformed error
}

// ValidKey reports why key cannot be an object's, or nil.
func ValidKey(key string) error {
	switch {
	case key == "":
		return errors.New("the event names no object")
	case len(key) > maxKey:
		return fmt.Errorf("the key has %d bytes, more than %d", len(key), maxKey)
	case !utf8.ValidString(key):
		return errors.New("the key is not UTF-8")
	}
	return nil
}

// Checked returns e with Malformed set when it lacks a bucket or a valid key.
func (e Event) Checked() Event {
	if e.Malformed != nil || e.Ignored != "" {
		return e
	}
	if e.Bucket == "" {
		e.Malformed = errors.New("the event names no bucket")
		return e
	}
	e.Malformed = ValidKey(e.Key)
	return e
}

// hint is what the event makes likely. A redelivered one may have been done
// in part, so the target is asked first.
func (e Event) hint() replicate.Hint {
	switch {
	case e.Removed:
		return replicate.HintRemoved
	case e.Created && e.Deliveries <= 1:
		return replicate.HintNew
	default:
		return replicate.HintNone
	}
}
