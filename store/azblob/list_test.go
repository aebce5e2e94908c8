package azblob_test

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/azblob"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// utf16Order is the order of servers that compare UTF-16 units.
func utf16Order(a, b string) int {
	return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
}

// TestListNeverLosesKeys: whatever the order of the service, a listing of a range
// is whole or ends in an error, and with AnyOrder it is whole.
func TestListNeverLosesKeys(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		face  cloudsim.AzureOptions
		clean func(error) bool // which errors are right without AnyOrder
	}{
		{"flat", cloudsim.AzureOptions{PageSize: 3}, func(err error) bool { return err == nil }},
		{"startFrom ignored", cloudsim.AzureOptions{PageSize: 3, NoStartFrom: true}, func(err error) bool { return err == nil }},
		{"hierarchical", cloudsim.AzureOptions{PageSize: 3, Hierarchical: true}, outOfOrder},
		{"UTF-16", cloudsim.AzureOptions{PageSize: 3, Order: utf16Order}, outOfOrder},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, tt.face)
			key := rapid.OneOf(rapid.StringMatching(`[ab!/0-]{1,4}`), rapid.StringMatching(`(a|/|-|\x{FF5E}|\x{1F600}){1,3}`))
			rapid.Check(t, func(rt *rapid.T) {
				s, bucket := c.store(t, "p/", azblob.Options{PageSize: 4})
				keys := rapid.SliceOfNDistinct(key, 0, 12, rapid.ID[string]).Draw(rt, "keys")
				for _, k := range keys {
					if _, err := bucket.Put(cloudsim.NewObject("p/"+k, nil), cloudsim.Origin{}, nil, nil); err != nil {
						rt.Fatal(err)
					}
				}
				opts := store.ListOptions{
					After: rapid.OneOf(rapid.Just(""), key).Draw(rt, "after"),
					Until: rapid.OneOf(rapid.Just(""), key).Draw(rt, "until"),
				}
				want := slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return k <= opts.After || opts.Until != "" && k > opts.Until })
				slices.Sort(want)
				got, err := collect(t.Context(), s, opts)
				if !tt.clean(err) {
					rt.Fatalf("%+v: %v", opts, err)
				}
				if err == nil && !slices.Equal(got, want) {
					rt.Fatalf("%+v: %q, want %q", opts, got, want)
				}
				opts.AnyOrder = true
				got, err = collect(t.Context(), s, opts)
				slices.Sort(got)
				if err != nil || !slices.Equal(got, want) {
					rt.Fatalf("%+v: %q, %v, want %q", opts, got, err, want)
				}
			})
		})
	}
}

// A listing of what is below one name does not have the service list the rest,
// thousands of blobs a page.
func TestListAsksForTheRangeOnly(t *testing.T) {
	t.Parallel()
	c := newCloud(t, cloudsim.AzureOptions{})
	var mu sync.Mutex
	var asked []string
	c.intercept(func(_ http.Handler, _ http.ResponseWriter, r *http.Request) bool {
		if q := r.URL.Query(); q.Get("comp") == "list" {
			mu.Lock()
			asked = append(asked, q.Get("prefix"))
			mu.Unlock()
		}
		return false
	})
	s, _ := c.store(t, "p/", azblob.Options{})
	for _, o := range []store.ListOptions{{After: "a/b/", Until: "a/b0"}, {After: "a/b/"}, {After: `a\b/`, Until: `a\b0`}} {
		if _, err := collect(t.Context(), s, o); err != nil {
			t.Fatal(err)
		}
	}
	if want := []string{"p/a/b", "p/", "p/a"}; !slices.Equal(asked, want) {
		t.Errorf("asked for %q, want %q", asked, want)
	}
}

// outOfOrder accepts success, and the error that says why it cannot be.
func outOfOrder(err error) bool {
	return err == nil || store.KindOf(err) == store.Invalid && strings.Contains(err.Error(), "listing is not in byte order")
}

// TestListHierarchical shows the error that a merge relies on, and directories.
func TestListHierarchical(t *testing.T) {
	t.Parallel()
	c := newCloud(t, cloudsim.AzureOptions{Hierarchical: true})
	s, bucket := c.store(t, "", azblob.Options{})
	dir := cloudsim.NewObject("a", nil)
	dir.Metadata = map[string]string{"hdi_isfolder": "true"}
	for _, o := range []*cloudsim.Object{dir, cloudsim.NewObject("a/b", nil), cloudsim.NewObject("a-b", nil)} {
		if _, err := bucket.Put(o, cloudsim.Origin{}, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := collect(t.Context(), s, store.ListOptions{})
	if !outOfOrder(err) || err == nil || !slices.Equal(keys, []string{"a", "a/b"}) {
		t.Errorf("%q, %v", keys, err)
	}
	for o, err := range s.List(t.Context(), store.ListOptions{AnyOrder: true, Until: "a"}) {
		if err != nil || o.Key != "a" || o.Metadata["hdi_isfolder"] != "true" {
			t.Errorf("%+v, %v", o, err)
		}
	}
}

// TestListRangesAskLittle: on a flat account a range costs about what it holds.
func TestListRangesAskLittle(t *testing.T) {
	t.Parallel()
	c := newCloud(t, cloudsim.AzureOptions{PageSize: 5})
	s, bucket := c.store(t, "", azblob.Options{})
	for i := range 200 {
		if _, err := bucket.Put(cloudsim.NewObject(string(rune('A'+i/20))+string(rune('a'+i%20)), nil), cloudsim.Origin{}, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	c.Keep()
	keys, err := collect(t.Context(), s, store.ListOptions{After: "Fz", Until: "Gj"})
	if err != nil || len(keys) != 10 || keys[0] != "Ga" || keys[9] != "Gj" {
		t.Errorf("%q, %v", keys, err)
	}
	if n := c.Counts()["List Blobs"]; n > 3 {
		t.Errorf("%d pages for 10 of 200 keys", n)
	}
}

// TestListStopsEarly: a caller that stops is not listed on for.
func TestListStopsEarly(t *testing.T) {
	t.Parallel()
	c := newCloud(t, cloudsim.AzureOptions{PageSize: 1})
	s, _ := c.store(t, "", azblob.Options{})
	for _, k := range []string{"a", "b", "c"} {
		put(t, s, k, k, store.Condition{})
	}
	c.Keep()
	for _, err := range s.List(t.Context(), store.ListOptions{}) {
		if err != nil {
			t.Error(err)
		}
		break
	}
	if n := c.Counts()["List Blobs"]; n != 1 {
		t.Errorf("%d pages", n)
	}
}
