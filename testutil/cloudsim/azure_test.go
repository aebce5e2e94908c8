package cloudsim_test

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"hash/crc64"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/loopback"
)

// azure is a face to which requests are written by hand.
type azure struct {
	t      *testing.T
	url    string
	core   *cloudsim.Core
	bucket *cloudsim.Bucket
	rec    *cloudsim.Recorder
}

func newAzure(t *testing.T, opts cloudsim.AzureOptions) *azure {
	t.Helper()
	a := &azure{t: t, core: cloudsim.NewCore(nil), rec: &cloudsim.Recorder{}}
	opts.Recorder = a.rec
	url, stop := cloudsim.Serve(cloudsim.NewAzure(a.core, opts))
	t.Cleanup(stop)
	a.url = url + "/" + cloudsim.AzureAccount
	a.bucket = a.core.CreateBucket("photos", false)
	a.rec.Keep()
	return a
}

// azureReply is an answer with its body read.
type azureReply struct {
	*http.Response
	body string
}

func (r azureReply) code() string { return r.Header.Get("X-Ms-Error-Code") }

// do sends a request; headers are "Name: value".
func (a *azure) do(method, path, body string, headers ...string) azureReply {
	a.t.Helper()
	req, err := http.NewRequestWithContext(a.t.Context(), method, a.url+path, strings.NewReader(body))
	if err != nil {
		a.t.Fatal(err)
	}
	for _, h := range headers {
		name, v, _ := strings.Cut(h, ": ")
		req.Header.Add(name, v)
	}
	client := http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		a.t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		a.t.Fatal(err)
	}
	return azureReply{resp, string(got)}
}

const blockBlob = "x-ms-blob-type: BlockBlob"

