package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/crossfade-io/crossfade/store"
)

// Signal is a small object that is written to the authority and that a function
// carries to the other side by the same way as every change: a barrier, or a
// canary that measures the lag.
type Signal struct {
	ID   string    `json:"id"`
	Kind string    `json:"kind"` // barrier or canary
	Sent time.Time `json:"sent"` // by the operator's clock

	// The function adds these as it carries it. A signal that was carried is
	// not carried back.
	Carried  bool   `json:"carried,omitempty"`
	Phase    Phase  `json:"phase,omitempty"` // as the function sees the migration
	Revision int64  `json:"revision,omitempty"`
	Tool     string `json:"tool,omitempty"` // its version
}

// The kinds of signals.
const (
	Barrier = "barrier"
	Canary  = "canary"
)

// maxSignal bounds a signal, in bytes.
const maxSignal = 4 << 10

// Send writes a signal to the authority's store and returns the object as
// stored: its ModTime is the store's own clock.
func Send(ctx context.Context, st store.Store, migration string, s Signal) (*store.Object, error) {
	if !idPattern.MatchString(s.ID) {
		return nil, fmt.Errorf("%q cannot name a signal", s.ID)
	}
	b, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	return st.Put(ctx, SignalKey(migration, s.ID), store.Bytes(b), store.PutOptions{Attrs: jsonAttrs})
}

// Receive reads a signal from a store. Kind NotFound where it has not arrived.
func Receive(ctx context.Context, st store.Store, migration, id string) (Signal, *store.Object, error) {
	key := SignalKey(migration, id)
	invalid := func(err error) (Signal, *store.Object, error) {
		return Signal{}, nil, &store.Error{Op: "signal", Key: key, Kind: store.Invalid, Err: err}
	}
	b, obj, err := readWhole(ctx, st, key, maxSignal)
	if store.KindOf(err) == store.TooLarge {
		return invalid(err)
	}
	if err != nil {
		return Signal{}, nil, err
	}
	var s Signal
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(&s); err != nil {
		return invalid(err)
	}
	if s.ID != id || s.Kind != Barrier && s.Kind != Canary {
		return invalid(errors.New("is not a signal of this name"))
	}
	return s, obj, nil
}

// Relay carries the signal under id from one store to another, and says what
// it did in a few words. Whether it may is for the caller to have checked.
func Relay(ctx context.Context, from, to store.Store, id string, seen State, tool string) (string, error) {
	s, _, err := Receive(ctx, from, seen.Migration, id)
	switch {
	case store.KindOf(err) == store.NotFound:
		return "the signal is gone", nil
	case store.KindOf(err) == store.Invalid:
		return "no signal", nil
	case err != nil:
		return "", err
	case s.Carried:
		return "a signal that was carried here", nil
	}
	s.Carried, s.Phase, s.Revision, s.Tool = true, seen.Phase, seen.Revision, tool
	_, err = Send(ctx, to, seen.Migration, s)
	return "carried a " + s.Kind, err
}

// Clear removes a signal from a store.
func Clear(ctx context.Context, st store.Store, migration, id string) error {
	return st.Delete(ctx, SignalKey(migration, id), store.Condition{})
}
