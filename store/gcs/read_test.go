package gcs_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// TestRequestCounts: what each operation costs.
func TestRequestCounts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	attrs := store.Attrs{
		ContentType: "text/plain", CacheControl: "no-cache", ContentDisposition: "inline", ContentLanguage: "de",
		Metadata: map[string]string{"crossfade": "v1 from=s3://a/b", "a": "b"},
	}
	count := func(what string, want map[string]int, f func() error) {
		t.Helper()
		r.rec.Keep()
		if err := f(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if got := r.rec.Counts(); !maps.Equal(got, want) {
			t.Errorf("%s costs %v, want %v", what, got, want)
		}
	}
	open := func(key string) func() error {
		return func() error {
			o, err := r.Open(t.Context(), key, store.ReadOptions{})
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, o.Body)
			return errors.Join(err, o.Body.Close())
		}
	}
	var v store.Version
	count("Put", map[string]int{"objects.insert": 1}, func() error {
		o, err := r.Put(t.Context(), "k", store.Bytes("x"), store.PutOptions{If: store.IfAbsent(), Attrs: attrs})
		if err == nil {
			v = o.Version
		}
		return err
	})
	count("Head", map[string]int{"objects.get": 1}, r.operations(t)["head"])
	count("Open", map[string]int{"media.get": 1}, open("k"))
	count("List", map[string]int{"objects.list": 1}, r.operations(t)["list"])
	count("Update", map[string]int{"objects.get": 1, "objects.patch": 1}, func() error {
		o, err := r.UpdateMetadata(t.Context(), "k", store.Attrs{}, store.IfMatch(v))
		if err == nil {
			v = o.Version
		}
		return err
	})
	count("Open of an object with no attributes", map[string]int{"media.get": 1}, open("k"))
	count("Delete", map[string]int{"objects.delete": 1}, func() error { return r.Delete(t.Context(), "k", store.IfMatch(v)) })
	count("Put large", map[string]int{"resumable.start": 1, "resumable.put": 3}, func() error {
		_, err := r.Put(t.Context(), "k", store.Bytes(make([]byte, 600<<10)), store.PutOptions{})
		return err
	})
	for what, a := range map[string]store.Attrs{
		"metadata beyond ASCII": {Metadata: map[string]string{"a": "ö"}},
		"header beyond ASCII":   {ContentDisposition: "attachment; filename=ö"},
		"the public default":    {CacheControl: "public, max-age=3600"},
	} {
		r.must(t)(r.Put(t.Context(), "k", store.Bytes("x"), store.PutOptions{Attrs: a}))
		count("Open with "+what, map[string]int{"media.get": 1, "objects.get": 1}, open("k"))
	}
}

