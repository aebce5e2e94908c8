package cloudsim_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/loopback"
)

// azureClientOptions do without the SDK's retries and decompression.
func azureClientOptions() *container.ClientOptions {
	opts := &container.ClientOptions{}
	opts.Retry = policy.RetryOptions{MaxRetries: -1}
	opts.Transport = &http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}}
	return opts
}

// azureSDK serves a face that checks signatures, with a container "photos".
func azureSDK(t testing.TB, opts cloudsim.AzureOptions) (*cloudsim.Bucket, string, *container.Client) {
	t.Helper()
	core := cloudsim.NewCore(nil)
	opts.AccountKey = cloudsim.AzureAccountKey
	url, stop := cloudsim.Serve(cloudsim.NewAzure(core, opts))
	t.Cleanup(stop)
	client, err := container.NewClientFromConnectionString(cloudsim.AzureConnectionString(url, "", ""), "photos", azureClientOptions())
	if err != nil {
		t.Fatal(err)
	}
	return core.CreateBucket("photos", false), url, client
}

func azureUpload(ctx context.Context, c *container.Client, name, body string) error {
	_, err := c.NewBlockBlobClient(name).Upload(ctx, streaming.NopCloser(strings.NewReader(body)), nil)
	return err
}

func TestAzureSharedKey(t *testing.T) {
	t.Parallel()
	bucket, url, client := azureSDK(t, cloudsim.AzureOptions{})
	// What goes into a signature: odd names, header order, a length, a range.
	_, err := client.NewBlockBlobClient("ä /+%2F").UploadBuffer(t.Context(), []byte("x"), &blockblob.UploadBufferOptions{
		Metadata: map[string]*string{"a_b": to.Ptr("1"), "a1": to.Ptr("2"), "a": to.Ptr("3"), "ab": to.Ptr("4"), "B_": to.Ptr("5  6")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if o := bucket.Get("ä /+%2F"); o == nil || o.Metadata["a_b"] != "1" {
		t.Errorf("stored %+v", o)
	}
	if _, err := client.NewBlobClient("ä /+%2F").DownloadStream(t.Context(), &blob.DownloadStreamOptions{Range: blob.HTTPRange{Count: 1}}); err != nil {
		t.Error(err)
	}
	other, err := container.NewClientFromConnectionString(cloudsim.AzureConnectionString(url, "", "b3RoZXI="), "photos", azureClientOptions())
	if err != nil {
		t.Fatal(err)
	}
	if err := azureUpload(t.Context(), other, "y", "y"); !bloberror.HasCode(err, bloberror.AuthenticationFailed) {
		t.Errorf("with another key: %v", err)
	}
	anonymous, err := container.NewClientWithNoCredential(client.URL(), azureClientOptions())
	if err != nil {
		t.Fatal(err)
	}
	if err := azureUpload(t.Context(), anonymous, "y", "y"); !bloberror.HasCode(err, "NoAuthenticationInformation") {
		t.Errorf("without a key: %v", err)
	}
	if bucket.Len() != 1 {
		t.Errorf("%d blobs", bucket.Len())
	}
}

func TestAzureSAS(t *testing.T) {
	t.Parallel()
	cred, err := container.NewSharedKeyCredential(cloudsim.AzureAccount, cloudsim.AzureAccountKey)
	if err != nil {
		t.Fatal(err)
	}
	hour := time.Hour
	service := func(perms, blobName string, life time.Duration) string {
		q, err := sas.BlobSignatureValues{ContainerName: "photos", BlobName: blobName, Permissions: perms, ExpiryTime: time.Now().UTC().Add(life)}.SignWithSharedKey(cred)
		if err != nil {
			t.Fatal(err)
		}
		return q.Encode()
	}
	account := func(perms, types string) string {
		q, err := sas.AccountSignatureValues{Permissions: perms, ResourceTypes: types, ExpiryTime: time.Now().UTC().Add(hour)}.SignWithSharedKey(cred)
		if err != nil {
			t.Fatal(err)
		}
		return q.Encode()
	}
	late, err := sas.BlobSignatureValues{ContainerName: "photos", Permissions: "w", StartTime: time.Now().UTC().Add(hour), ExpiryTime: time.Now().UTC().Add(2 * hour)}.SignWithSharedKey(cred)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, query string
		want        bloberror.Code // "" is success
	}{
		{"container", service("rw", "", hour), ""},
		{"container to create", service("c", "", hour), ""},
		{"blob", service("w", "x/y", hour), ""},
		{"another blob", service("w", "x", hour), bloberror.AuthenticationFailed},
		{"read only", service("r", "", hour), bloberror.AuthorizationPermissionMismatch},
		{"expired", service("w", "", -hour), bloberror.AuthenticationFailed},
		{"not yet", late.Encode(), bloberror.AuthenticationFailed},
		{"tampered", strings.Replace(service("r", "", hour), "sp=r", "sp=w", 1), bloberror.AuthenticationFailed},
		{"account", account("w", "o"), ""},
		{"account, containers only", account("w", "c"), bloberror.AuthorizationResourceTypeMismatch},
		{"account, read only", account("r", "sco"), bloberror.AuthorizationPermissionMismatch},
	} {
		bucket, url, _ := azureSDK(t, cloudsim.AzureOptions{})
		client, err := container.NewClientWithNoCredential(url+"/"+cloudsim.AzureAccount+"/photos?"+tt.query, azureClientOptions())
		if err != nil {
			t.Fatal(err)
		}
		err = azureUpload(t.Context(), client, "x/y", "body")
		if tt.want == "" && err != nil || tt.want != "" && !bloberror.HasCode(err, tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
		if stored := bucket.Get("x/y") != nil; stored != (tt.want == "") {
			t.Errorf("%s: stored %t", tt.name, stored)
		}
	}
}

func azureList(t *testing.T, c *container.Client, opts *container.ListBlobsFlatOptions) (names []string, items []*container.BlobItem, pages int) {
	t.Helper()
	for pager := c.NewListBlobsFlatPager(opts); pager.More(); {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		pages++
		for _, item := range page.Segment.BlobItems {
			names, items = append(names, *item.Name), append(items, item)
		}
	}
	return names, items, pages
}

func TestAzureList(t *testing.T) {
	t.Parallel()
	bucket, _, client := azureSDK(t, cloudsim.AzureOptions{PageSize: 3})
	names := []string{"//x", " lead", "a b+c", "a%2Fb", "a-b", "a/", "a/b", "a&<>\"'", "dir/\uFFFE", "dir/\uFFFF", "e/😀", "e/\uFF5E", "line", "\u007f", "z z  z "}
	for _, n := range names {
		if err := azureUpload(t.Context(), client, n, "body of "+n); err != nil {
			t.Fatalf("%q: %v", n, err)
		}
	}
	slices.Sort(names)
	got, items, pages := azureList(t, client, nil)
	if !slices.Equal(got, names) || pages != (len(names)+2)/3 {
		t.Errorf("in %d pages %q\nwant %q", pages, got, names)
	}
	for _, item := range items {
		o := bucket.Get(*item.Name)
		if *item.Properties.ContentLength != int64(len(o.Body)) || strings.Contains(string(*item.Properties.ETag), `"`) || !bytes.Equal(item.Properties.ContentMD5, o.MD5) {
			t.Errorf("%q: %+v", *item.Name, item.Properties)
		}
		if item.Metadata != nil {
			t.Errorf("%q: metadata without being asked for", *item.Name)
		}
	}
	for _, from := range append(names, "", "b", "zz") {
		want := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n < from })
		if got, _, _ := azureList(t, client, &container.ListBlobsFlatOptions{StartFrom: to.Ptr(from), MaxResults: to.Ptr(int32(2))}); !slices.Equal(got, want) {
			t.Errorf("from %q: %q, want %q", from, got, want)
		}
	}
	for _, prefix := range []string{"a", "a/", "e/", "nothing"} {
		want := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !strings.HasPrefix(n, prefix) })
		if got, _, _ := azureList(t, client, &container.ListBlobsFlatOptions{Prefix: to.Ptr(prefix)}); !slices.Equal(got, want) {
			t.Errorf("below %q: %q, want %q", prefix, got, want)
		}
	}
	if _, err := client.NewBlobClient("a-b").SetMetadata(t.Context(), map[string]*string{"k": to.Ptr("<v> & w"), "empty": to.Ptr("")}, nil); err != nil {
		t.Fatal(err)
	}
	_, items, _ = azureList(t, client, &container.ListBlobsFlatOptions{Prefix: to.Ptr("a-b"), Include: container.ListBlobsInclude{Metadata: true, Tags: true}})
	if m := items[0].Metadata; len(m) != 2 || *m["k"] != "<v> & w" || *m["empty"] != "" {
		t.Errorf("metadata %v", m)
	}
}

