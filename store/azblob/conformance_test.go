package azblob_test

import (
	"context"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/azblob"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/storetest"
)

// cloud is an Azure face with its core and what it was asked.
type cloud struct {
	*cloudsim.Core
	*cloudsim.Recorder
	url  string
	last atomic.Int64
	hook atomic.Pointer[hook]
}

// hook sees a request before the face does, and says whether it answered.
type hook func(face http.Handler, w http.ResponseWriter, r *http.Request) bool

// intercept passes all requests by h from now on.
func (c *cloud) intercept(h hook) { c.hook.Store(&h) }

// newCloud serves a face that checks signatures.
func newCloud(t testing.TB, opts cloudsim.AzureOptions) *cloud {
	t.Helper()
	c := &cloud{Core: cloudsim.NewCore(nil), Recorder: &cloudsim.Recorder{}}
	opts.AccountKey, opts.Recorder = cloudsim.AzureAccountKey, c.Recorder
	face := cloudsim.NewAzure(c.Core, opts)
	url, stop := cloudsim.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h := c.hook.Load(); h == nil || !(*h)(face, w, r) {
			face.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(stop)
	c.url = url
	return c
}

// client returns a client of a container of its own, which exists.
func (c *cloud) client(t testing.TB) (*container.Client, *cloudsim.Bucket) {
	t.Helper()
	name := fmt.Sprintf("container-%d", c.last.Add(1))
	return c.clientOf(t, name), c.CreateBucket(name, false)
}

func (c *cloud) clientOf(t testing.TB, name string) *container.Client {
	t.Helper()
	opts := azblob.ClientOptions()
	opts.Retry.RetryDelay = time.Millisecond // tests need not wait
	client, err := container.NewClientFromConnectionString(cloudsim.AzureConnectionString(c.url, "", ""), name, opts)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// store returns a Store on a container of its own.
func (c *cloud) store(t testing.TB, prefix string, opts azblob.Options) (*azblob.Store, *cloudsim.Bucket) {
	t.Helper()
	client, bucket := c.client(t)
	return azblob.New(client, prefix, opts), bucket
}

// smallBlocks make uploads in blocks cheap to test.
var smallBlocks = azblob.Options{SinglePut: 256 << 10, BlockSize: 256 << 10, PoolBytes: 1 << 20}

// suiteBlocks are smaller still: the suite uploads hundreds of bodies in blocks.
var suiteBlocks = azblob.Options{SinglePut: 128 << 10, BlockSize: 128 << 10, PoolBytes: 512 << 10}

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		prefix string
		face   cloudsim.AzureOptions
		keys   int // of the paging case: a page has 5000 where nothing is said
	}{
		{"Plain", "", cloudsim.AzureOptions{}, 100},
		{"PrefixAndShortPages", "a b/%2F/é", cloudsim.AzureOptions{PageSize: 7}, 200},
		{"PoorServer", "p/", cloudsim.AzureOptions{NoCRC64: true, NoStartFrom: true, PageSize: 60}, 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := newCloud(t, tt.face)
			storetest.Run(t, storetest.Harness{
				New: func(t *testing.T) store.Store {
					client, _ := c.client(t)
					t.Cleanup(func() { // gives its memory back
						if _, err := client.Delete(context.Background(), nil); err != nil {
							t.Error(err)
						}
					})
					return azblob.New(client, tt.prefix, suiteBlocks)
				},
				BadKey:            func(key string) bool { return badName(tt.prefix + key) },
				FoldsMetadataCase: true,
				MultipartSize:     4*suiteBlocks.BlockSize + 7,
				Sizes:             []int64{suiteBlocks.SinglePut, suiteBlocks.SinglePut + 1, 2 * suiteBlocks.BlockSize},
				ListKeys:          tt.keys,
				BigSize:           4 << 20, // in a pool of 512 KiB
				MaxReaders:        4,
			})
		})
	}
}
