package replicate_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// stamped returns the stamp of a real copy of key with body, as a forger who may
// read the target learns to write one.
func stamped(t testing.TB, sourceID, key, body string) string {
	t.Helper()
	src, dst := memstore.Fresh(), memstore.Fresh()
	write(t, src.Bucket(), key, body, nil)
	r, err := replicate.New(src, dst, replicate.Options{SourceID: sourceID, TargetID: "mem://elsewhere/"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Sync(t.Context(), key, replicate.HintNone); err != nil {
		t.Fatal(err)
	}
	return dst.Bucket().Get(key).Metadata[replicate.StampName]
}

func write(t testing.TB, b *cloudsim.Bucket, key, body string, metadata map[string]string) {
	t.Helper()
	o := cloudsim.NewObject(key, []byte(body))
	o.Metadata = maps.Clone(metadata)
	if _, err := b.Put(o, cloudsim.Origin{}, nil, nil); err != nil {
		t.Fatal(err)
	}
}

// forgeable is a pair of stores and a replicator between them.
func forgeable(t testing.TB, policy replicate.Policy) (src, dst *memstore.Store, r *replicate.Replicator) {
	t.Helper()
	src, dst = memstore.Fresh(), memstore.Fresh()
	r, err := replicate.New(src, dst, replicate.Options{SourceID: "s3://src/", TargetID: "gs://dst/", Policy: policy})
	if err != nil {
		t.Fatal(err)
	}
	return src, dst, r
}

func syncKey(t testing.TB, r *replicate.Replicator, key string) replicate.Result {
	t.Helper()
	res, err := r.Sync(t.Context(), key, replicate.HintNone)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// A stamp that a writer on the source makes up is never carried: the copy has
// ours alone, in whatever case or number theirs was written.
func TestForgedStampOnTheSource(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"crossfade", "Crossfade", "CROSSFADE"} {
		for _, value := range []string{
			"", "x", "v1", "v2 from=gs://dst/", strings.Repeat("v1 ", 500), "v1 from=gs://dst/\nkey=x",
			stamped(t, "s3://src/", "k", "body"),        // of this migration
			stamped(t, "s3://src/", "other", "body"),    // moved from another key
			stamped(t, "gs://dst/", "other", "body"),    // of the target, for another key
			stamped(t, "gs://dst/", "k", "other bytes"), // and for other bytes
			stamped(t, "gs://dst", "k", "body"),         // nearly the target's name
			stamped(t, "gs://dst/sub/", "k", "body"),
		} {
			src, dst, r := forgeable(t, replicate.Policy{Deletes: true})
			write(t, src.Bucket(), "k", "body", map[string]string{name: value, "cro\u017f\u017ffade": "theirs", "crossfader": "theirs"})
			if res := syncKey(t, r, "k"); res.Action != replicate.Copy {
				t.Errorf("%s=%q: %s (%s)", name, value, res.Action, res.Reason)
				continue
			}
			got := dst.Bucket().Get("k").Metadata
			stamp, err := replicate.ParseStamp(got[replicate.StampName])
			if err != nil || stamp.From != "s3://src/" || got[replicate.StampName] == value {
				t.Errorf("%s=%q: the copy has %q, %v", name, value, got, err)
			}
			if len(got) != 3 || got["cro\u017f\u017ffade"] != "theirs" || got["crossfader"] != "theirs" {
				t.Errorf("%s=%q: the copy has %q", name, value, got)
			}
			if res := syncKey(t, r, "k"); res.Action != replicate.Skip || res.Reason != "up to date" {
				t.Errorf("%s=%q: again %s (%s)", name, value, res.Action, res.Reason)
			}
		}
	}
}

// Several entries that differ in case only are no stamp on either side.
func TestSeveralStamps(t *testing.T) {
	t.Parallel()
	src, dst, r := forgeable(t, replicate.Policy{Deletes: true})
	echo := stamped(t, "gs://dst/", "k", "body")
	b := src.Bucket()
	write(t, b, "k", "body", map[string]string{"Crossfade": echo, "CROSSFADE": echo})
	if res := syncKey(t, r, "k"); res.Action != replicate.Copy || len(dst.Bucket().Get("k").Metadata) != 1 {
		t.Errorf("%s (%s)", res.Action, res.Reason)
	}
	ours := stamped(t, "s3://src/", "foreign", "theirs")
	write(t, dst.Bucket(), "foreign", "theirs", map[string]string{"Crossfade": ours, "CROSSFADE": ours})
	if res := syncKey(t, r, "foreign"); res.Action != replicate.Conflict || dst.Bucket().Get("foreign") == nil {
		t.Errorf("%s (%s)", res.Action, res.Reason)
	}
}

// What a stamp of the target's, whole and for just these bytes, does on the
// source: its object is taken for a copy that came from the target, and is not
// copied. It reaches no other object, and ends with the next write without it.
func TestForgedEcho(t *testing.T) {
	t.Parallel()
	src, dst, r := forgeable(t, replicate.Policy{Deletes: true})
	write(t, src.Bucket(), "k", "first", nil)
	write(t, src.Bucket(), "other", "other", nil)
	syncKey(t, r, "k")
	syncKey(t, r, "other")
	for _, key := range []string{"k", "new"} {
		write(t, src.Bucket(), key, "forged", map[string]string{"Crossfade": stamped(t, "gs://dst/", key, "forged")})
		if res := syncKey(t, r, key); res.Action != replicate.Skip || res.Reason != "came from the target" {
			t.Errorf("%s: %s (%s)", key, res.Action, res.Reason)
		}
	}
	if string(dst.Bucket().Get("k").Body) != "first" || string(dst.Bucket().Get("other").Body) != "other" || dst.Bucket().Len() != 2 {
		t.Error("the target has changed")
	}
	for _, key := range []string{"k", "new"} {
		write(t, src.Bucket(), key, "honest", nil)
		if res := syncKey(t, r, key); res.Action != replicate.Copy || string(dst.Bucket().Get(key).Body) != "honest" {
			t.Errorf("%s: %s (%s)", key, res.Action, res.Reason)
		}
	}
}

// A foreign object on the target that bears a stamp which is not wholly its own
// stays foreign: neither a write nor a delete on the source touches it.
func TestForgedStampOnTheTarget(t *testing.T) {
	t.Parallel()
	good := stamped(t, "s3://src/", "k", "theirs")
	replaced := func(old, repl string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("no %q in %q", old, good)
		}
		return strings.Replace(good, old, repl, 1)
	}
	for name, stamp := range map[string]string{
		"of another source":    stamped(t, "s3://other/", "k", "theirs"),
		"of a source's part":   stamped(t, "s3://src/sub/", "k", "theirs"),
		"for another key":      stamped(t, "s3://src/", "k2", "theirs"),
		"for other bytes":      stamped(t, "s3://src/", "k", "THEIRS"),
		"for another size":     replaced("size=6", "size=7"),
		"a size twice":         good + " size=6",
		"a later version":      replaced("v1 ", "v2 "),
		"no version":           replaced("ver=", "vvv="),
		"encoded twice":        replaced("from=s3://src/", "from=s3:%252F/src/"),
		"another case of from": replaced("from=s3://src/", "from=S3://SRC/"),
		"cut":                  good[:len(good)/2],
	} {
		for _, here := range []bool{true, false} {
			src, dst, r := forgeable(t, replicate.Policy{Deletes: true})
			if here {
				write(t, src.Bucket(), "k", "from the source", nil)
			}
			write(t, dst.Bucket(), "k", "theirs", map[string]string{replicate.StampName: stamp})
			if res := syncKey(t, r, "k"); res.Action != replicate.Conflict {
				t.Errorf("%s, on the source %v: %s (%s)", name, here, res.Action, res.Reason)
			}
			if o := dst.Bucket().Get("k"); o == nil || string(o.Body) != "theirs" {
				t.Errorf("%s, on the source %v: the foreign object was touched", name, here)
			}
		}
	}
}

// Whoever can write a whole stamp on the target hands the object over to the
// migration: this much the target's writers are trusted.
func TestWholeStampOnTheTargetIsTrusted(t *testing.T) {
	t.Parallel()
	src, dst, r := forgeable(t, replicate.Policy{Deletes: true})
	write(t, dst.Bucket(), "gone", "theirs", map[string]string{replicate.StampName: stamped(t, "s3://src/", "gone", "theirs")})
	if res := syncKey(t, r, "gone"); res.Action != replicate.Delete || dst.Bucket().Get("gone") != nil {
		t.Errorf("%s (%s)", res.Action, res.Reason)
	}
	write(t, src.Bucket(), "k", "from the source", nil)
	write(t, dst.Bucket(), "k", "theirs", map[string]string{replicate.StampName: stamped(t, "s3://src/", "k", "theirs")})
	if res := syncKey(t, r, "k"); res.Action != replicate.Copy || string(dst.Bucket().Get("k").Body) != "from the source" {
		t.Errorf("%s (%s)", res.Action, res.Reason)
	}
}

// FuzzForgedMetadata: whatever metadata stand on the source, the copy bears one
// stamp, ours, and all else that was there; or the object is taken for an echo,
// which takes a whole stamp of the target's.
func FuzzForgedMetadata(f *testing.F) {
	f.Add("crossfade", "v1 from=gs://dst/", "Crossfade", "x")
	f.Add("CROSSFADE", stamped(f, "gs://dst/", "k", "body"), "a", "b")
	f.Add("crossfade", stamped(f, "s3://src/", "k", "body"), "cro\u017ffade", "b")
	f.Fuzz(func(t *testing.T, n1, v1, n2, v2 string) {
		if strings.EqualFold(n1, n2) || len(n1)+len(v1)+len(n2)+len(v2) > 4000 {
			return
		}
		src, dst, r := forgeable(t, replicate.Policy{Deletes: true})
		write(t, src.Bucket(), "k", "body", map[string]string{n1: v1, n2: v2})
		if res := syncKey(t, r, "k"); res.Reason == "came from the target" {
			for name, value := range map[string]string{n1: v1, n2: v2} {
				if stamp, err := replicate.ParseStamp(value); err == nil && stamp.From == "gs://dst/" && stamp.Size == 4 && strings.EqualFold(name, "crossfade") {
					return
				}
			}
			t.Fatalf("%q and %q pass for an echo", v1, v2)
		}
		want := map[string]string{}
		for name, value := range map[string]string{n1: v1, n2: v2} {
			if strings.ToLower(name) != replicate.StampName {
				want[name] = value
			}
		}
		got := maps.Clone(dst.Bucket().Get("k").Metadata)
		stamp, err := replicate.ParseStamp(got[replicate.StampName])
		delete(got, replicate.StampName)
		if err != nil || stamp.From != "s3://src/" || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%q, with the stamp %+v, %v; want %q", got, stamp, err, want)
		}
		if res := syncKey(t, r, "k"); res.Action != replicate.Skip {
			t.Fatalf("again: %s (%s)", res.Action, res.Reason)
		}
	})
}
