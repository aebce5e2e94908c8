package gcs_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/gcs"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

func jsonError(reason string) string {
	return `{"error":{"code":0,"message":"because","errors":[{"domain":"global","reason":"` + reason + `","message":"because"}]}}`
}

// TestKinds: what each status means, by operation.
func TestKinds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	after := http.Header{"Retry-After": {"7"}}
	const xmlNoKey = `<?xml version='1.0'?><Error><Code>NoSuchKey</Code><Message>m</Message></Error>`
	const xmlNoBucket = `<?xml version='1.0'?><Error><Code>NoSuchBucket</Code><Message>m</Message></Error>`
	for _, x := range []struct {
		ops    string
		status int
		header http.Header
		body   string
		want   store.Kind
		after  time.Duration
	}{
		{"head open put delete list update check", 401, nil, jsonError("authError"), store.Denied, 0},
		{"head open put delete list update check", 403, nil, jsonError("forbidden"), store.Denied, 0},
		{"head put delete list update check", 403, after, jsonError("rateLimitExceeded"), store.Throttled, 7 * time.Second},
		{"head open put delete list update check", 429, after, jsonError("rateLimitExceeded"), store.Throttled, 7 * time.Second},
		{"head open put delete list update check", 503, after, jsonError("backendError"), store.Unavailable, 7 * time.Second},
		{"head open put delete list update check", 500, nil, "", store.Unavailable, 0},
		{"head open put delete list update check", 400, nil, jsonError("invalid"), store.Invalid, 0},
		{"put", 413, nil, "", store.TooLarge, 0},
		{"open put delete update", 412, nil, jsonError("conditionNotMet"), store.Precondition, 0},
		{"head update", 404, nil, jsonError("notFound"), store.NotFound, 0},
		{"put list check", 404, nil, jsonError("notFound"), store.Unavailable, 0},
		{"open", 404, nil, xmlNoKey, store.NotFound, 0},
		{"open", 404, nil, xmlNoBucket, store.Unavailable, 0},
		{"open delete", 404, nil, "<html>not found</html>", store.Unavailable, 0}, // and the listing says so as well
		{"open", 416, nil, "", store.Invalid, 0},
	} {
		for op := range strings.FieldsSeq(x.ops) {
			var err error
			r.with(answer(x.status, x.header, x.body), func() { err = r.operations(t)[op]() })
			e, ok := errors.AsType[*store.Error](err)
			if !ok {
				t.Errorf("%s with %d: %v is no *store.Error", op, x.status, err)
				continue
			}
			if e.Kind != x.want || e.RetryAfter != x.after {
				t.Errorf("%s with %d %s: Kind %v after %v, want %v after %v: %v", op, x.status, x.body, e.Kind, e.RetryAfter, x.want, x.after, err)
			}
			if strings.ContainsAny(err.Error(), "\r\n") {
				t.Errorf("%s with %d: more than one line: %q", op, x.status, err)
			}
		}
	}
}

// TestNotFoundWithoutCode: a 404 that does not say what is missing means the
// key only when a listing of the bucket agrees.
func TestNotFoundWithoutCode(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	vague := func(w http.ResponseWriter, req *http.Request, face http.Handler) bool {
		if strings.HasPrefix(req.URL.Path, "/bucket/") {
			http.Error(w, "Not Found", http.StatusNotFound)
			return true
		}
		return false
	}
	open := func() (err error) {
		r.with(vague, func() { _, err = r.Open(t.Context(), "k", store.ReadOptions{}) })
		return err
	}
	if err := open(); store.KindOf(err) != store.NotFound {
		t.Errorf("absent: %v, want Kind not found", err)
	}
	r.must(t)(r.Put(t.Context(), "k", store.Bytes("x"), store.PutOptions{}))
	if err := open(); store.KindOf(err) != store.Unavailable {
		t.Errorf("there, though the read says 404: %v, want Kind unavailable", err)
	}
}

// TestNoBucket: a bucket that is not there is never a key that is not there.
func TestNoBucket(t *testing.T) {
	t.Parallel()
	_, client := serve(t, cloudsim.GCSOptions{})
	s := gcs.New(client, "missing", "", small())
	ctx := t.Context()
	_, openErr := s.Open(ctx, "k", store.ReadOptions{})
	_, putErr := s.Put(ctx, "k", store.Bytes("x"), store.PutOptions{})
	_, largeErr := s.Put(ctx, "k", store.Bytes(make([]byte, 600<<10)), store.PutOptions{})
	var listErr error
	for _, listErr = range s.List(ctx, store.ListOptions{}) {
	}
	for what, err := range map[string]error{
		"Open": openErr, "Put": putErr, "Put large": largeErr, "List": listErr,
		"Delete": s.Delete(ctx, "k", store.Condition{}), "Check": s.Check(ctx),
	} {
		if store.KindOf(err) != store.Unavailable {
			t.Errorf("%s: %v, want Kind unavailable", what, err)
		}
	}
	if msg := s.Check(ctx).Error(); !strings.Contains(msg, "the bucket missing does not exist: create it") {
		t.Errorf("Check does not say what to do: %s", msg)
	}
}

func TestDenied(t *testing.T) {
	t.Parallel()
	core, client := serve(t, cloudsim.GCSOptions{Token: "secret-token"})
	core.CreateBucket("bucket", false)
	err := gcs.New(client, "bucket", "", small()).Check(t.Context())
	if store.KindOf(err) != store.Denied || !strings.Contains(err.Error(), "grant roles/") {
		t.Errorf("Check without permission: %v", err)
	}
}

func TestCancelledIsUnknown(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := r.Head(ctx, "k")
	if !errors.Is(err, context.Canceled) || store.KindOf(err) != store.Unknown {
		t.Errorf("Head: %v of Kind %v", err, store.KindOf(err))
	}
}

// TestOpenURL is not parallel: it sets the environment.
func TestOpenURL(t *testing.T) {
	core := cloudsim.NewCore(nil)
	core.CreateBucket("bucket", false)
	base, stop := cloudsim.Serve(cloudsim.NewGCS(core, cloudsim.GCSOptions{}))
	defer stop()
	open := func(raw string) (store.Store, error) {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		return gcs.Open(t.Context(), u)
	}
	for _, host := range []string{base, strings.TrimPrefix(base, "http://")} {
		t.Setenv("STORAGE_EMULATOR_HOST", host)
		s, err := open("gs://bucket/pre%20fix/")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Put(t.Context(), "k", store.Bytes("x"), store.PutOptions{}); err != nil {
			t.Error(err)
		}
		if core.Bucket("bucket").Get("pre fix/k") == nil {
			t.Error("the object is not below the prefix")
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	for raw, want := range map[string]string{
		"gs://bucket?region=x": `unknown parameter "region"`,
		"gs:///prefix":         "not of the form gs://bucket/prefix",
	} {
		if _, err := open(raw); store.KindOf(err) != store.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", raw, err, want)
		}
	}
	t.Setenv("STORAGE_EMULATOR_HOST", "")
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(t.TempDir(), "none.json"))
	_, err := open("gs://bucket")
	if store.KindOf(err) != store.Denied || !strings.Contains(err.Error(), "set GOOGLE_APPLICATION_CREDENTIALS") {
		t.Errorf("without credentials: %v", err)
	}
}