// TestOpenTellsWhatHeadTells for objects as other writers make them, with what
// the headers of a read add, drop or change.
func TestOpenTellsWhatHeadTells(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for i, a := range []cloudsim.Object{
		{},
		{ContentType: "text/html", CacheControl: "no-store", ContentEncoding: "br", ContentDisposition: "inline", ContentLanguage: "fr"},
		{CacheControl: "public, max-age=3600"},
		{CacheControl: "public, max-age=60"},
		{ContentEncoding: "gzip"},
		{ContentEncoding: "gzip", CacheControl: "no-transform"},
		{Metadata: map[string]string{"MyKey": "V", "under_score": "1", "a.b": "2"}},
		{Metadata: map[string]string{"k": "größer", "url": "https://x/a%20b?c=d+e"}},
		{ContentDisposition: `attachment; filename="größer"`},
		{Metadata: map[string]string{"word": "=?utf-8?b?eA==?="}},
	} {
		key := fmt.Sprintf("k%d", i)
		o := cloudsim.NewObject(key, []byte("stored bytes"))
		o.ContentType, o.CacheControl, o.ContentEncoding = a.ContentType, a.CacheControl, a.ContentEncoding
		o.ContentDisposition, o.ContentLanguage, o.Metadata = a.ContentDisposition, a.ContentLanguage, a.Metadata
		if _, err := r.bucket.Put(o, cloudsim.Origin{}, nil, nil); err != nil {
			t.Fatal(err)
		}
		head := r.must(t)(r.Head(t.Context(), key))
		opened, err := r.Open(t.Context(), key, store.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(opened.Body)
		if err != nil || string(body) != "stored bytes" {
			t.Errorf("%s holds %q, error %v", key, body, err)
		}
		_ = opened.Body.Close()
		opened.ModTime, head.ModTime = opened.ModTime.Truncate(1e9), head.ModTime.Truncate(1e9)
		if !opened.ModTime.Equal(head.ModTime) {
			t.Errorf("%s: Open tells time %v, Head %v", key, opened.ModTime, head.ModTime)
		}
		opened.ModTime = head.ModTime
		if !reflect.DeepEqual(&opened.Object, head) {
			t.Errorf("%s: Open tells\n%+v, Head\n%+v", key, opened.Object, head)
		}
		for listed, err := range r.List(t.Context(), store.ListOptions{Until: key}) {
			if err != nil {
				t.Fatal(err)
			}
			if listed.Key == key {
				listed.ModTime = head.ModTime
				if !reflect.DeepEqual(listed, head) {
					t.Errorf("%s: List tells\n%+v, Head\n%+v", key, listed, head)
				}
			}
		}
	}
}

// TestDamagedReads: what a broken server or network sends is never taken for
// the object.
func TestDamagedReads(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	body := []byte(strings.Repeat("0123456789", 1000))
	r.must(t)(r.Put(t.Context(), "k", store.Bytes(body), store.PutOptions{}))
	change := func(f func(rec *httptest.ResponseRecorder)) fault {
		return func(w http.ResponseWriter, req *http.Request, face http.Handler) bool {
			rec := httptest.NewRecorder()
			face.ServeHTTP(rec, req)
			f(rec)
			maps.Copy(w.Header(), rec.Header())
			w.WriteHeader(rec.Code)
			_, _ = w.Write(rec.Body.Bytes())
			return true
		}
	}
	for name, x := range map[string]struct {
		fault fault
		kind  store.Kind
	}{
		"a bit": {change(func(rec *httptest.ResponseRecorder) { rec.Body.Bytes()[77] ^= 4 }), store.Corrupt},
		"a shorter one": {change(func(rec *httptest.ResponseRecorder) {
			rec.Body.Truncate(9000)
			rec.Header().Set("Content-Length", "9000")
		}), store.Corrupt},
		"a longer one": {change(func(rec *httptest.ResponseRecorder) {
			rec.Body.WriteString("x")
			rec.Header().Set("Content-Length", "10001")
		}), store.Corrupt},
		"decoded": {change(func(rec *httptest.ResponseRecorder) {
			rec.Header().Set("X-Goog-Stored-Content-Encoding", "gzip")
		}), store.Corrupt},
		"no generation": {change(func(rec *httptest.ResponseRecorder) { rec.Header().Del("X-Goog-Generation") }), store.Unknown},
	} {
		r.with(x.fault, func() {
			o, err := r.Open(t.Context(), "k", store.ReadOptions{})
			if err == nil {
				_, err = io.ReadAll(o.Body)
				_ = o.Body.Close()
			}
			if err == nil || store.KindOf(err) != x.kind {
				t.Errorf("%s: error %v, want Kind %v", name, err, x.kind)
			}
		})
	}
	// Emulators tell no metageneration: the attributes are then asked for.
	r.with(change(func(rec *httptest.ResponseRecorder) { rec.Header().Del("X-Goog-Metageneration") }), func() {
		head := r.must(t)(r.Head(t.Context(), "k"))
		o, err := r.Open(t.Context(), "k", store.ReadOptions{Version: head.Version})
		if err != nil || o.Version != head.Version {
			t.Errorf("no metageneration: %+v, error %v", o, err)
		}
		if err == nil {
			_ = o.Body.Close()
		}
	})
	other := change(func(rec *httptest.ResponseRecorder) { rec.Header().Set("X-Goog-Generation", "5") })
	v := r.must(t)(r.Head(t.Context(), "k")).Version
	r.with(other, func() {
		if _, err := r.Open(t.Context(), "k", store.ReadOptions{Version: v}); store.KindOf(err) != store.Precondition {
			t.Errorf("a server that ignores the pin: %v, want Kind precondition", err)
		}
	})
}

// cut sends half of the body and breaks the connection.
func cut(w http.ResponseWriter, req *http.Request, face http.Handler) bool {
	rec := httptest.NewRecorder()
	face.ServeHTTP(rec, req)
	maps.Copy(w.Header(), rec.Header())
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes()[:rec.Body.Len()/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// TestCutReads are continued on the same generation, or fail.
func TestCutReads(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	one := bytes.Repeat([]byte("one "), 100_000)
	r.must(t)(r.Put(t.Context(), "k", store.Bytes(one), store.PutOptions{}))
	r.with(times(2, cut), func() {
		o, err := r.Open(t.Context(), "k", store.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(o.Body)
		if err != nil || !bytes.Equal(got, one) {
			t.Errorf("a read that was cut twice yields %d bytes, error %v", len(got), err)
		}
		_ = o.Body.Close()
	})
	r.with(times(1, cut), func() {
		o, err := r.Open(t.Context(), "k", store.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		r.must(t)(r.Put(t.Context(), "k", store.Bytes(bytes.Repeat([]byte("two "), 100_000)), store.PutOptions{}))
		got, err := io.ReadAll(o.Body)
		if err == nil || !bytes.Equal(got, one[:len(got)]) {
			t.Errorf("a read that was cut while another wrote yields %d bytes, error %v", len(got), err)
		}
		if k := store.KindOf(err); k != store.NotFound && k != store.Precondition {
			t.Errorf("Kind %v: %v", k, err)
		}
		_ = o.Body.Close()
	})
}

// TestPins: a pin means bytes and attributes; what is no version matches nothing.
func TestPins(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	v := r.must(t)(r.Put(t.Context(), "k", store.Bytes("one"), store.PutOptions{})).Version
	if _, err := r.UpdateMetadata(t.Context(), "k", store.Attrs{CacheControl: "no-store"}, store.IfMatch(v)); err != nil {
		t.Fatal(err)
	}
	_, err := r.Open(t.Context(), "k", store.ReadOptions{Version: v})
	if store.KindOf(err) != store.Precondition {
		t.Errorf("bytes with attributes of another version: %v, want Kind precondition", err)
	}
	for _, v := range []store.Version{"x", "1", "1.", "-1.1", "0.0", "1.1.1", `"etag"`} {
		if _, err := r.Open(t.Context(), "k", store.ReadOptions{Version: v}); store.KindOf(err) != store.Precondition {
			t.Errorf("Open of version %q: %v, want Kind precondition", v, err)
		}
		if _, err := r.Put(t.Context(), "k", store.Bytes("x"), store.PutOptions{If: store.IfMatch(v)}); store.KindOf(err) != store.Precondition {
			t.Errorf("Put on version %q: %v, want Kind precondition", v, err)
		}
		if err := r.Delete(t.Context(), "k", store.IfMatch(v)); store.KindOf(err) != store.Precondition {
			t.Errorf("Delete of version %q: %v, want Kind precondition", v, err)
		}
	}
}
