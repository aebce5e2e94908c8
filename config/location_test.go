package config

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/store"
)

func TestParseLocation(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ raw, scheme, bucket, prefix, id, url string }{
		{"s3://photos", "s3", "photos", "", "s3://photos/", "s3://photos/"},
		{"s3://photos/", "s3", "photos", "", "s3://photos/", "s3://photos/"},
		{"S3://photos/2024", "s3", "photos", "2024/", "s3://photos/2024/", "s3://photos/2024/"},
		{"s3://photos/a/b/?region=eu-west-1&endpoint=http://127.0.0.1:9000&path_style=true", "s3", "photos", "a/b/", "s3://photos/a/b/", "s3://photos/a/b/?region=eu-west-1&endpoint=http://127.0.0.1:9000&path_style=true"},
		{"s3://photos//a", "s3", "photos", "/a/", "s3://photos//a/", "s3://photos//a/"},
		{"s3://photos/a/../b", "s3", "photos", "a/../b/", "s3://photos/a/../b/", "s3://photos/a/../b/"},
		{"gs://my.bucket_1/a%20b%3Fc%23/", "gs", "my.bucket_1", "a b?c#/", "gs://my.bucket_1/a b?c#/", "gs://my.bucket_1/a%20b%3Fc%23/"},
		{"gs://photos/é", "gs", "photos", "é/", "gs://photos/é/", "gs://photos/%C3%A9/"},
		{"az://$web/x", "az", "$web", "x/", "az://$web/x/", "az://$web/x/"},
		{"https://acct.blob.core.windows.net/photos/2024?sv=1&sig=SECRET", "az", "photos", "2024/", "az://photos/2024/", "https://acct.blob.core.windows.net/photos/2024/?sv=1&sig=SECRET"},
		{"https://acct.blob.core.windows.net/photos", "az", "photos", "", "az://photos/", "https://acct.blob.core.windows.net/photos/"},
		{"https://acct.z12.blob.storage.azure.net/photos/", "az", "photos", "", "az://photos/", "https://acct.z12.blob.storage.azure.net/photos/"},
		{"file:///srv/data", "file", "/srv/data", "", "file:///srv/data", "file:///srv/data"},
		{"file:///srv//data/../x/", "file", "/srv/x", "", "file:///srv/x", "file:///srv/x"},
		{"file://localhost/srv/a%20b", "file", "/srv/a b", "", "file:///srv/a b", "file:///srv/a%20b"},
		{"file:///", "file", "/", "", "file:///", "file:///"},
	} {
		l, err := ParseLocation(x.raw)
		if err != nil {
			t.Errorf("%s: %v", x.raw, err)
			continue
		}
		if l.Scheme != x.scheme || l.Bucket() != x.bucket || l.Prefix() != x.prefix || l.ID() != x.id || l.URL.String() != x.url {
			t.Errorf("%s: scheme %q bucket %q prefix %q ID %q URL %q", x.raw, l.Scheme, l.Bucket(), l.Prefix(), l.ID(), l.URL)
		}
		again, err := ParseLocation(l.URL.String())
		if err != nil || again.ID() != l.ID() {
			t.Errorf("%s: parsed again it is %q, %v", x.raw, again.ID(), err)
		}
	}
}

