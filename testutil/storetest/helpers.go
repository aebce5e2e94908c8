package storetest

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/crossfade-io/crossfade/store"
)

// put stores content and fails the case if it cannot.
func (t *T) put(key string, content store.Content, opts store.PutOptions) *store.Object {
	t.Helper()
	o, err := t.Store.Put(t.ctx, key, content, opts)
	if err != nil {
		t.Fatalf("Put %q: %v", key, err)
	}
	t.checkPutResult(key, content.Size(), o)
	return o
}

// checkPutResult requires what Put promises of the object it returns.
func (t *T) checkPutResult(key string, size int64, o *store.Object) {
	t.Helper()
	if o == nil {
		t.Fatalf("Put %q returned neither object nor error", key)
	}
	if o.Key != key || o.Size != size || o.Version == "" {
		t.Errorf("Put %q returned key %q, size %d (want %d), version %q", key, o.Key, o.Size, size, o.Version)
	}
}

// head returns what Head says and fails the case if it cannot.
func (t *T) head(key string) *store.Object {
	t.Helper()
	o, err := t.Store.Head(t.ctx, key)
	if err != nil {
		t.Fatalf("Head %q: %v", key, err)
	}
	if o.Key != key || o.Partial {
		t.Errorf("Head %q returned key %q, partial %v", key, o.Key, o.Partial)
	}
	return o
}

// read returns the object and all bytes that opts choose.
func (t *T) read(key string, opts store.ReadOptions) (*store.Object, []byte) {
	t.Helper()
	o, b, err := t.tryRead(key, opts)
	if err != nil {
		t.Fatalf("reading %q %+v: %v", key, opts, err)
	}
	return o, b
}

func (t *T) tryRead(key string, opts store.ReadOptions) (*store.Object, []byte, error) {
	r, err := t.Store.Open(t.ctx, key, opts)
	if err != nil {
		return nil, nil, err
	}
	n := r.Size - opts.Offset
	if opts.Length > 0 {
		n = min(n, opts.Length)
	}
	b, err := readAll(r.Body, n)
	if cerr := r.Body.Close(); err == nil {
		err = cerr
	}
	return &r.Object, b, err
}

// readAll reads r to its end, into a buffer of about the n bytes that are
// expected: one that grows step by step costs several times the copying.
func readAll(r io.Reader, n int64) ([]byte, error) {
	var b bytes.Buffer
	b.Grow(int(min(max(n, 0), 64<<20)) + bytes.MinRead)
	_, err := b.ReadFrom(r)
	return b.Bytes(), err
}

// wantObject requires that key holds body, by Head, Open and List alike, and
// returns what Head said.
func (t *T) wantObject(key string, body []byte) *store.Object {
	t.Helper()
	h := t.head(key)
	o, got := t.read(key, store.ReadOptions{})
	if !bytes.Equal(got, body) {
		t.Errorf("%q holds %s, want %s", key, sketch(got), sketch(body))
	}
	truth := store.ChecksumsOf(body, told(h.Checksums, o.Checksums))
	for name, x := range map[string]*store.Object{"Head": h, "Open": o} {
		if x.Size != int64(len(body)) {
			t.Errorf("%s %q tells size %d, want %d", name, key, x.Size, len(body))
		}
		if x.Key != key {
			t.Errorf("%s %q tells key %q", name, key, x.Key)
		}
		if d := x.Checksums.Differ(truth); d != "" {
			t.Errorf("%s %q tells a %s that is not that of the bytes", name, key, d)
		}
		if x.ModTime.IsZero() {
			t.Errorf("%s %q tells no modification time", name, key)
		}
	}
	if o.Version != h.Version || h.Version == "" {
		t.Errorf("%q: Open tells version %q, Head %q", key, o.Version, h.Version)
	}
	if d := attrsDiffer(h.Attrs, o.Attrs); d != "" {
		t.Errorf("%q: Head and Open differ in %s", key, d)
	}
	return h
}

// told asks for those checksums that either knows: the others cost time.
func told(a, b store.Checksums) store.Checksums {
	var want store.Checksums
	if a.CRC64NVME != nil || b.CRC64NVME != nil {
		want.CRC64NVME = []byte{}
	}
	if a.MD5 != nil || b.MD5 != nil {
		want.MD5 = []byte{}
	}
	return want
}

