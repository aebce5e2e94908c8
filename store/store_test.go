package store_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/crossfade-io/crossfade/store"
)

func TestVersionCovers(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		v, listed store.Version
		want      bool
	}{
		{"abc", "abc", true},
		{"abc@1", "abc", true},
		{"abc@1", "abc@1", true},
		{"abc@null", "abc", true},
		{"abc@1", "abc@", false},
		{"abc@1", "abc@2", false},
		{"abc", "abc@1", false},
		{"abc", "ab", false},
		{"abcd", "abc", false},
		{"abc@1", "", false},
		{"@1", "", false},
		{"", "", true},
		{"", "abc", false},
	} {
		if got := x.v.Covers(x.listed); got != x.want {
			t.Errorf("%q covers %q: %v, want %v", x.v, x.listed, got, x.want)
		}
	}
}

type plain struct{ store.Store }

type checker struct{ store.Store }

func (checker) Check(context.Context) error { return errors.New("checked") }

type decorator struct{ inner store.Store }

func (d decorator) Unwrap() store.Store { return d.inner }

type decorated struct {
	store.Store
	decorator
}

func wrap(s store.Store, times int) store.Store {
	for range times {
		s = decorated{decorator: decorator{s}}
	}
	return s
}

func TestAs(t *testing.T) {
	t.Parallel()
	for depth := range 4 {
		c, ok := store.As[store.Checker](wrap(checker{}, depth))
		if !ok || c.Check(t.Context()).Error() != "checked" {
			t.Errorf("a capability below %d decorators is not found", depth)
		}
		if u, ok := store.As[store.MetadataUpdater](wrap(checker{}, depth)); ok || u != nil {
			t.Errorf("a capability that nobody has was found below %d decorators", depth)
		}
		if _, ok := store.As[store.Checker](wrap(plain{}, depth)); ok {
			t.Errorf("depth %d: a plain store has a capability", depth)
		}
	}
	if _, ok := store.As[store.Checker](nil); ok {
		t.Error("nil has a capability")
	}
	if _, ok := store.As[store.Checker](decorated{}); ok {
		t.Error("a decorator of nothing has a capability")
	}
}

func TestErrorText(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	for _, x := range []struct {
		err  *store.Error
		want string
	}{
		{&store.Error{Op: "head", Store: "s3://b", Key: "a/b", Kind: store.NotFound, Err: cause}, "head s3://b/a/b: not found: cause"},
		{&store.Error{Op: "list", Store: "s3://b", Kind: store.Denied}, "list s3://b: denied"},
		{&store.Error{Op: "put", Store: "s3://b", Key: "a\nb\x00\x7f", Kind: store.Precondition}, "put s3://b/a\uFFFDb\uFFFD\uFFFD: precondition failed"},
		{&store.Error{Op: "put", Store: "s3://b", Key: "a\u2028\u009b\u202eb", Kind: store.Precondition}, "put s3://b/a\uFFFD\uFFFD\uFFFDb: precondition failed"},
		{&store.Error{Op: "put", Store: "s3://b", Key: "k", Kind: 99}, "put s3://b/k: unknown"},
	} {
		if got := x.err.Error(); got != x.want {
			t.Errorf("%q, want %q", got, x.want)
		}
	}
}

func TestKindOf(t *testing.T) {
	t.Parallel()
	denied := &store.Error{Kind: store.Denied, Err: io.EOF}
	for _, x := range []struct {
		err  error
		want store.Kind
	}{
		{nil, store.Unknown},
		{io.EOF, store.Unknown},
		{denied, store.Denied},
		{fmt.Errorf("wrapped: %w", denied), store.Denied},
		{&store.Error{Kind: store.Throttled, Err: denied}, store.Throttled},
		{errors.Join(io.EOF, denied), store.Denied},
	} {
		if got := store.KindOf(x.err); got != x.want {
			t.Errorf("%v: %v, want %v", x.err, got, x.want)
		}
	}
	if !errors.Is(denied, io.EOF) {
		t.Error("the cause is not unwrapped")
	}
}