func TestParseLocationErrors(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ raw, want string }{
		{"", "nothing given: write s3://"},
		{"  ", "nothing given"},
		{"./dir", "for a directory write file:///"},
		{"/srv/data", "write file:///srv/data, else s3://"},
		{"photos", "no scheme"},
		{"s3:photos", "a URL with ://"},
		{"gcs://photos", "did you mean gs://?"},
		{"Azure://photos", "did you mean az://?"},
		{"s3a://photos", "did you mean s3://?"},
		{"ftp://photos", `unknown scheme "ftp": write s3://`},
		{"http://127.0.0.1:9000/photos", "s3://bucket?endpoint=http://host:port"},
		{"https://example.com/photos", "s3://bucket?endpoint=https://example.com"},
		{"https://a.b.blob.core.windows.net/photos", "is not of Azure"},
		{"https://acct.blob.core.windows.net/", "no container named"},
		{"s3://", "no bucket named: write s3://bucket/prefix"},
		{"az:///x", "no container named"},
		{"s3://photos:9000/x", "?endpoint="},
		{"s3://$web/", "only letters"},
		{"gs://pho tos/", "not a valid URL"},
		{"gs://ab/", "3 to 63"},
		{"s3://photos/a#b", "written %23"},
		{"s3://photos/a#", "written %23"},
		{"s3://photos/%zz", `"%zz" is no percent-encoding`},
		{"s3://photos/%ff", "not UTF-8"},
		{"s3://photos/" + strings.Repeat("x", 1024), "1024 at most"},
		{"file://dir/x", "file:///path/of/dir/x"},
		{"file://./dir", "three slashes"},
		{"file://", "no directory named"},
		{"file:///a%00b", "NUL"},
		{"s3://AKIAEXAMPLE:hunter2@photos/x", "credentials do not belong"},
		{"s3://AKIAEXAMPLE:hun/ter2@photos/x", "credentials do not belong"},
		{"gs://x?sig=hunter2", "3 to 63"},
	} {
		_, err := ParseLocation(x.raw)
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: error %v, want one with %q", x.raw, err, x.want)
		}
		if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "ter2") || strings.Contains(err.Error(), "AKIA")) {
			t.Errorf("%s: the error repeats a credential: %v", x.raw, err)
		}
	}
}

func TestLocationIsSafeToPrint(t *testing.T) {
	t.Parallel()
	l, err := ParseLocation("https://acct.blob.core.windows.net/photos/?sig=hunter2")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	slog.New(slog.NewJSONHandler(&b, nil)).Info("x", "source", l)
	slog.New(slog.NewTextHandler(&b, nil)).Info("x", "source", l, "s", l.String())
	if strings.Contains(b.String(), "hunter2") || !strings.Contains(b.String(), "az://photos/") {
		t.Errorf("logged as %s", b.String())
	}
}

func TestRelative(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		raw, key, rel string
		ok            bool
	}{
		{"s3://photos", "a/b", "a/b", true},
		{"s3://photos", "", "", false},
		{"s3://photos/a", "a/b", "b", true},
		{"s3://photos/a", "a//b", "/b", true},
		{"s3://photos/a", "a/", "", false},
		{"s3://photos/a", "a", "", false},
		{"s3://photos/a", "ab/c", "", false},
		{"s3://photos/a", "x/a/b", "", false},
	} {
		l, err := ParseLocation(x.raw)
		if err != nil {
			t.Fatal(err)
		}
		rel, ok := l.Relative(x.key)
		if ok != x.ok || ok && rel != x.rel {
			t.Errorf("%s: Relative(%q) is %q, %v", x.raw, x.key, rel, ok)
		}
	}
}

func TestOverlaps(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		a, b string
		want bool
	}{
		{"s3://photos", "s3://photos", true},
		{"s3://photos", "s3://photos/a", true},
		{"s3://photos/a", "s3://photos/b", false},
		{"s3://photos/a", "s3://photos/ab", false},
		{"s3://photos/a/b", "s3://photos/a", true},
		{"s3://photos", "gs://photos", false},
		{"s3://photos", "s3://photo", false},
		{"s3://photos?region=x", "s3://photos?region=y", true},
		{"s3://photos?endpoint=http://h:1", "s3://photos", false},
		{"s3://photos?endpoint=http://h:1", "s3://photos?endpoint=http://h:1", true},
		{"az://photos", "https://acct.blob.core.windows.net/photos/x", true},
		{"https://one.blob.core.windows.net/photos", "https://two.blob.core.windows.net/photos", false},
		{"file:///a", "file:///a/b", true},
		{"file:///a", "file:///ab", false},
		{"file:///", "file:///ab", true},
	} {
		a, err := ParseLocation(x.a)
		if err != nil {
			t.Fatal(err)
		}
		b, err := ParseLocation(x.b)
		if err != nil {
			t.Fatal(err)
		}
		if a.Overlaps(b) != x.want || b.Overlaps(a) != x.want {
			t.Errorf("%s and %s: %v, %v, want %v", a, b, a.Overlaps(b), b.Overlaps(a), x.want)
		}
	}
}

