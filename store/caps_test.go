package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/crossfade-io/crossfade/store"
)

// counting stands before Checkers, and knows of no other capability.
type counting struct {
	decorated
	name  string
	calls *[]string
}

func (c counting) Cover(capability any) any { return countedCheck{c, capability} }

func wrap1(s store.Store) decorated { return decorated{decorator: decorator{s}} }

type countedCheck struct {
	c     counting
	inner any
}

func (c countedCheck) Check(ctx context.Context) error {
	*c.c.calls = append(*c.c.calls, c.c.name)
	return c.inner.(store.Checker).Check(ctx)
}

// able has a capability that counting covers, and one that it does not.
type able struct {
	plain
	err error
}

func (a able) Check(context.Context) error { return a.err }
func (able) UniqueVersions()               {}

func TestAsCovers(t *testing.T) {
	t.Parallel()
	var calls []string
	bad := errors.New("bad")
	inner := counting{wrap1(able{err: bad}), "inner", &calls}
	s := counting{wrap1(wrap1(inner)), "outer", &calls}
	c, ok := store.As[store.Checker](s)
	if !ok {
		t.Fatal("no Checker")
	}
	if err := c.Check(t.Context()); !errors.Is(err, bad) || len(calls) != 2 || calls[0] != "outer" || calls[1] != "inner" {
		t.Errorf("%v by way of %q", err, calls)
	}
	if _, ok := store.As[store.UniqueVersions](s); !ok {
		t.Error("the marker was lost")
	}
	if a, ok := store.As[able](s); !ok || !errors.Is(a.err, bad) {
		t.Error("the store itself cannot be had")
	}
	// What the store below does not have, a Coverer does not add.
	if _, ok := store.As[store.Checker](counting{wrap1(plain{}), "outer", &calls}); ok {
		t.Error("a Checker of a store without one")
	}
}