func azureMD5(s string) string {
	sum := md5.Sum([]byte(s))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// azureCRC is computed apart from the face: little-endian, as the header has it.
func azureCRC(s string) string {
	sum := crc64.Checksum([]byte(s), crc64.MakeTable(0x9A6C9329AC4BC9B5))
	var b []byte
	for i := range 8 {
		b = append(b, byte(sum>>(8*i)))
	}
	return base64.StdEncoding.EncodeToString(b)
}

func TestAzureCRC64KnownAnswer(t *testing.T) {
	t.Parallel()
	if got := azureCRC("123456789"); got != "iJh5CoYUi64=" {
		t.Errorf("CRC64 of 123456789 is %s", got)
	}
}

// TestAzureStatuses asks for each status and code that correctness rests on. The
// blob "here" exists in each case, with the body "old" and metadata.
func TestAzureStatuses(t *testing.T) {
	t.Parallel()
	id := base64.StdEncoding.EncodeToString([]byte("0001"))
	list := func(inner string) string { return "<?xml version='1.0'?><BlockList>" + inner + "</BlockList>" }
	const stale = `If-Match: "0x8D000000000FFF"`
	for _, tt := range []struct {
		name    string
		method  string
		path    string
		body    string
		headers []string
		status  int
		code    string
		changed bool // else "here" must be as it was, and alone
	}{
		{"put new", "PUT", "/photos/new", "x", []string{blockBlob}, 201, "", true},
		{"put over", "PUT", "/photos/here", "x", []string{blockBlob}, 201, "", true},
		{"put new if absent", "PUT", "/photos/new", "x", []string{blockBlob, "If-None-Match: *"}, 201, "", true},
		{"put if absent over", "PUT", "/photos/here", "x", []string{blockBlob, "If-None-Match: *"}, 409, "BlobAlreadyExists", false},
		{"put if match", "PUT", "/photos/here", "x", []string{blockBlob, "If-Match: ETAG"}, 201, "", true},
		{"put if match without quotes", "PUT", "/photos/here", "x", []string{blockBlob, "If-Match: BARE"}, 201, "", true},
		{"put if match star", "PUT", "/photos/here", "x", []string{blockBlob, "If-Match: *"}, 201, "", true},
		{"put if match stale", "PUT", "/photos/here", "x", []string{blockBlob, stale}, 412, "ConditionNotMet", false},
		{"put if match absent", "PUT", "/photos/new", "x", []string{blockBlob, stale}, 412, "ConditionNotMet", false},
		{"put if none match own", "PUT", "/photos/here", "x", []string{blockBlob, "If-None-Match: ETAG"}, 412, "ConditionNotMet", false},
		{"put if unmodified since long ago", "PUT", "/photos/here", "x", []string{blockBlob, "If-Unmodified-Since: Mon, 01 Jan 2001 00:00:00 GMT"}, 412, "ConditionNotMet", false},
		{"put with a date that is none", "PUT", "/photos/here", "x", []string{blockBlob, "If-Modified-Since: now"}, 400, "InvalidHeaderValue", false},
		{"put without type", "PUT", "/photos/here", "x", nil, 400, "MissingRequiredHeader", false},
		{"put page blob", "PUT", "/photos/here", "x", []string{"x-ms-blob-type: PageBlob"}, 400, "InvalidHeaderValue", false},
		{"put right MD5", "PUT", "/photos/new", "body", []string{blockBlob, "Content-MD5: " + azureMD5("body")}, 201, "", true},
		{"put wrong MD5", "PUT", "/photos/here", "body", []string{blockBlob, "Content-MD5: " + azureMD5("b0dy")}, 400, "Md5Mismatch", false},
		{"put wrong blob MD5", "PUT", "/photos/here", "body", []string{blockBlob, "x-ms-blob-content-md5: " + azureMD5("b0dy")}, 400, "Md5Mismatch", false},
		{"put MD5 that is none", "PUT", "/photos/here", "body", []string{blockBlob, "Content-MD5: eA=="}, 400, "InvalidMd5", false},
		{"put right CRC64", "PUT", "/photos/new", "body", []string{blockBlob, "x-ms-content-crc64: " + azureCRC("body")}, 201, "", true},
		{"put wrong CRC64", "PUT", "/photos/here", "body", []string{blockBlob, "x-ms-content-crc64: " + azureCRC("b0dy")}, 400, "Crc64Mismatch", false},
		{"put metadata with hyphen", "PUT", "/photos/here", "x", []string{blockBlob, "x-ms-meta-a-b: 1"}, 400, "InvalidMetadata", false},
		{"put metadata with digit first", "PUT", "/photos/here", "x", []string{blockBlob, "x-ms-meta-1a: 1"}, 400, "InvalidMetadata", false},
		{"put metadata without name", "PUT", "/photos/here", "x", []string{blockBlob, "x-ms-meta-: 1"}, 400, "EmptyMetadataKey", false},
		{"put metadata twice", "PUT", "/photos/here", "x", []string{blockBlob, "x-ms-meta-a: 1", "x-ms-meta-A: 2"}, 400, "InvalidMetadata", false},
		{"put metadata not ASCII", "PUT", "/photos/here", "x", []string{blockBlob, "x-ms-meta-a: é"}, 400, "InvalidMetadata", false},
		{"put metadata at 8 KiB", "PUT", "/photos/here", "x", []string{blockBlob, "x-ms-meta-a: " + strings.Repeat("v", 8<<10-1)}, 201, "", true},
		{"put metadata over 8 KiB", "PUT", "/photos/here", "x", []string{blockBlob, "x-ms-meta-a: " + strings.Repeat("v", 8<<10)}, 400, "MetadataTooLarge", false},
		{"put no container", "PUT", "/nothere/new", "x", []string{blockBlob}, 404, "ContainerNotFound", false},
		{"put control character", "PUT", "/photos/a%01b", "x", []string{blockBlob}, 400, "InvalidUri", false},
		{"put too long", "PUT", "/photos/" + strings.Repeat("n", 1025), "x", []string{blockBlob}, 400, "InvalidResourceName", false},
		{"put longest", "PUT", "/photos/" + strings.Repeat("%C3%A9", 1024), "x", []string{blockBlob}, 201, "", true},
		{"put too many segments", "PUT", "/photos/" + strings.Repeat("s/", 254) + "s", "x", []string{blockBlob}, 400, "InvalidUri", false},

		{"get", "GET", "/photos/here", "", nil, 200, "", false},
		{"get absent", "GET", "/photos/gone", "", nil, 404, "BlobNotFound", false},
		{"get no container", "GET", "/nothere/here", "", nil, 404, "ContainerNotFound", false},
		{"get if match", "GET", "/photos/here", "", []string{"If-Match: ETAG"}, 200, "", false},
		{"get if match stale", "GET", "/photos/here", "", []string{stale}, 412, "ConditionNotMet", false},
		{"get if none match", "GET", "/photos/here", "", []string{"If-None-Match: ETAG"}, 304, "ConditionNotMet", false},
		{"get if none match other", "GET", "/photos/here", "", []string{`If-None-Match: "0x1"`}, 200, "", false},
		{"get if modified since", "GET", "/photos/here", "", []string{"If-Modified-Since: Mon, 01 Jan 2001 00:00:00 GMT"}, 200, "", false},
		{"get range", "GET", "/photos/here", "", []string{"Range: bytes=1-1"}, 206, "", false},
		{"get range past the end", "GET", "/photos/here", "", []string{"x-ms-range: bytes=3-"}, 416, "InvalidRange", false},
		{"get range that is none", "GET", "/photos/here", "", []string{"Range: bytes=-1"}, 400, "InvalidHeaderValue", false},
		{"head", "HEAD", "/photos/here", "", nil, 200, "", false},
		{"head absent", "HEAD", "/photos/gone", "", nil, 404, "BlobNotFound", false},
		{"head no container", "HEAD", "/nothere/here", "", nil, 404, "ContainerNotFound", false},
		{"head if match stale", "HEAD", "/photos/here", "", []string{stale}, 412, "ConditionNotMet", false},
		{"get snapshot", "GET", "/photos/here?snapshot=2024-01-01T00:00:00.0000000Z", "", nil, 400, "UnsupportedQueryParameter", false},

		{"delete", "DELETE", "/photos/here", "", nil, 202, "", true},
		{"delete if match", "DELETE", "/photos/here", "", []string{"If-Match: ETAG"}, 202, "", true},
		{"delete if match stale", "DELETE", "/photos/here", "", []string{stale}, 412, "ConditionNotMet", false},
		{"delete absent", "DELETE", "/photos/gone", "", nil, 404, "BlobNotFound", false},
		{"delete absent if match", "DELETE", "/photos/gone", "", []string{stale}, 404, "BlobNotFound", false},

		{"set metadata", "PUT", "/photos/here?comp=metadata", "", []string{"x-ms-meta-b: 2", "If-Match: ETAG"}, 200, "", true},
		{"set metadata stale", "PUT", "/photos/here?comp=metadata", "", []string{"x-ms-meta-b: 2", stale}, 412, "ConditionNotMet", false},
		{"set metadata absent", "PUT", "/photos/gone?comp=metadata", "", nil, 404, "BlobNotFound", false},
		{"set properties", "PUT", "/photos/here?comp=properties", "", []string{"x-ms-blob-content-type: a/b"}, 200, "", true},
		{"set properties stale", "PUT", "/photos/here?comp=properties", "", []string{stale}, 412, "ConditionNotMet", false},
		{"set tier that is none", "PUT", "/photos/here?comp=tier", "", []string{"x-ms-access-tier: Lukewarm"}, 400, "InvalidHeaderValue", false},
		{"set tier absent", "PUT", "/photos/gone?comp=tier", "", []string{"x-ms-access-tier: Cool"}, 404, "BlobNotFound", false},

		{"block", "PUT", "/photos/here?comp=block&blockid=" + id, "x", nil, 201, "", false},
		{"block without id", "PUT", "/photos/here?comp=block", "x", nil, 400, "InvalidQueryParameterValue", false},
		{"block empty", "PUT", "/photos/here?comp=block&blockid=" + id, "", nil, 400, "InvalidHeaderValue", false},
		{"block wrong MD5", "PUT", "/photos/here?comp=block&blockid=" + id, "x", []string{"Content-MD5: " + azureMD5("y")}, 400, "Md5Mismatch", false},
		{"block wrong CRC64", "PUT", "/photos/here?comp=block&blockid=" + id, "x", []string{"x-ms-content-crc64: " + azureCRC("y")}, 400, "Crc64Mismatch", false},
		{"block list empty", "PUT", "/photos/new?comp=blocklist", list(""), nil, 201, "", true},
		{"block list of none", "PUT", "/photos/here?comp=blocklist", list("<Latest>" + id + "</Latest>"), nil, 400, "InvalidBlockList", false},
		{"block list broken", "PUT", "/photos/here?comp=blocklist", "<BlockList>", nil, 400, "InvalidXmlDocument", false},
		{"block list of another sort", "PUT", "/photos/here?comp=blocklist", list("<Newest>" + id + "</Newest>"), nil, 400, "UnsupportedXmlNode", false},
		{"block list if absent over", "PUT", "/photos/here?comp=blocklist", list(""), []string{"If-None-Match: *"}, 409, "BlobAlreadyExists", false},
		{"block list stale", "PUT", "/photos/here?comp=blocklist", list(""), []string{stale}, 412, "ConditionNotMet", false},

		{"container create", "PUT", "/other?restype=container", "", nil, 201, "", false},
		{"container create again", "PUT", "/photos?restype=container", "", nil, 409, "ContainerAlreadyExists", false},
		{"container bad name", "PUT", "/No?restype=container", "", nil, 400, "InvalidResourceName", false},
		{"container properties", "GET", "/photos?restype=container", "", nil, 200, "", false},
		{"container absent", "HEAD", "/nothere?restype=container", "", nil, 404, "ContainerNotFound", false},
		{"container delete absent", "DELETE", "/nothere?restype=container", "", nil, 404, "ContainerNotFound", false},
		{"list absent", "GET", "/nothere?restype=container&comp=list", "", nil, 404, "ContainerNotFound", false},
		{"list maxresults 0", "GET", "/photos?restype=container&comp=list&maxresults=0", "", nil, 400, "OutOfRangeQueryParameterValue", false},
		{"list foreign marker", "GET", "/photos?restype=container&comp=list&marker=xyz", "", nil, 400, "OutOfRangeInput", false},
		{"other verb", "PATCH", "/photos/here", "", nil, 400, "UnsupportedHttpVerb", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := newAzure(t, cloudsim.AzureOptions{})
			tag := a.do("PUT", "/photos/here", "old", blockBlob, "x-ms-meta-a: 1").Header.Get("ETag")
			before := a.bucket.Get("here")
			for i, h := range tt.headers {
				tt.headers[i] = strings.NewReplacer("ETAG", tag, "BARE", strings.Trim(tag, `"`)).Replace(h)
			}
			got := a.do(tt.method, tt.path, tt.body, append(tt.headers, "x-ms-client-request-id: my-id")...)
			if got.StatusCode != tt.status || got.code() != tt.code {
				t.Errorf("%d %s, want %d %s; body %s", got.StatusCode, got.code(), tt.status, tt.code, got.body)
			}
			if tt.code != "" && tt.status != 304 && tt.method != "HEAD" && !strings.Contains(got.body, "<Error><Code>"+tt.code+"</Code>") {
				t.Errorf("body is %q", got.body)
			}
			if got.Header.Get("X-Ms-Client-Request-Id") != "my-id" || got.Header.Get("X-Ms-Request-Id") == "" {
				t.Errorf("request ids %q and %q", got.Header.Get("X-Ms-Client-Request-Id"), got.Header.Get("X-Ms-Request-Id"))
			}
			after := a.bucket.Get("here")
			if changed := after != before || a.bucket.Len() != 1; changed != tt.changed {
				t.Errorf("changed %t, want %t", changed, tt.changed)
			}
			calls := a.rec.Calls()
			if last := calls[len(calls)-1]; last.Status != tt.status {
				t.Errorf("recorded %+v", last)
			}
		})
	}
}

