package memstore

import (
	"context"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, storetest.Harness{
		New:           func(*testing.T) store.Store { return Fresh() },
		MultipartSize: small + 1,
		Sizes:         []int64{small - 1, small, small + partSize, small + partSize + 1},
		ListKeys:      2*listPage + 50,
		BigSize:       4 << 20,
	})
}

func TestInterceptSeesEachOperation(t *testing.T) {
	t.Parallel()
	s, ctx := Fresh(), t.Context()
	var seen []string
	s.SetIntercept(func(_ context.Context, op Op) error {
		name := op.Name + " " + op.Key
		if op.Stage == After {
			name += " done " + store.KindOf(op.Err).String()
		}
		seen = append(seen, name)
		return nil
	})
	if _, err := s.Put(ctx, "k", store.Bytes("x"), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Head(ctx, "no"); store.KindOf(err) != store.NotFound {
		t.Fatal(err)
	}
	r, err := s.Open(ctx, "k", store.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r.Body); err != nil || string(b) != "x" {
		t.Fatalf("%q, %v", b, err)
	}
	want := []string{"put k", "put k done unknown", "head no", "head no done not found", "open k", "open k done unknown", "read k", "read k done unknown"}
	if !slices.Equal(seen, want) {
		t.Errorf("saw %q, want %q", seen, want)
	}
}

func TestInterceptBeforePreventsAndAfterLosesTheReply(t *testing.T) {
	t.Parallel()
	lost := errors.New("reply lost")
	for _, stage := range []Stage{Before, After} {
		s, ctx := Fresh(), t.Context()
		s.SetIntercept(func(_ context.Context, op Op) error {
			if op.Name == "put" && op.Stage == stage {
				return lost
			}
			return nil
		})
		_, err := s.Put(ctx, "k", store.Bytes("x"), store.PutOptions{})
		if _, ok := errors.AsType[*store.Error](err); !ok || !errors.Is(err, lost) {
			t.Errorf("stage %d: %v", stage, err)
		}
		if stored := s.Bucket().Len() == 1; stored != (stage == After) {
			t.Errorf("stage %d: stored is %v", stage, stored)
		}
	}
}

func TestInterceptBreaksBodies(t *testing.T) {
	t.Parallel()
	broken := &store.Error{Op: "read", Kind: store.Throttled}
	for _, stage := range []Stage{Before, After} {
		s, ctx := Fresh(), t.Context()
		if _, err := s.Put(ctx, "k", store.Bytes("x"), store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		s.SetIntercept(func(_ context.Context, op Op) error {
			if op.Name == "read" && op.Stage == stage {
				return broken
			}
			return nil
		})
		r, err := s.Open(ctx, "k", store.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(r.Body); store.KindOf(err) != store.Throttled {
			t.Errorf("stage %d: %v", stage, err)
		}
	}
}