func TestAzureListOrders(t *testing.T) {
	t.Parallel()
	names := []string{"a", "a!", "a-b", "a/b", "a/c/d", "a0", "b"}
	for _, tt := range []struct {
		name string
		opts cloudsim.AzureOptions
		want []string
		from []string // from a-b on
	}{
		{"flat", cloudsim.AzureOptions{PageSize: 2}, names, names[2:]},
		{"hierarchical", cloudsim.AzureOptions{PageSize: 2, Hierarchical: true}, []string{"a", "a/b", "a/c/d", "a!", "a-b", "a0", "b"}, []string{"a-b", "a0", "b"}},
		{"reversed", cloudsim.AzureOptions{PageSize: 2, Order: func(a, b string) int { return strings.Compare(b, a) }}, []string{"b", "a0", "a/c/d", "a/b", "a-b", "a!", "a"}, []string{"a-b", "a!", "a"}},
		{"startFrom ignored", cloudsim.AzureOptions{PageSize: 2, NoStartFrom: true}, names, names},
	} {
		_, _, client := azureSDK(t, tt.opts)
		for _, n := range names {
			if err := azureUpload(t.Context(), client, n, n); err != nil {
				t.Fatal(err)
			}
		}
		if got, _, _ := azureList(t, client, nil); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		if got, _, _ := azureList(t, client, &container.ListBlobsFlatOptions{StartFrom: to.Ptr("a-b")}); !slices.Equal(got, tt.from) {
			t.Errorf("%s from a-b: %q, want %q", tt.name, got, tt.from)
		}
		info, err := client.GetAccountInfo(t.Context(), nil)
		if err != nil || *info.IsHierarchicalNamespaceEnabled != tt.opts.Hierarchical {
			t.Errorf("%s: account info %+v, %v", tt.name, info, err)
		}
	}
}