func TestRetryable(t *testing.T) {
	t.Parallel()
	for k, want := range map[store.Kind]bool{
		store.Unknown: true, store.NotFound: false, store.Precondition: true, store.Denied: false, store.Throttled: true,
		store.Archived: false, store.Invalid: false, store.TooLarge: false, store.Corrupt: true, store.Unavailable: true,
	} {
		if k.Retryable() != want {
			t.Errorf("%v: retryable is %v", k, !want)
		}
		if k != store.Unknown && k.String() == "unknown" {
			t.Errorf("Kind %d has no name", k)
		}
	}
}

func TestBytes(t *testing.T) {
	t.Parallel()
	b := store.Bytes("0123456789")
	for _, r := range [][2]int64{{0, 10}, {0, 0}, {10, 0}, {3, 4}} {
		rd, err := b.Open(t.Context(), r[0], r[1])
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(rd)
		if err != nil || string(got) != string(b[r[0]:r[0]+r[1]]) {
			t.Errorf("%v: %q, %v", r, got, err)
		}
	}
	for _, r := range [][2]int64{{-1, 2}, {0, -1}, {0, 11}, {11, 0}, {9, 2}} {
		if _, err := b.Open(t.Context(), r[0], r[1]); err == nil {
			t.Errorf("%v was opened", r)
		}
	}
}

// reader is a Content whose readers yield body, whatever is asked for.
type reader struct {
	size     int64
	body     string
	err      error
	closeErr error
	closed   *int
}

func (r reader) Size() int64 { return r.size }

func (r reader) Open(context.Context, int64, int64) (io.ReadCloser, error) {
	var rd io.Reader = strings.NewReader(r.body)
	if r.err != nil {
		rd = io.MultiReader(rd, errReader{r.err})
	}
	return closer{rd, r}, nil
}

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }

type closer struct {
	io.Reader
	r reader
}

func (c closer) Close() error { *c.r.closed++; return c.r.closeErr }

func TestReadContent(t *testing.T) {
	t.Parallel()
	boom := errors.New("boom")
	for _, x := range []struct {
		name string
		r    reader
		want error // nil: read; else what the error is
		text string
	}{
		{"exact", reader{body: "12345"}, nil, ""},
		{"short", reader{body: "123"}, io.ErrUnexpectedEOF, "after 3 of 5 bytes"},
		{"empty", reader{body: ""}, io.ErrUnexpectedEOF, "after 0 of 5 bytes"},
		{"long", reader{body: "123456"}, nil, "goes on after the promised 5 bytes"},
		{"fails", reader{body: "123", err: boom}, boom, ""},
		{"fails at the end", reader{body: "12345", err: boom}, boom, ""},
		{"fails in Close", reader{body: "12345", closeErr: boom}, boom, ""},
	} {
		var closed int
		x.r.closed = &closed
		buf := make([]byte, 5)
		err := store.ReadContent(t.Context(), x.r, 0, buf)
		switch {
		case x.want == nil && x.text == "":
			if err != nil || string(buf) != x.r.body {
				t.Errorf("%s: %q, %v", x.name, buf, err)
			}
		case err == nil, x.want != nil && !errors.Is(err, x.want), !strings.Contains(err.Error(), x.text):
			t.Errorf("%s: error %v, want %v, %q", x.name, err, x.want, x.text)
		}
		if closed != 1 {
			t.Errorf("%s: closed %d times", x.name, closed)
		}
	}
	if err := store.ReadContent(t.Context(), store.Bytes("12345"), 3, make([]byte, 3)); err == nil {
		t.Error("a range outside of Bytes was read")
	}
	var closed int
	if err := store.ReadContent(t.Context(), reader{body: "x", closed: &closed}, 0, nil); err == nil {
		t.Error("a byte where none was promised was not noticed")
	}
	if err := store.ReadContent(t.Context(), reader{closed: &closed}, 0, nil); err != nil {
		t.Errorf("an empty range: %v", err)
	}
}

func TestReadContentIsTheRange(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "body")
		off := rapid.IntRange(0, len(b)).Draw(t, "offset")
		n := rapid.IntRange(0, len(b)-off).Draw(t, "length")
		buf := make([]byte, n)
		if err := store.ReadContent(context.Background(), store.Bytes(b), int64(off), buf); err != nil || string(buf) != string(b[off:off+n]) {
			t.Fatalf("%x, %v", buf, err)
		}
	})
}