func TestAzureBlobLife(t *testing.T) {
	t.Parallel()
	a := newAzure(t, cloudsim.AzureOptions{})
	put := a.do("PUT", "/photos/a%2Fb%20c", "hello", blockBlob, "x-ms-blob-content-type: text/plain", "x-ms-blob-content-encoding: gzip",
		"x-ms-blob-cache-control: no-store", "x-ms-blob-content-language: de", "x-ms-blob-content-disposition: inline", "x-ms-meta-myKey_A: v", "x-ms-tags: k=v")
	if put.Header.Get("Content-MD5") != azureMD5("hello") {
		t.Errorf("Content-MD5 %q", put.Header.Get("Content-MD5"))
	}
	tag := put.Header.Get("ETag")
	if !strings.HasPrefix(tag, `"0x8D`) || !strings.HasSuffix(tag, `"`) {
		t.Errorf("ETag %s", tag)
	}
	if o := a.bucket.Get("a/b c"); o == nil || string(o.Body) != "hello" {
		t.Fatalf("stored %+v", o)
	}
	got := a.do("GET", "/photos/a/b%20c", "", "Accept-Encoding: gzip")
	for name, want := range map[string]string{
		"ETag": tag, "Content-Type": "text/plain", "Content-Encoding": "gzip", "Cache-Control": "no-store", "Content-Language": "de",
		"Content-Disposition": "inline", "X-Ms-Meta-Mykey_a": "v", "X-Ms-Tag-Count": "1", "Content-MD5": azureMD5("hello"),
		"X-Ms-Blob-Type": "BlockBlob", "Accept-Ranges": "bytes", "Content-Length": "5", "X-Ms-Access-Tier": "Hot",
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, got.Header.Get(name), want)
		}
	}
	if got.body != "hello" {
		t.Errorf("body %q", got.body)
	}
	part := a.do("GET", "/photos/a/b%20c", "", "Range: bytes=0-0", "x-ms-range: bytes=1-100", "x-ms-range-get-content-md5: true", "x-ms-range-get-content-crc64: true")
	if part.body != "ello" || part.Header.Get("Content-Range") != "bytes 1-4/5" || part.Header.Get("Content-MD5") != azureMD5("ello") ||
		part.Header.Get("X-Ms-Blob-Content-Md5") != azureMD5("hello") || part.Header.Get("X-Ms-Content-Crc64") != azureCRC("ello") {
		t.Errorf("range: %q %v", part.body, part.Header)
	}

	// A change of metadata and one of properties each make a version.
	seen := map[string]bool{tag: true}
	for _, change := range [][]string{
		{"?comp=metadata", "x-ms-meta-b: 1"},
		{"?comp=metadata", "x-ms-meta-b: 1"},
		{"?comp=properties", "x-ms-blob-content-type: a/b"},
	} {
		tag := a.do("PUT", "/photos/a%2Fb%20c"+change[0], "", change[1]).Header.Get("ETag")
		if seen[tag] {
			t.Errorf("%s came back with %s", tag, change[0])
		}
		seen[tag] = true
	}
	got = a.do("HEAD", "/photos/a%2Fb%20c", "")
	if got.Header.Get("Content-Encoding") != "" || got.Header.Get("Content-MD5") != "" || got.Header.Get("X-Ms-Meta-B") != "1" || got.Header.Get("X-Ms-Meta-Mykey_a") != "" {
		t.Errorf("after the changes: %v", got.Header)
	}

	// A tier and tags belong to no version.
	last := got.Header.Get("ETag")
	a.do("PUT", "/photos/a%2Fb%20c?comp=tags", "<Tags><TagSet><Tag><Key>x</Key><Value>y z</Value></Tag></TagSet></Tags>")
	if tags := a.do("GET", "/photos/a%2Fb%20c?comp=tags", ""); !strings.Contains(tags.body, "<Key>x</Key><Value>y z</Value>") {
		t.Errorf("tags %s", tags.body)
	}
	a.do("PUT", "/photos/a%2Fb%20c?comp=tier", "", "x-ms-access-tier: Archive")
	if got := a.do("HEAD", "/photos/a%2Fb%20c", ""); got.Header.Get("ETag") != last || got.Header.Get("X-Ms-Access-Tier") != "Archive" || got.Header.Get("Last-Modified") == "" {
		t.Errorf("archived: %v", got.Header)
	}
	if got := a.do("GET", "/photos/a%2Fb%20c", ""); got.StatusCode != 409 || got.code() != "BlobArchived" {
		t.Errorf("reading an archived blob: %d %s", got.StatusCode, got.code())
	}
	a.do("DELETE", "/photos?restype=container", "")
	if a.core.Bucket("photos") != nil {
		t.Error("the container is still there")
	}
}