// checked is a store that only knows how to be checked and closed.
type checked struct {
	store.Store
	err    error
	closed *bool
}

func (c checked) Check(context.Context) error { return c.err }
func (c checked) Close() error                { *c.closed = true; return nil }

type wrapper struct{ store.Store }

func (w wrapper) Unwrap() store.Store { return w.Store }

func TestOpen(t *testing.T) {
	t.Parallel()
	l, err := ParseLocation("gs://photos/x")
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	_, err = l.Open(ctx, Openers{"s3": nil, "file": nil})
	if err == nil || !strings.Contains(err.Error(), "built without the gs driver; it has file, s3") {
		t.Errorf("missing driver: %v", err)
	}
	boom := errors.New("boom")
	_, err = l.Open(ctx, Openers{"gs": func(context.Context, *url.URL) (store.Store, error) { return nil, boom }})
	if !errors.Is(err, boom) || !strings.Contains(err.Error(), "gs://photos/x/") {
		t.Errorf("failing opener: %v", err)
	}
	for _, bad := range []error{nil, &store.Error{Op: "check", Kind: store.Denied}} {
		var closed bool
		s, err := l.Open(ctx, Openers{"gs": func(_ context.Context, u *url.URL) (store.Store, error) {
			if u.Path != "/x/" {
				t.Errorf("the opener got path %q", u.Path)
			}
			return wrapper{checked{err: bad, closed: &closed}}, nil
		}})
		if !errors.Is(err, bad) || closed != (bad != nil) || (s == nil) != (bad != nil) {
			t.Errorf("check says %v: store %v, error %v, closed %v", bad, s, err, closed)
		}
		if store.KindOf(err) != store.KindOf(bad) {
			t.Errorf("Kind %v became %v", store.KindOf(bad), store.KindOf(err))
		}
	}
}

func FuzzParseLocation(f *testing.F) {
	for _, s := range []string{"s3://bucket/a?region=x", "gs://b-c/%2F", "az://$web", "https://a.blob.core.windows.net/c/p?sig=1", "file:///a/../b", "./x", "s3://u:p@b/", "::", "s3://b#", "http://x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		l, err := ParseLocation(raw)
		if err != nil {
			if !strings.Contains(err.Error(), ":") || l.URL != nil {
				t.Errorf("%q: %v, %+v", raw, err, l)
			}
			return
		}
		if p := l.Prefix(); p != "" && !strings.HasSuffix(p, "/") || len(p) >= 1024 {
			t.Errorf("%q: prefix %q", raw, p)
		}
		if strings.Contains(l.ID(), l.URL.RawQuery) && l.URL.RawQuery != "" && !strings.Contains(l.Prefix()+l.Bucket(), l.URL.RawQuery) {
			t.Errorf("%q: the ID %q has the query", raw, l.ID())
		}
		again, err := ParseLocation(l.URL.String())
		if err != nil || again.ID() != l.ID() || again.Bucket() != l.Bucket() || again.Prefix() != l.Prefix() || again.URL.String() != l.URL.String() {
			t.Errorf("%q: %q parses again as %q (%v)", raw, l.URL, again.URL, err)
		}
		if rel, ok := l.Relative(l.Prefix() + "key"); !ok || rel != "key" {
			t.Errorf("%q: Relative is %q, %v", raw, rel, ok)
		}
	})
}
