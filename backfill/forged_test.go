package backfill

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// What a forged stamp can hide from a Sync, a comparison shows; and neither
// copies or deletes control objects.
func TestForgedStampsShow(t *testing.T) {
	t.Parallel()
	src, dst := memstore.Fresh(), memstore.Fresh()
	put := func(b *cloudsim.Bucket, key, body, stamp string) {
		o := cloudsim.NewObject(key, []byte(body))
		if stamp != "" {
			o.Metadata = map[string]string{replicate.StampName: stamp}
		}
		if _, err := b.Put(o, cloudsim.Origin{}, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	// The stamps of real copies, to be moved to where they do not belong.
	stamp := func(source, key, body string) string {
		a, b := memstore.Fresh(), memstore.Fresh()
		put(a.Bucket(), key, body, "")
		r, err := replicate.New(a, b, replicate.Options{SourceID: source, TargetID: "mem://x/"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Sync(t.Context(), key, replicate.HintNone); err != nil {
			t.Fatal(err)
		}
		return b.Bucket().Get(key).Metadata[replicate.StampName]
	}
	put(src.Bucket(), "hidden", "mine", stamp("mem://dst/", "hidden", "mine"))
	put(src.Bucket(), "stale", "new!", stamp("mem://dst/", "stale", "new!"))
	put(dst.Bucket(), "stale", "old!", "")
	put(src.Bucket(), "good", "good", "")
	put(src.Bucket(), ".crossfade/m/phase.json", "source's", "")
	put(dst.Bucket(), ".crossfade/n/phase.json", "target's", "")

	policy := replicate.Policy{Deletes: true}
	r, err := replicate.New(src, dst, replicate.Options{SourceID: "mem://src/", TargetID: "mem://dst/", Policy: policy})
	if err != nil {
		t.Fatal(err)
	}
	opts := Options{Now: time.Now, Policy: policy, Delete: true, MaxDelete: 10, Ends: replicate.Ends{Source: "mem://src/", Target: "mem://dst/"}}
	if sum, err := Run(t.Context(), src, dst, r, opts); err != nil || sum.Copied != 1 || sum.Deleted != 0 {
		t.Errorf("%+v, %v", sum, err)
	}
	if dst.Bucket().Get(".crossfade/m/phase.json") != nil || dst.Bucket().Get(".crossfade/n/phase.json") == nil {
		t.Error("a control object was touched")
	}
	report, err := Verify(t.Context(), src, dst, r, VerifyOptions{Options: Options{Now: time.Now}})
	got := map[Class]string{}
	for class, keys := range maps.All(report.Keys) {
		got[class] = fmt.Sprint(keys)
	}
	if err != nil || report.Equal != 1 || got[Missing] != "[hidden]" || got[Foreign] != "[stale]" {
		t.Errorf("%+v, %v, %v", report, got, err)
	}
}
