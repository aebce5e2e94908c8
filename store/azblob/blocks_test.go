package azblob_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/azblob"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// blobContent runs a function while a part is read.
type blobContent struct {
	store.Bytes
	once atomic.Bool
	then func()
}

func (b *blobContent) Open(ctx context.Context, offset, length int64) (io.ReadCloser, error) {
	if offset > 0 && b.once.CompareAndSwap(false, true) {
		b.then()
	}
	return b.Bytes.Open(ctx, offset, length)
}

// TestBlocksDiscarded: any write to a blob discards the blocks of uploads to it
// that are under way. With a condition that is a failed precondition; without,
// an error after which the same call may succeed.
func TestBlocksDiscarded(t *testing.T) {
	t.Parallel()
	c := newCloud(t, cloudsim.AzureOptions{})
	s, bucket := c.store(t, "", smallBlocks)
	body := bytes.Repeat([]byte("x"), 1<<20)
	for _, tt := range []struct {
		name string
		cond func() store.Condition
		want store.Kind
	}{
		{"absent", func() store.Condition { return store.IfAbsent() }, store.Precondition},
		{"match", func() store.Condition { return store.IfMatch(put(t, s, "k", "first", store.Condition{}).Version) }, store.Precondition},
	} {
		_ = s.Delete(t.Context(), "k", store.Condition{})
		cond := tt.cond()
		content := &blobContent{Bytes: body, then: func() { put(t, s, "k", "rival", store.Condition{}) }}
		_, err := s.Put(t.Context(), "k", content, store.PutOptions{If: cond})
		wantKind(t, tt.name, err, tt.want)
		if got := string(bucket.Get("k").Body); got != "rival" {
			t.Errorf("%s: holds %.20q", tt.name, got)
		}
	}
	// The rival comes and goes before the commit, so that the condition holds again.
	content := &blobContent{Bytes: body, then: func() {
		put(t, s, "new", "rival", store.Condition{})
		if err := s.Delete(t.Context(), "new", store.Condition{}); err != nil {
			t.Error(err)
		}
	}}
	_, err := s.Put(t.Context(), "new", content, store.PutOptions{If: store.IfAbsent()})
	if err != nil { // the blocks staged after the rival are still there, not those before
		wantKind(t, "come and gone", err, store.Precondition)
	} else if got := bucket.Get("new"); got == nil || !bytes.Equal(got.Body, body) {
		t.Error("come and gone: another body than was put")
	}
	content = &blobContent{Bytes: body, then: func() { put(t, s, "k", "rival", store.Condition{}) }}
	if _, err = s.Put(t.Context(), "k", content, store.PutOptions{}); err != nil && !store.KindOf(err).Retryable() {
		t.Errorf("without a condition: %v", err)
	}
}

// TestForeignBlockIDs: another tool's unfinished upload forces its length of ids
// on us.
func TestForeignBlockIDs(t *testing.T) {
	t.Parallel()
	c := newCloud(t, cloudsim.AzureOptions{})
	body := bytes.Repeat([]byte("y"), 1<<20)
	for _, n := range []int{4, 8, 36, 48, 64} {
		client, bucket := c.client(t)
		s := azblob.New(client, "", smallBlocks)
		id := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("i"), n))
		if _, err := client.NewBlockBlobClient("k").StageBlock(t.Context(), id, streaming.NopCloser(strings.NewReader("left over")), nil); err != nil {
			t.Fatal(err)
		}
		_, err := s.Put(t.Context(), "k", store.Bytes(body), store.PutOptions{If: store.IfAbsent()})
		if n < 8 { // no room to tell uploads apart
			if err == nil || !bloberror.HasCode(err, bloberror.InvalidBlobOrBlock) || !store.KindOf(err).Retryable() {
				t.Errorf("%d bytes: %v", n, err)
			}
			continue
		}
		if err != nil || !bytes.Equal(bucket.Get("k").Body, body) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// TestNoCRC64: a server without CRC64 is asked once, and gets MD5s from then on.
func TestNoCRC64(t *testing.T) {
	t.Parallel()
	c := newCloud(t, cloudsim.AzureOptions{NoCRC64: true})
	opts := smallBlocks
	opts.Parallel = 1
	s, bucket := c.store(t, "", opts)
	body := bytes.Repeat([]byte("z"), 1<<20)
	for range 2 {
		if _, err := s.Put(t.Context(), "k", store.Bytes(body), store.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if got := c.Counts()["Put Block"]; got != 9 || !bytes.Equal(bucket.Get("k").Body, body) {
		t.Errorf("%d Put Block, want 2 times 4 and 1 refused", got)
	}
}

// TestCorruptedOnTheWay flips a byte between the driver and the service.
func TestCorruptedOnTheWay(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		opts azblob.Options
	}{
		{"whole", azblob.Options{}},
		{"blocks", smallBlocks},
		{"blocks with MD5", azblob.Options{SinglePut: 1 << 10, BlockSize: 256 << 10, BlockMD5: true}},
	} {
		c := newCloud(t, cloudsim.AzureOptions{})
		s, bucket := c.store(t, "", tt.opts)
		c.intercept(func(face http.Handler, w http.ResponseWriter, r *http.Request) bool {
			if comp := r.URL.Query().Get("comp"); r.Method != http.MethodPut || comp != "" && comp != "block" {
				return false
			}
			body, err := io.ReadAll(r.Body)
			if err != nil || len(body) == 0 {
				return true // given up by the driver, for what became of another block
			}
			body[len(body)/2] ^= 1
			r.Body = io.NopCloser(bytes.NewReader(body))
			face.ServeHTTP(w, r)
			return true
		})
		_, err := s.Put(t.Context(), "k", store.Bytes(bytes.Repeat([]byte("w"), 1<<20)), store.PutOptions{})
		wantKind(t, tt.name, err, store.Corrupt)
		if bucket.Len() != 0 {
			t.Errorf("%s: something was stored", tt.name)
		}
	}
}

// TestStoredMD5: small blobs get one always, large ones where it is known.
func TestStoredMD5(t *testing.T) {
	t.Parallel()
	c := newCloud(t, cloudsim.AzureOptions{})
	s, _ := c.store(t, "", smallBlocks)
	big := store.Bytes(bytes.Repeat([]byte("m"), 1<<20))
	for _, tt := range []struct {
		name string
		body store.Bytes
		sums store.Checksums
		want bool
	}{
		{"small", store.Bytes("s"), store.Checksums{}, true},
		{"large", big, store.ChecksumsOf(big, store.Checksums{}), false},
		{"large, known", big, store.ChecksumsOf(big, store.Checksums{MD5: []byte{}}), true},
	} {
		o, err := s.Put(t.Context(), "k", tt.body, store.PutOptions{Checksums: tt.sums})
		if err != nil {
			t.Fatal(err)
		}
		h, err := s.Head(t.Context(), "k")
		if err != nil {
			t.Fatal(err)
		}
		want := store.ChecksumsOf(tt.body, store.Checksums{MD5: []byte{}}).MD5
		if !tt.want {
			want = nil
		}
		if !bytes.Equal(o.Checksums.MD5, want) || !bytes.Equal(h.Checksums.MD5, want) {
			t.Errorf("%s: MD5 %x and %x, want %x", tt.name, o.Checksums.MD5, h.Checksums.MD5, want)
		}
	}
}