// wantAbsent requires that nothing is stored under key.
func (t *T) wantAbsent(key string) {
	t.Helper()
	if o, err := t.Store.Head(t.ctx, key); store.KindOf(err) != store.NotFound || err == nil {
		t.Errorf("Head %q: object %v, error %v, want Kind not found", key, o, err)
	}
	if o, b, err := t.tryRead(key, store.ReadOptions{}); store.KindOf(err) != store.NotFound || err == nil {
		t.Errorf("Open %q: object %v, %s, error %v, want Kind not found", key, o, sketch(b), err)
	}
}

// keys returns the keys of a listing, and requires their order and bounds.
func (t *T) keys(opts store.ListOptions) []string {
	t.Helper()
	objects := t.list(opts)
	keys := make([]string, len(objects))
	for i, o := range objects {
		keys[i] = o.Key
	}
	return keys
}

func (t *T) list(opts store.ListOptions) []*store.Object {
	t.Helper()
	var all []*store.Object
	for o, err := range t.Store.List(t.ctx, opts) {
		if err != nil {
			t.Fatalf("List %+v: %v", opts, err)
		}
		if o.Key <= opts.After || opts.Until != "" && o.Key > opts.Until {
			t.Errorf("List %+v yields %q, out of its bounds", opts, o.Key)
		}
		if n := len(all); n > 0 && o.Key <= all[n-1].Key {
			t.Errorf("List %+v yields %q after %q", opts, o.Key, all[n-1].Key)
		}
		all = append(all, o)
	}
	return all
}

// wantKeys requires that the whole listing is just keys.
func (t *T) wantKeys(keys ...string) {
	t.Helper()
	want := slices.Sorted(slices.Values(keys))
	if got := t.keys(store.ListOptions{}); !slices.Equal(got, want) {
		t.Errorf("List yields %q, want %q", got, want)
	}
}

// wantKind requires that err is an *Error of one of kinds.
func (t *T) wantKind(what string, err error, kinds ...store.Kind) {
	t.Helper()
	if err == nil {
		t.Errorf("%s succeeded, want Kind %v", what, kinds)
		return
	}
	e, ok := errors.AsType[*store.Error](err)
	if !ok {
		t.Errorf("%s: error %v (%T) is no *store.Error", what, err, err)
		return
	}
	if !slices.Contains(kinds, e.Kind) {
		t.Errorf("%s: Kind %v, want one of %v: %v", what, e.Kind, kinds, err)
	}
}

// body returns n random bytes.
func (t *T) body(n int64) []byte { return Synthetic{Seed: t.rng.Uint64(), Length: n}.Bytes() }

// sizes are the body sizes that most cases are run with.
func (t *T) small() int64 { return 1000 + t.rng.Int64N(3000) }

// attrsDiffer names what differs between two Attrs, metadata names compared
// without regard to case, or returns "".
func attrsDiffer(a, b store.Attrs) string {
	for _, x := range []struct{ name, a, b string }{
		{"Content-Type", a.ContentType, b.ContentType},
		{"Cache-Control", a.CacheControl, b.CacheControl},
		{"Content-Encoding", a.ContentEncoding, b.ContentEncoding},
		{"Content-Disposition", a.ContentDisposition, b.ContentDisposition},
		{"Content-Language", a.ContentLanguage, b.ContentLanguage},
	} {
		if x.a != x.b {
			return x.name + ": " + sketch([]byte(x.a)) + " and " + sketch([]byte(x.b))
		}
	}
	fa, fb := folded(a.Metadata), folded(b.Metadata)
	if !maps.Equal(fa, fb) {
		return "metadata: " + sketchMap(fa) + " and " + sketchMap(fb)
	}
	return ""
}

func folded(m map[string]string) map[string]string {
	f := make(map[string]string, len(m))
	for k, v := range m {
		f[strings.ToLower(k)] = v
	}
	return f
}

// near reports whether two times are the same to the resolution of the store.
func (t *T) near(a, b time.Time) bool {
	d := a.Sub(b)
	return d < t.ModTimeResolution && d > -t.ModTimeResolution
}
