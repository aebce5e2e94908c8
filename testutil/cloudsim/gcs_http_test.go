package cloudsim_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/loopback"
)

// do sends a raw request, with headers as pairs, and no gzip unless asked.
func (g *gcsRig) do(t testing.TB, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	if !strings.HasPrefix(path, "http") {
		path = g.url + path
	}
	req, err := http.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept-Encoding", "identity")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := loopback.Client().Transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(b)
}

func (g *gcsRig) put(t testing.TB, name string, body []byte, set func(*cloudsim.Object)) *cloudsim.Object {
	t.Helper()
	o := cloudsim.NewObject(name, body)
	if set != nil {
		set(o)
	}
	o, err := g.bucket.Put(o, cloudsim.Origin{}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestGCSRawErrors(t *testing.T) {
	t.Parallel()
	g := newGCS(t, false)
	o := g.put(t, "k", []byte("0123456789"), nil)
	gen := fmt.Sprint(o.Generation)
	for _, x := range []struct {
		method, path, body string
		status             int
		want               string // in the body
		headers            []string
	}{
		{"GET", "/storage/v1/b/no", "", 404, `"reason":"notFound"`, nil},
		{"GET", "/storage/v1/b/no/o", "", 404, `"message":"The specified bucket does not exist."`, nil},
		{"GET", "/storage/v1/b/bucket/o/no", "", 404, `"message":"No such object: bucket/no"`, nil},
		{"GET", "/storage/v1/b/bucket/o/k?generation=1", "", 404, "No such object", nil},
		{"GET", "/storage/v1/b/bucket/o/k?generation=x", "", 400, `"reason":"invalid"`, nil},
		{"GET", "/storage/v1/b/bucket/o/k?ifGenerationMatch=1", "", 412, `"reason":"conditionNotMet","locationType":"header","location":"If-Match"`, nil},
		{"GET", "/storage/v1/b/bucket/o/k?ifGenerationMatch=x", "", 400, `"reason":"invalid"`, nil},
		{"GET", "/storage/v1/b/bucket/o/k?ifGenerationNotMatch=" + gen, "", 304, "", nil},
		{"GET", "/storage/v1/b/bucket/o/k?alt=media&ifMetagenerationNotMatch=1", "", 304, "", nil},
		{"GET", "/storage/v1/b/bucket/o/k?alt=media&ifMetagenerationMatch=2", "", 412, "conditionNotMet", nil},
		{"GET", "/storage/v1/b/bucket/o/k?alt=media", "", 416, "requestedRangeNotSatisfiable", []string{"Range", "bytes=10-"}},
		{"DELETE", "/storage/v1/b/bucket/o/k?ifMetagenerationNotMatch=1", "", 304, "", nil},
		{"GET", "/bucket/no", "", 404, "<Code>NoSuchKey</Code><Message>No such object: bucket/no</Message>", nil},
		{"GET", "/no/k", "", 404, "<Code>NoSuchBucket</Code>", nil},
		{"GET", "/bucket/k", "", 416, "<Code>InvalidRange</Code><Message>The requested range cannot be satisfied.</Message><Details>bytes=10-12</Details>", []string{"Range", "bytes=10-12"}},
		{"GET", "/bucket/k", "", 412, "<Code>PreconditionFailed</Code>", []string{"X-Goog-If-Generation-Match", "1"}},
		{"GET", "/bucket/k", "", 412, "<Code>PreconditionFailed</Code>", []string{"X-Goog-If-Metageneration-Match", "2"}},
		{"GET", "/bucket/k", "", 412, "<Code>PreconditionFailed</Code>", []string{"If-Match", `"x"`}},
		{"GET", "/bucket/k", "", 304, "", []string{"If-None-Match", `"781e5e245d69b566979b86e28d23f2c7"`}},
		{"PUT", "/bucket/k", "x", 501, "NotImplemented", nil},
		{"GET", "/bucket", "", 501, "NotImplemented", nil},
		{"POST", "/batch/storage/v1", "", 501, "notImplemented", nil},
		{"GET", "/storage/v1/b/bucket/o?matchGlob=x", "", 501, "matchGlob", nil},
		{"GET", "/storage/v1/b/bucket/o?pageToken=!", "", 400, "pageToken", nil},
		{"PATCH", "/storage/v1/b/bucket/o/k", "{", 400, "parseError", nil},
		{"PATCH", "/storage/v1/b/bucket/o/k", `{"metadata":3}`, 400, "parseError", nil},
		{"POST", "/upload/storage/v1/b/bucket/o?name=k", "x", 400, "uploadType", nil},
		{"POST", "/upload/storage/v1/b/no/o?uploadType=media&name=k", "x", 404, "bucket does not exist", nil},
		{"POST", "/upload/storage/v1/b/bucket/o?uploadType=media", "x", 400, "required", nil},
		{"POST", "/upload/storage/v1/b/bucket/o?uploadType=media&name=a%0ab", "x", 400, "invalid", nil},
		{"POST", "/upload/storage/v1/b/bucket/o?uploadType=media&name=..", "x", 400, "invalid", nil},
		{"POST", "/upload/storage/v1/b/bucket/o?uploadType=media&name=%ff", "x", 400, "UTF-8", nil},
		{"POST", "/upload/storage/v1/b/bucket/o?uploadType=media&name=" + strings.Repeat("n", 1025), "x", 400, "1024", nil},
		{"POST", "/upload/storage/v1/b/bucket/o?uploadType=media&name=k", "x", 400, "CRC32C", []string{"X-Goog-Hash", "crc32c=AAAAAA=="}},
		{"POST", "/upload/storage/v1/b/bucket/o?uploadType=media&name=k", "x", 400, "MD5", []string{"X-Goog-Hash", "md5=AAAAAAAAAAAAAAAAAAAAAA=="}},
		{"POST", "/upload/storage/v1/b/bucket/o?uploadType=multipart", "x", 400, "multipart", []string{"Content-Type", "text/plain"}},
		{"POST", "/upload/storage/v1/b/bucket/o?uploadType=multipart&name=k", "--b\r\n\r\n{}\r\n--b\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--", 400, "multipart", []string{"Content-Type", "multipart/related; boundary=b"}},
		{"POST", "/upload/storage/v1/b/bucket/o?uploadType=multipart&name=k", "--b\r\n\r\n{}\r\n--b--", 400, "multipart", []string{"Content-Type", "multipart/related; boundary=b"}},
		{"POST", "/upload/storage/v1/b/bucket/o?uploadType=resumable&upload_id=no", "x", 404, "No such upload", nil},
	} {
		resp, body := g.do(t, x.method, x.path, x.body, x.headers...)
		if resp.StatusCode != x.status || !strings.Contains(body, x.want) {
			t.Errorf("%s %s %q: %d %s, want %d with %s", x.method, x.path, x.headers, resp.StatusCode, body, x.status, x.want)
		}
		if strings.HasPrefix(x.path, "/storage/") && x.status >= 400 {
			var e struct{ Error struct{ Code int } }
			if err := json.Unmarshal([]byte(body), &e); err != nil || e.Error.Code != x.status {
				t.Errorf("%s %s: body %s does not tell the code: %v", x.method, x.path, body, err)
			}
		}
	}
	if cur := g.bucket.Get("k"); g.bucket.Len() != 1 || cur.Generation != o.Generation || cur.Metageneration != 1 {
		t.Error("a refused request changed something")
	}
}

func TestGCSReadHeaders(t *testing.T) {
	t.Parallel()
	g := newGCS(t, false)
	o := g.put(t, "//x+y %2F\x01", []byte("0123456789"), func(o *cloudsim.Object) { o.Metadata = map[string]string{"Key": "v"} })
	for _, path := range []string{"/bucket/%2F%2Fx%2By%20%252F%01", "/bucket///x+y%20%252F%01"} {
		for _, method := range []string{"GET", "HEAD"} {
			resp, body := g.do(t, method, path, "")
			if method == "GET" && body != "0123456789" || method == "HEAD" && body != "" || resp.ContentLength != 10 {
				t.Errorf("%s %s: %q of length %d", method, path, body, resp.ContentLength)
			}
			for k, want := range map[string]string{
				"X-Goog-Generation": fmt.Sprint(o.Generation), "X-Goog-Metageneration": "1",
				"X-Goog-Hash":                    "crc32c=KAwGng== md5=eB5eJF1ptWaXm4bijSPyxw==",
				"X-Goog-Stored-Content-Encoding": "identity", "X-Goog-Stored-Content-Length": "10",
				"X-Goog-Storage-Class": "STANDARD", "X-Goog-Meta-Key": "v", "Etag": `"781e5e245d69b566979b86e28d23f2c7"`,
				"Content-Type": "application/octet-stream", "Cache-Control": "private, max-age=0", "Accept-Ranges": "bytes",
				"Last-Modified": o.Created.UTC().Format(http.TimeFormat), "Content-Encoding": "",
			} {
				if got := strings.Join(resp.Header.Values(k), " "); got != want {
					t.Errorf("%s: %s is %q, want %q", method, k, got, want)
				}
			}
		}
		for _, x := range []struct {
			header string
			status int
			want   string
			cr     string
		}{
			{"bytes=0-0", 206, "0", "bytes 0-0/10"},
			{"bytes=2-4", 206, "234", "bytes 2-4/10"},
			{"bytes=7-", 206, "789", "bytes 7-9/10"},
			{"bytes=7-99", 206, "789", "bytes 7-9/10"},
			{"bytes=-3", 206, "789", "bytes 7-9/10"},
			{"bytes=-99", 200, "0123456789", ""},
			{"bytes=0-", 200, "0123456789", ""},
			{"bytes=0-9", 200, "0123456789", ""},
			{"bytes=0-1,3-4", 200, "0123456789", ""},
			{"bytes=4-2", 200, "0123456789", ""},
			{"lines=1-2", 200, "0123456789", ""},
		} {
			resp, body := g.do(t, "GET", path, "", "Range", x.header)
			if resp.StatusCode != x.status || body != x.want || resp.Header.Get("Content-Range") != x.cr {
				t.Errorf("%s: %d %q %q", x.header, resp.StatusCode, body, resp.Header.Get("Content-Range"))
			}
		}
	}
}

func TestGCSTranscoding(t *testing.T) {
	t.Parallel()
	g := newGCS(t, false)
	var z bytes.Buffer
	zw := gzip.NewWriter(&z)
	plain := strings.Repeat("crossfade ", 1000)
	_, _ = io.WriteString(zw, plain)
	_ = zw.Close()
	stored := z.String()
	gz := func(o *cloudsim.Object) { o.ContentEncoding = "gzip" }
	g.put(t, "z", z.Bytes(), gz)
	g.put(t, "not", []byte("no gzip"), gz)
	g.put(t, "fixed", z.Bytes(), func(o *cloudsim.Object) { gz(o); o.CacheControl = "max-age=1, no-transform" })
	for _, base := range []string{"/bucket/", "/storage/v1/b/bucket/o/"} {
		for _, x := range []struct {
			key, accept, ranged string
			status              int
			want, encoding      string
		}{
			{"z", "identity", "", 200, plain, ""},
			{"z", "br, deflate", "bytes=2-5", 200, plain, ""}, // the range is ignored
			{"z", "gzip", "", 200, stored, "gzip"},
			{"z", "br, GZIP;q=0.5", "", 200, stored, "gzip"},
			{"z", "gzip", "bytes=2-5", 206, stored[2:6], "gzip"},
			{"not", "identity", "", 200, "no gzip", "gzip"},
			{"fixed", "identity", "", 200, stored, "gzip"},
			{"fixed", "identity", "bytes=0-1", 206, stored[:2], "gzip"},
		} {
			headers := []string{"Accept-Encoding", x.accept}
			if x.ranged != "" {
				headers = append(headers, "Range", x.ranged)
			}
			resp, body := g.do(t, "GET", base+x.key+"?alt=media", "", headers...)
			if resp.StatusCode != x.status || body != x.want || resp.Header.Get("Content-Encoding") != x.encoding {
				t.Errorf("%s%s %q: %d, %d bytes, encoding %q", base, x.key, headers, resp.StatusCode, len(body), resp.Header.Get("Content-Encoding"))
			}
			if decoded := x.want == plain; decoded != (resp.ContentLength < 0) || decoded != (resp.Header.Get("Accept-Ranges") == "none") {
				t.Errorf("%s%s %q: length %d, ranges %q", base, x.key, headers, resp.ContentLength, resp.Header.Get("Accept-Ranges"))
			}
			if resp.Header.Get("X-Goog-Stored-Content-Encoding") != "gzip" {
				t.Errorf("%s%s: no stored encoding", base, x.key)
			}
		}
	}
}

func TestGCSResumable(t *testing.T) {
	t.Parallel()
	g := newGCS(t, false)
	const unit = 256 << 10
	body := strings.Repeat("0123456789abcdef", 3*unit/16) + "tail"
	start := func(query string) string {
		t.Helper()
		resp, text := g.do(t, "POST", "/upload/storage/v1/b/bucket/o?uploadType=resumable&name=k"+query, `{"contentType":"a/b"}`)
		if resp.StatusCode != 200 {
			t.Fatalf("start: %d %s", resp.StatusCode, text)
		}
		return resp.Header.Get("Location")
	}
	send := func(loc, method, span, part string, headers ...string) (int, string) {
		t.Helper()
		resp, _ := g.do(t, method, loc, part, append(headers, "Content-Range", span)...)
		return resp.StatusCode, resp.Header.Get("Range")
	}
	expect := func(what string, status int, held string) func(int, string) {
		return func(gotStatus int, gotHeld string) {
			t.Helper()
			if gotStatus != status || gotHeld != held {
				t.Errorf("%s: %d with %q held, want %d with %q", what, gotStatus, gotHeld, status, held)
			}
			if status != 200 && g.bucket.Get("k") != nil {
				t.Errorf("%s: the object is visible before its end", what)
			}
		}
	}
	loc := start("")
	total := len(body)
	expect("query of nothing", 308, "")(send(loc, "PUT", "bytes */*", ""))
	// What is refused is short: the server does not read it, and closes on more.
	expect("a gap", 400, "")(send(loc, "PUT", fmt.Sprintf("bytes %d-%d/*", unit, unit+99), body[unit:unit+100]))
	expect("first chunk", 308, fmt.Sprintf("bytes=0-%d", unit-1))(send(loc, "PUT", fmt.Sprintf("bytes 0-%d/*", unit-1), body[:unit]))
	expect("the same again", 308, fmt.Sprintf("bytes=0-%d", unit-1))(send(loc, "PUT", fmt.Sprintf("bytes 0-%d/*", unit-1), body[:unit]))
	expect("an odd chunk is held in units", 308, fmt.Sprintf("bytes=0-%d", 2*unit-1))(send(loc, "PUT", fmt.Sprintf("bytes %d-%d/*", unit, 2*unit+99), body[unit:2*unit+100]))
	expect("query", 308, fmt.Sprintf("bytes=0-%d", 2*unit-1))(send(loc, "PUT", "bytes */*", ""))
	expect("query with the total", 308, fmt.Sprintf("bytes=0-%d", 2*unit-1))(send(loc, "PUT", fmt.Sprintf("bytes */%d", total), ""))
	expect("another total", 400, "")(send(loc, "PUT", fmt.Sprintf("bytes */%d", total+1), ""))
	expect("a wrong length", 400, "")(send(loc, "PUT", fmt.Sprintf("bytes %d-%d/%d", 2*unit, total-1, total), body[2*unit:2*unit+100]))
	for _, span := range []string{"bytes", "bytes 0-1", "bytes a-b/*", "bytes 5-2/*", "bytes 0-9/5", "items 0-1/*", "bytes 1/2"} {
		expect("Content-Range "+span, 400, "")(send(loc, "PUT", span, "x"))
	}
	resp, _ := g.do(t, "POST", loc, "", "Content-Range", "bytes */*", "X-GUploader-No-308", "yes")
	if resp.StatusCode != 200 || resp.Header.Get("X-HTTP-Status-Code-Override") != "308" {
		t.Errorf("without 308: %d, override %q", resp.StatusCode, resp.Header.Get("X-HTTP-Status-Code-Override"))
	}
	expect("the rest, overlapping", 200, "")(send(loc, "POST", fmt.Sprintf("bytes %d-%d/%d", unit, total-1, total), body[unit:]))
	if o := g.bucket.Get("k"); o == nil || string(o.Body) != body || o.ContentType != "a/b" {
		t.Error("another object was stored")
	}
	expect("query after the end", 200, "")(send(loc, "PUT", "bytes */*", ""))
	gen := g.bucket.Get("k").Generation
	expect("the end again", 200, "")(send(loc, "PUT", fmt.Sprintf("bytes %d-%d/%d", total-4, total-1, total), body[total-4:]))
	if g.bucket.Get("k").Generation != gen {
		t.Error("repeating the end stored it twice")
	}
	_, _, _ = g.bucket.Delete("k", cloudsim.Origin{}, false, nil)

	loc = start("")
	expect("cancel", 499, "")(send(loc, "DELETE", "bytes */*", ""))
	expect("after the cancel", 410, "")(send(loc, "PUT", "bytes 0-0/1", "x"))

	loc = start("")
	expect("a wrong checksum at the end", 400, "")(send(loc, "PUT", "bytes 0-0/1", "x", "X-Goog-Hash", "crc32c=AAAAAA=="))
	expect("after that", 400, "")(send(loc, "PUT", "bytes 0-0/1", "x"))

	loc = start("&ifGenerationMatch=0")
	other := g.put(t, "k", []byte("other"), nil)
	if status, _ := send(loc, "PUT", "bytes 0-0/1", "x"); status != 412 {
		t.Errorf("a condition that fails at the end: %d", status)
	}
	if resp, _ := g.do(t, "POST", "/upload/storage/v1/b/bucket/o?uploadType=resumable&name=k&ifGenerationMatch=0", ""); resp.StatusCode != 412 {
		t.Errorf("a condition that fails at the start: %d", resp.StatusCode)
	}
	if g.bucket.Get("k").Generation != other.Generation {
		t.Error("a refused upload replaced the object")
	}
}

// TestGCSCutBodies: the connection ends in the middle of a body.
func TestGCSCutBodies(t *testing.T) {
	t.Parallel()
	g := newGCS(t, false)
	u, err := url.Parse(g.url)
	if err != nil {
		t.Fatal(err)
	}
	const boundary = "--b\r\nContent-Type: application/json\r\n\r\n{\"name\":\"k\"}\r\n--b\r\n\r\n0123456789"
	for name, request := range map[string]string{
		"media":           "POST /upload/storage/v1/b/bucket/o?uploadType=media&name=k HTTP/1.1\r\nHost: h\r\nContent-Length: 20\r\n\r\n0123456789",
		"media chunked":   "POST /upload/storage/v1/b/bucket/o?uploadType=media&name=k HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n",
		"multipart":       "POST /upload/storage/v1/b/bucket/o?uploadType=multipart HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/related; boundary=b\r\nContent-Length: 500\r\n\r\n" + boundary,
		"multipart whole": fmt.Sprintf("POST /upload/storage/v1/b/bucket/o?uploadType=multipart HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/related; boundary=b\r\nContent-Length: %d\r\n\r\n%s", len(boundary), boundary),
	} {
		sendCut(t, name, u.Host, request)
		if g.bucket.Len() != 0 {
			t.Fatalf("%s: an object was stored", name)
		}
	}
	// Of a chunk that is cut, what arrived in whole units is held, and can be
	// gone on from.
	const unit = 256 << 10
	body := strings.Repeat("x", 3*unit+5)
	resp, _ := g.do(t, "POST", "/upload/storage/v1/b/bucket/o?uploadType=resumable&name=k", "")
	loc, err := url.Parse(resp.Header.Get("Location"))
	if err != nil {
		t.Fatal(err)
	}
	sendCut(t, "last chunk", u.Host, fmt.Sprintf("PUT %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\nContent-Range: bytes 0-%d/%d\r\n\r\n%s",
		loc.RequestURI(), len(body), len(body)-1, len(body), body[:2*unit+77]))
	resp, _ = g.do(t, "PUT", loc.String(), "", "Content-Range", fmt.Sprintf("bytes */%d", len(body)))
	if held := resp.Header.Get("Range"); resp.StatusCode != 308 || held != fmt.Sprintf("bytes=0-%d", 2*unit-1) || g.bucket.Len() != 0 {
		t.Fatalf("after a cut chunk: %d with %q held", resp.StatusCode, held)
	}
	resp, _ = g.do(t, "PUT", loc.String(), body[2*unit:], "Content-Range", fmt.Sprintf("bytes %d-%d/%d", 2*unit, len(body)-1, len(body)))
	if o := g.bucket.Get("k"); resp.StatusCode != 200 || o == nil || string(o.Body) != body {
		t.Errorf("going on after a cut chunk: %d", resp.StatusCode)
	}
}

// sendCut sends the beginning of a request, and nothing more.
func sendCut(t *testing.T, name, host, request string) {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, request)
	_ = conn.(*net.TCPConn).CloseWrite()
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return // hung up, which is as good
	}
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("%s: %d", name, resp.StatusCode)
	}
	_ = resp.Body.Close()
}

func TestGCSToken(t *testing.T) {
	t.Parallel()
	core := cloudsim.NewCore(nil)
	core.CreateBucket("bucket", false)
	base, stop := cloudsim.Serve(cloudsim.NewGCS(core, cloudsim.GCSOptions{Token: "t"}))
	defer stop()
	g := &gcsRig{url: base}
	for auth, want := range map[string]int{"": 401, "Bearer x": 401, "Bearer t": 200} {
		if resp, _ := g.do(t, "GET", "/storage/v1/b/bucket", "", "Authorization", auth); resp.StatusCode != want {
			t.Errorf("Authorization %q: %d, want %d", auth, resp.StatusCode, want)
		}
	}
}