// TestAzureAltersNames holds the face to what the service does to such names.
func TestAzureAltersNames(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"./key": "key", "%2E/key": "key", ".%2Fkey": "key", "a/../b": "b", "../../b": "b", "a%2F..%2Fb": "b", "trailing.": "trailing", "a./b": "a/b",
		`back%5Cslash`: "back/slash", "a//b": "a//b", "/a": "/a", "a/": "a/", "a%2F%2Fb%2F": "a//b/", "a%252Fb": "a%2Fb", "a+b": "a+b", "..a": "..a",
	} {
		a := newAzure(t, cloudsim.AzureOptions{})
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, a.url+"/photos/x", strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		req.URL.Opaque = "//" + req.URL.Host + "/" + cloudsim.AzureAccount + "/photos/" + raw // sent as it is
		req.Header.Set("X-Ms-Blob-Type", "BlockBlob")
		resp, err := loopback.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if a.bucket.Get(want) == nil {
			objects, _ := a.bucket.List("", "", true, 2)
			t.Errorf("%s was not stored as %q: %d %v", raw, want, resp.StatusCode, objects)
		}
	}
}

// TestAzureShortBody cuts connections within a body.
func TestAzureShortBody(t *testing.T) {
	t.Parallel()
	a := newAzure(t, cloudsim.AzureOptions{})
	a.do("PUT", "/photos/here", "old", blockBlob)
	host := strings.TrimPrefix(strings.TrimSuffix(a.url, "/"+cloudsim.AzureAccount), "http://")
	id := base64.StdEncoding.EncodeToString([]byte("0001"))
	for _, path := range []string{"/photos/here", "/photos/here?comp=block&blockid=" + id, "/photos/here?comp=blocklist"} {
		for _, announced := range []int{100, 65 << 20} {
			conn, err := net.Dial("tcp", host)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(conn, "PUT /%s%s HTTP/1.1\r\nHost: %s\r\nX-Ms-Blob-Type: BlockBlob\r\nContent-Length: %d\r\n\r\n<BlockList></BlockList>", cloudsim.AzureAccount, path, host, announced)
			if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			answer, _ := io.ReadAll(conn)
			conn.Close()
			if bytes.HasPrefix(answer, []byte("HTTP/1.1 2")) {
				t.Errorf("%s: answered %.60s", path, answer)
			}
		}
	}
	if o := a.bucket.Get("here"); string(o.Body) != "old" {
		t.Errorf("body is %q", o.Body)
	}
	if got := a.do("GET", "/photos/here?comp=blocklist&blocklisttype=all", ""); strings.Contains(got.body, "<Block>") {
		t.Errorf("a block was kept: %s", got.body)
	}
}
