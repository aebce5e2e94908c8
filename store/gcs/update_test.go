package gcs_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// TestUpdateRemovesWhatIsGone: also entries whose names have capital letters
// or what no header can have, which reading cannot tell.
func TestUpdateRemovesWhatIsGone(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, x := range []map[string]string{{"keep": "2"}, {"KEEP": "2", "größe": "x"}, {}} {
		o := cloudsim.NewObject("k", []byte("x"))
		o.Metadata = map[string]string{"MyKey": "1", "a/b.c": "2", "keep": "1", "ä ö": "3"}
		if _, err := r.bucket.Put(o, cloudsim.Origin{}, nil, nil); err != nil {
			t.Fatal(err)
		}
		got := r.must(t)(r.UpdateMetadata(t.Context(), "k", store.Attrs{ContentType: "a/b", Metadata: x}, store.Condition{}))
		want := map[string]string{}
		for k, v := range x {
			want[strings.ToLower(k)] = v
		}
		if !maps.Equal(got.Metadata, want) {
			t.Errorf("UpdateMetadata(%v) returns %v", x, got.Metadata)
		}
		if stored := r.bucket.Get("k").Metadata; len(stored) != len(x) {
			t.Errorf("UpdateMetadata(%v) leaves %v", x, stored)
		}
	}
}

// TestUpdateRace: an unconditional update that another overtakes is made on
// what the other left; a conditional one fails.
func TestUpdateRace(t *testing.T) {
	t.Parallel()
	for _, conditional := range []bool{false, true} {
		r := newRig(t)
		v := r.must(t)(r.Put(t.Context(), "k", store.Bytes("x"), store.PutOptions{})).Version
		overtaken := false
		overtake := func(_ http.ResponseWriter, req *http.Request, _ http.Handler) bool {
			if req.Method == http.MethodPatch && !overtaken {
				overtaken = true
				if _, err := r.bucket.Update("k", cloudsim.Origin{}, nil, func(o *cloudsim.Object) {
					o.Metadata = map[string]string{"Other": "1"}
				}); err != nil {
					t.Error(err)
				}
			}
			return false
		}
		cond := store.Condition{}
		if conditional {
			cond = store.IfMatch(v)
		}
		var err error
		r.with(overtake, func() {
			_, err = r.UpdateMetadata(t.Context(), "k", store.Attrs{Metadata: map[string]string{"mine": "1"}}, cond)
		})
		stored := r.bucket.Get("k").Metadata
		switch {
		case conditional && (store.KindOf(err) != store.Precondition || stored["Other"] != "1"):
			t.Errorf("conditional: %v, and %v", err, stored)
		case !conditional && (err != nil || !maps.Equal(stored, map[string]string{"mine": "1"})):
			t.Errorf("unconditional: %v, and %v", err, stored)
		}
	}
}
