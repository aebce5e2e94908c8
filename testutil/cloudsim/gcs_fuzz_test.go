package cloudsim_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// FuzzGCSMultipart: whatever the body of an upload, the face answers 200 or
// 4xx, and an object is stored only with 200, under a legal name.
func FuzzGCSMultipart(f *testing.F) {
	whole := "--b\r\nContent-Type: application/json\r\n\r\n{\"name\":\"k\",\"crc32c\":\"AAAAAA==\"}\r\n--b\r\nContent-Type: a/b\r\n\r\n\r\n--b--\r\n"
	for _, seed := range []string{whole, whole[:len(whole)-4], strings.ReplaceAll(whole, "\r\n", "\n"), "--b--", "", "--b\r\n\r\n{}\r\n--b\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--"} {
		f.Add("multipart/related; boundary=b", "n", seed)
	}
	f.Add("multipart/related; boundary=\"\"", "", whole)
	f.Fuzz(func(t *testing.T, contentType, name, body string) {
		core := cloudsim.NewCore(nil)
		b := core.CreateBucket("bucket", false)
		r := httptest.NewRequest(http.MethodPost, "/upload/storage/v1/b/bucket/o", strings.NewReader(body))
		q := r.URL.Query()
		q.Set("uploadType", "multipart")
		q.Set("name", name)
		r.URL.RawQuery = q.Encode()
		r.Header.Set("Content-Type", contentType)
		w := httptest.NewRecorder()
		cloudsim.NewGCS(core, cloudsim.GCSOptions{}).ServeHTTP(w, r)
		if stored := b.Len() == 1; stored != (w.Code == http.StatusOK) || w.Code != http.StatusOK && w.Code/100 != 4 {
			t.Errorf("status %d with %d objects stored", w.Code, b.Len())
		}
	})
}

// FuzzGCSPatch: a patch is applied or refused, and leaves an object that can
// be read.
func FuzzGCSPatch(f *testing.F) {
	for _, seed := range []string{`{}`, `{"metadata":null}`, `{"metadata":{"a":null,"b":"c"}}`, `{"contentType":null,"x":[1]}`, `{"contentType":3}`, `[]`, `null`, `{"metadata":{"":"x"}}`} {
		f.Add(seed, false)
		f.Add(seed, true)
	}
	f.Fuzz(func(t *testing.T, body string, update bool) {
		core := cloudsim.NewCore(nil)
		b := core.CreateBucket("bucket", false)
		o := cloudsim.NewObject("k", []byte("x"))
		o.Metadata = map[string]string{"a": "1"}
		if _, err := b.Put(o, cloudsim.Origin{}, nil, nil); err != nil {
			t.Fatal(err)
		}
		face := cloudsim.NewGCS(core, cloudsim.GCSOptions{})
		method := http.MethodPatch
		if update {
			method = http.MethodPut
		}
		w := httptest.NewRecorder()
		face.ServeHTTP(w, httptest.NewRequest(method, "/storage/v1/b/bucket/o/k", strings.NewReader(body)))
		changed := b.Get("k").Metageneration == 2
		if changed != (w.Code == http.StatusOK) || w.Code != http.StatusOK && w.Code != http.StatusBadRequest {
			t.Errorf("status %d, changed %v", w.Code, changed)
		}
		for _, path := range []string{"/storage/v1/b/bucket/o/k", "/bucket/k", "/storage/v1/b/bucket/o"} {
			w := httptest.NewRecorder()
			face.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
			if w.Code != http.StatusOK {
				t.Errorf("GET %s afterwards: %d", path, w.Code)
			}
		}
	})
}

// FuzzGCSResumable sends two requests to an upload: an object appears only with
// all of its bytes.
func FuzzGCSResumable(f *testing.F) {
	f.Add("bytes 0-2/3", "abc", "bytes */*", "")
	f.Add("bytes 0-2/*", "abc", "bytes 0-5/6", "abcdef")
	f.Add("", "abc", "bytes */3", "")
	f.Add("bytes */0", "", "bytes 9223372036854775807-9223372036854775807/*", "x")
	f.Fuzz(func(t *testing.T, range1, body1, range2, body2 string) {
		core := cloudsim.NewCore(nil)
		b := core.CreateBucket("bucket", false)
		face := cloudsim.NewGCS(core, cloudsim.GCSOptions{})
		w := httptest.NewRecorder()
		face.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/upload/storage/v1/b/bucket/o?uploadType=resumable&name=k", nil))
		loc := w.Header().Get("Location")
		for _, x := range [][2]string{{range1, body1}, {range2, body2}} {
			r := httptest.NewRequest(http.MethodPut, loc, strings.NewReader(x[1]))
			if x[0] != "" {
				r.Header["Content-Range"] = []string{x[0]}
			}
			w := httptest.NewRecorder()
			face.ServeHTTP(w, r)
			if stored := b.Len() == 1; stored != (w.Code == http.StatusOK) {
				t.Errorf("%q: status %d with %d objects stored", x, w.Code, b.Len())
			}
		}
		if o := b.Get("k"); o != nil && string(o.Body) != body1 && string(o.Body) != body2 && !strings.HasSuffix(body1+body2, string(o.Body)) && !strings.HasSuffix(string(o.Body), body2) {
			t.Errorf("%q was stored from %q and %q", o.Body, body1, body2)
		}
	})
}
