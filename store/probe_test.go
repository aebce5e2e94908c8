package store_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// lax ignores some conditions.
type lax struct {
	*memstore.Store
	absent, match, deletes bool
	doubt                  bool
	err                    error
}

func (l *lax) ConditionsInDoubt() bool { return l.doubt }

func (l *lax) Put(ctx context.Context, key string, c store.Content, opts store.PutOptions) (*store.Object, error) {
	if l.err != nil {
		return nil, l.err
	}
	if opts.If.Absent && l.absent || opts.If.Match != "" && l.match {
		opts.If = store.Condition{}
	}
	return l.Store.Put(ctx, key, c, opts)
}

func (l *lax) Delete(ctx context.Context, key string, cond store.Condition) error {
	if l.deletes {
		cond = store.Condition{}
	}
	return l.Store.Delete(ctx, key, cond)
}

func TestProbeConditions(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		lax  lax
		want []string
	}{
		{lax{}, nil},
		{lax{absent: true}, []string{"If-None-Match on writes"}},
		{lax{match: true}, []string{"If-Match on writes"}},
		{lax{deletes: true}, []string{"If-Match on deletes"}},
		{lax{absent: true, match: true, deletes: true}, []string{"If-None-Match on writes", "If-Match on writes", "If-Match on deletes"}},
	} {
		s := &x.lax
		s.Store, s.doubt = memstore.Fresh(), true
		got, err := store.ProbeConditions(t.Context(), s, "one")
		if err != nil || !slices.Equal(got, x.want) {
			t.Errorf("found %q, want %q; %v", got, x.want, err)
		}
		for o, err := range s.List(t.Context(), store.ListOptions{}) {
			t.Errorf("the probe left %v, %v", o, err)
		}
		warning := warned(t, s)
		if (warning == "") != (x.want == nil) || !strings.Contains(warning, strings.Join(x.want, ", ")) || strings.Count(warning, "\n") > 1 {
			t.Errorf("warning %q", warning)
		}
	}
}

func warned(t *testing.T, s store.Store) string {
	var b strings.Builder
	store.WarnOfConditions(t.Context(), s, "two", slog.New(slog.NewTextHandler(&b, nil)))
	return b.String()
}

func TestProbeFails(t *testing.T) {
	t.Parallel()
	denied := &store.Error{Op: "put", Kind: store.Denied, Err: errors.New("no right to write")}
	s := &lax{Store: memstore.Fresh(), err: denied, doubt: true}
	if _, err := store.ProbeConditions(t.Context(), s, "one"); !errors.Is(err, denied) {
		t.Errorf("error %v", err)
	}
	if got := warned(t, s); !strings.Contains(got, "could not find out") || !strings.Contains(got, "no right to write") {
		t.Errorf("logged %q", got)
	}
	s = &lax{Store: memstore.Fresh(), doubt: true}
	if _, err := s.Put(t.Context(), store.ControlPrefix+"probe/one", store.Bytes("x"), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := store.ProbeConditions(t.Context(), s, "one"); err == nil {
		t.Error("a key that is taken is no error")
	}
}

func TestNoProbeWhereThereIsNoDoubt(t *testing.T) {
	t.Parallel()
	for _, s := range []store.Store{memstore.Fresh(), &lax{Store: memstore.Fresh(), absent: true, err: errors.New("not asked")}} {
		if got := warned(t, s); got != "" {
			t.Errorf("logged %q", got)
		}
	}
}
