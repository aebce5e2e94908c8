package azblob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/azblob"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// wantKind fails unless err has kind, and a text that gives nothing away.
func wantKind(t *testing.T, what string, err error, kind store.Kind) {
	t.Helper()
	if err == nil || store.KindOf(err) != kind {
		t.Errorf("%s: %v, want kind %v", what, err, kind)
		return
	}
	if s := err.Error(); strings.ContainsAny(s, "\n") || strings.Contains(s, "sig=") || strings.Contains(s, cloudsim.AzureAccountKey) {
		t.Errorf("%s: the error says too much: %s", what, s)
	}
}

func put(t *testing.T, s store.Store, key, body string, cond store.Condition) *store.Object {
	t.Helper()
	o, err := s.Put(t.Context(), key, store.Bytes(body), store.PutOptions{If: cond})
	if err != nil {
		t.Fatalf("Put %s: %v", key, err)
	}
	return o
}

// collect lists to the end.
func collect(ctx context.Context, s store.Store, opts store.ListOptions) (keys []string, err error) {
	for o, err := range s.List(ctx, opts) {
		if err != nil {
			return keys, err
		}
		keys = append(keys, o.Key)
	}
	return keys, nil
}

// TestRequests counts what each call asks of the service.
func TestRequests(t *testing.T) {
	t.Parallel()
	c := newCloud(t, cloudsim.AzureOptions{})
	s, _ := c.store(t, "p/", smallBlocks)
	put(t, s, "k", "v", store.Condition{})
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<16) // 1 MiB: 4 blocks
	for _, tt := range []struct {
		name string
		call func() error
		want map[string]int
	}{
		{"put", func() error { return second(s.Put(t.Context(), "k", store.Bytes("v"), store.PutOptions{})) }, map[string]int{"Put Blob": 1}},
		{"put at the limit", func() error {
			return second(s.Put(t.Context(), "k", store.Bytes(big[:256<<10]), store.PutOptions{}))
		}, map[string]int{"Put Blob": 1}},
		{"put large", func() error { return second(s.Put(t.Context(), "big", store.Bytes(big), store.PutOptions{})) }, map[string]int{"Put Block": 4, "Put Block List": 1}},
		{"head", func() error { return second(s.Head(t.Context(), "k")) }, map[string]int{"Get Blob Properties": 1}},
		{"open", func() error {
			r, err := s.Open(t.Context(), "k", store.ReadOptions{})
			if err != nil {
				return err
			}
			_, err = io.Copy(io.Discard, r.Body)
			return errors.Join(err, r.Body.Close())
		}, map[string]int{"Get Blob": 1}},
		{"delete", func() error { return s.Delete(t.Context(), "gone", store.Condition{}) }, map[string]int{"Delete Blob": 1}},
		{"list", func() error { return second(collect(t.Context(), s, store.ListOptions{})) }, map[string]int{"List Blobs": 1}},
		{"first list of a range", func() error { return second(collect(t.Context(), s, store.ListOptions{After: "a"})) }, map[string]int{"Get Account Information": 1, "List Blobs": 1}},
		{"second list of a range", func() error { return second(collect(t.Context(), s, store.ListOptions{Until: "b"})) }, map[string]int{"List Blobs": 1}},
		{"check", func() error { return s.Check(t.Context()) }, map[string]int{"List Blobs": 1}},
		{"update", func() error {
			return second(s.UpdateMetadata(t.Context(), "k", store.Attrs{Metadata: map[string]string{"a": "b"}}, store.Condition{}))
		}, map[string]int{"Get Blob Properties": 1, "Set Blob Metadata": 1}},
		{"key that cannot be", func() error {
			wantKind(t, "put", second(s.Put(t.Context(), "a.", store.Bytes("v"), store.PutOptions{})), store.Invalid)
			return nil
		}, map[string]int{}},
	} {
		c.Keep()
		if err := tt.call(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if got := c.Counts(); !maps.Equal(got, tt.want) {
			t.Errorf("%s: requests %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestDefaultThresholds: up to 8 MiB in one request, above in blocks of 8 MiB.
func TestDefaultThresholds(t *testing.T) {
	t.Parallel()
	c := newCloud(t, cloudsim.AzureOptions{})
	s, bucket := c.store(t, "", azblob.Options{})
	body := make([]byte, 16<<20)
	for size, want := range map[int]map[string]int{
		8 << 20:   {"Put Blob": 1},
		8<<20 + 1: {"Put Block": 2, "Put Block List": 1},
		16 << 20:  {"Put Block": 2, "Put Block List": 1},
	} {
		c.Keep()
		if _, err := s.Put(t.Context(), "k", store.Bytes(body[:size]), store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := c.Counts(); !maps.Equal(got, want) || len(bucket.Get("k").Body) != size {
			t.Errorf("%d bytes: requests %v, want %v", size, got, want)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestContainerNotFound: a container that is not there must never read as a key
// that is not there.
func TestContainerNotFound(t *testing.T) {
	t.Parallel()
	c := newCloud(t, cloudsim.AzureOptions{})
	s := azblob.New(c.clientOf(t, "nothere"), "", azblob.Options{})
	_, putErr := s.Put(t.Context(), "k", store.Bytes("v"), store.PutOptions{})
	for what, err := range map[string]error{
		"Head": second(s.Head(t.Context(), "k")), "Open": second(s.Open(t.Context(), "k", store.ReadOptions{})), "Put": putErr,
		"Delete": s.Delete(t.Context(), "k", store.Condition{}), "Delete if": s.Delete(t.Context(), "k", store.IfMatch("0x1")),
		"List": second(collect(t.Context(), s, store.ListOptions{})), "Check": s.Check(t.Context()),
	} {
		wantKind(t, what, err, store.Unavailable)
	}
	if err := s.Check(t.Context()); !strings.Contains(err.Error(), "does not exist: create it") {
		t.Errorf("Check: %v", err)
	}
}

// TestAnswers maps answers of the service, and of what may stand before it.
func TestAnswers(t *testing.T) {
	t.Parallel()
	c := newCloud(t, cloudsim.AzureOptions{})
	s, _ := c.store(t, "", azblob.Options{})
	for _, tt := range []struct {
		status int
		code   string
		want   store.Kind
	}{
		{404, "BlobNotFound", store.NotFound},
		{404, "ContainerNotFound", store.Unavailable},
		{404, "ResourceNotFound", store.Unavailable},
		{404, "", store.Unavailable},
		{409, "ContainerBeingDeleted", store.Unavailable},
		{409, "BlobAlreadyExists", store.Precondition},
		{412, "ConditionNotMet", store.Precondition},
		{412, "", store.Precondition},
		{412, "LeaseIdMissing", store.Unavailable},
		{403, "AuthenticationFailed", store.Denied},
		{403, "AuthorizationPermissionMismatch", store.Denied},
		{401, "", store.Denied},
		{409, "BlobArchived", store.Archived},
		{409, "BlobBeingRehydrated", store.Archived},
		{409, "BlobImmutableDueToPolicy", store.Denied},
		{409, "SomethingNew", store.Unknown},
		{503, "ServerBusy", store.Throttled},
		{429, "", store.Throttled},
		{500, "OperationTimedOut", store.Unavailable},
		{500, "InternalError", store.Unavailable},
		{502, "", store.Unavailable},
		{400, "Md5Mismatch", store.Corrupt},
		{400, "Crc64Mismatch", store.Corrupt},
		{400, "MetadataTooLarge", store.TooLarge},
		{413, "RequestBodyTooLarge", store.TooLarge},
		{400, "InvalidMetadata", store.Invalid},
		{400, "InvalidAuthenticationInfo", store.Denied},
		{416, "InvalidRange", store.Invalid},
		{304, "ConditionNotMet", store.Precondition},
		{418, "", store.Unknown},
	} {
		c.intercept(func(_ http.Handler, w http.ResponseWriter, _ *http.Request) bool {
			if tt.code != "" {
				w.Header().Set("X-Ms-Error-Code", tt.code)
			}
			w.WriteHeader(tt.status)
			return true
		})
		name := strconv.Itoa(tt.status) + " " + tt.code
		open := tt.want
		if tt.status == 304 { // the SDK makes it an answer without a body
			open = store.Unavailable
		}
		wantKind(t, "Open: "+name, second(s.Open(t.Context(), "k", store.ReadOptions{})), open)
		wantKind(t, "Head: "+name, second(s.Head(t.Context(), "k")), tt.want)
	}
}

func TestArchived(t *testing.T) {
	t.Parallel()
	c := newCloud(t, cloudsim.AzureOptions{})
	s, bucket := c.store(t, "", azblob.Options{})
	put(t, s, "k", "v", store.Condition{})
	if _, err := bucket.Update("k", cloudsim.Origin{}, nil, func(o *cloudsim.Object) { o.StorageClass = "Archive" }); err != nil {
		t.Fatal(err)
	}
	wantKind(t, "Open", second(s.Open(t.Context(), "k", store.ReadOptions{})), store.Archived)
	if _, err := s.Head(t.Context(), "k"); err != nil {
		t.Errorf("Head: %v", err)
	}
}

func TestUpdateMetadata(t *testing.T) {
	t.Parallel()
	c := newCloud(t, cloudsim.AzureOptions{})
	s, _ := c.store(t, "", azblob.Options{})
	attrs := store.Attrs{ContentType: "text/plain", CacheControl: "no-store", Metadata: map[string]string{"a-b": "1"}}
	o, err := s.Put(t.Context(), "k", store.Bytes("v"), store.PutOptions{Attrs: attrs})
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*store.Attrs){
		"type": func(a *store.Attrs) { a.ContentType = "" }, "cache": func(a *store.Attrs) { a.CacheControl = "" },
		"encoding": func(a *store.Attrs) { a.ContentEncoding = "gzip" }, "disposition": func(a *store.Attrs) { a.ContentDisposition = "x" },
		"language": func(a *store.Attrs) { a.ContentLanguage = "de" }, "metadata": func(a *store.Attrs) { a.Metadata = map[string]string{"N": "1", "n": "2"} },
	} {
		changed := attrs
		change(&changed)
		wantKind(t, name, second(s.UpdateMetadata(t.Context(), "k", changed, store.IfMatch(o.Version))), store.Invalid)
	}
	if h, err := s.Head(t.Context(), "k"); err != nil || h.Version != o.Version {
		t.Fatalf("a refused update changed the blob: %v, %v", h, err)
	}
	attrs.Metadata = map[string]string{"c": "é"}
	u, err := s.UpdateMetadata(t.Context(), "k", attrs, store.IfMatch(o.Version))
	if err != nil || u.Version == o.Version || u.Metadata["c"] != "é" || len(u.Metadata) != 1 || !bytes.Equal(u.Checksums.MD5, o.Checksums.MD5) {
		t.Errorf("%+v, %v", u, err)
	}
	wantKind(t, "stale", second(s.UpdateMetadata(t.Context(), "k", attrs, store.IfMatch(o.Version))), store.Precondition)
	wantKind(t, "absent", second(s.UpdateMetadata(t.Context(), "gone", attrs, store.Condition{})), store.NotFound)
	wantKind(t, "if absent", second(s.UpdateMetadata(t.Context(), "k", attrs, store.IfAbsent())), store.Invalid)
}

// TestHeadersThatCannotBe: Azure has no way to hold these, and carrying them
// altered would be worse than saying so.
func TestHeadersThatCannotBe(t *testing.T) {
	t.Parallel()
	c := newCloud(t, cloudsim.AzureOptions{})
	s, bucket := c.store(t, "", azblob.Options{})
	for _, a := range []store.Attrs{
		{ContentDisposition: `attachment; filename="é"`},
		{ContentType: "a\nb"},
		{CacheControl: " x"},
		{ContentLanguage: "x\x7f"},
		{ContentEncoding: "é"},
		{Metadata: map[string]string{"": "v"}},
		{Metadata: map[string]string{"A": "1", "a": "2"}},
	} {
		wantKind(t, "Put", second(s.Put(t.Context(), "k", store.Bytes("v"), store.PutOptions{Attrs: a})), store.Invalid)
	}
	much := func(n int) error {
		attrs := store.Attrs{Metadata: map[string]string{"a": strings.Repeat("v", n-1)}}
		return second(s.Put(t.Context(), "k", store.Bytes("v"), store.PutOptions{Attrs: attrs}))
	}
	wantKind(t, "too much metadata", much(8<<10+1), store.TooLarge)
	if bucket.Len() != 0 {
		t.Error("something was stored")
	}
	if err := much(8 << 10); err != nil {
		t.Errorf("just as much metadata as there may be: %v", err)
	}
}