// BenchmarkAzure measures the face together with the SDK, over loopback.
func BenchmarkAzure(b *testing.B) {
	_, url, client := azureSDK(b, cloudsim.AzureOptions{})
	body := bytes.Repeat([]byte("x"), 4<<10)
	put := func(ctx context.Context, i int) error {
		_, err := client.NewBlockBlobClient(fmt.Sprintf("k%07d", i%10_000)).Upload(ctx, streaming.NopCloser(bytes.NewReader(body)), nil)
		return err
	}
	for i := range 10_000 {
		if err := put(b.Context(), i); err != nil {
			b.Fatal(err)
		}
	}
	perSecond := func(b *testing.B, n int) { b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "1/s") }
	b.Run("Put4KiB", func(b *testing.B) {
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				if err := put(b.Context(), i); err != nil {
					b.Error(err)
				}
			}
		})
		perSecond(b, b.N)
	})
	b.Run("Get4KiB", func(b *testing.B) {
		b.SetParallelism(16)
		b.RunParallel(func(pb *testing.PB) {
			buf := make([]byte, len(body))
			for i := 0; pb.Next(); i++ {
				if _, err := client.NewBlobClient(fmt.Sprintf("k%07d", i%10_000)).DownloadBuffer(b.Context(), buf, nil); err != nil {
					b.Error(err)
				}
			}
		})
		perSecond(b, b.N)
	})
	b.Run("List10000", func(b *testing.B) {
		for b.Loop() {
			n := 0
			for pager := client.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Include: container.ListBlobsInclude{Metadata: true}}); pager.More(); {
				page, err := pager.NextPage(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				n += len(page.Segment.BlobItems)
			}
			if n != 10_000 {
				b.Fatal(n)
			}
		}
		perSecond(b, b.N*10_000)
	})
	b.Run("List10000WithoutSDK", func(b *testing.B) {
		cred, err := container.NewSharedKeyCredential(cloudsim.AzureAccount, cloudsim.AzureAccountKey)
		if err != nil {
			b.Fatal(err)
		}
		q, err := sas.BlobSignatureValues{ContainerName: "photos", Permissions: "l", ExpiryTime: time.Now().UTC().Add(time.Hour)}.SignWithSharedKey(cred)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			for n, marker := 0, ""; n == 0 || marker != ""; n++ {
				resp, err := loopback.Client().Get(url + "/" + cloudsim.AzureAccount + "/photos?restype=container&comp=list&include=metadata&" + q.Encode() + "&marker=" + marker)
				if err != nil {
					b.Fatal(err)
				}
				page, err := io.ReadAll(resp.Body)
				if err != nil || resp.Body.Close() != nil {
					b.Fatal(err)
				}
				_, rest, _ := strings.Cut(string(page[len(page)-200:]), "<NextMarker>")
				marker, _, _ = strings.Cut(rest, "<")
			}
		}
		perSecond(b, b.N*10_000)
	})
}
