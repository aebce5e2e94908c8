package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/file"
	"github.com/crossfade-io/crossfade/testutil/functest"
	"github.com/crossfade-io/crossfade/testutil/loopback"
)

// running starts the verb on stores in memory, and returns its address and what
// ends it.
func (c *cli) running(config string, args ...string) (url string, end func()) {
	c.t.Helper()
	c.env.now = time.Now
	path := filepath.Join(c.t.TempDir(), "crossfade.yaml")
	addr := "127.0.0.1:" + functest.FreePort(c.t)
	if err := os.WriteFile(path, []byte("name: shop\n"+config+"\n  listen: "+addr+"\n"), 0o600); err != nil {
		c.t.Fatal(err)
	}
	c.want(exitDone, "init", "-f", path)
	ctx, cancel := context.WithCancel(c.t.Context())
	ended := make(chan int, 1)
	go func() {
		code, _, _ := c.runContext(ctx, append([]string{"run", "-f", path}, args...)...)
		ended <- code
	}()
	url = "http://" + addr
	c.until(func() bool {
		req, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, url+"/readyz", nil)
		if err != nil {
			c.t.Fatal(err)
		}
		res, err := loopback.Client().Do(req)
		if err != nil {
			return false
		}
		defer res.Body.Close()
		return res.StatusCode == http.StatusOK
	})
	return url, func() {
		cancel()
		if code := <-ended; code != exitDone {
			c.t.Errorf("exit %d: %s", code, c.said())
		}
	}
}

// said is what was written so far.
func (c *cli) said() string { return c.out.text() + c.err.text() }

func (c *cli) until(what func() bool) {
	c.t.Helper()
	for over := time.Now().Add(30 * time.Second); !what(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(over) {
			c.t.Fatalf("it does not come:\n%s", c.said())
		}
	}
}

func (c *cli) has(s store.Store, key string) bool {
	c.t.Helper()
	_, err := s.Head(context.Background(), key)
	if err != nil && store.KindOf(err) != store.NotFound {
		c.t.Fatal(err)
	}
	return err == nil
}

// Each kind of webhook is served, with its token only, and follows the store.
func TestRunWebhooks(t *testing.T) {
	t.Parallel()
	const token = "hunter2-hunter2-hunter2"
	for kind, c := range map[string]struct {
		stores, body string
		header       map[string]string
	}{
		"s3": {
			"source: s3://source\ntarget: gs://target",
			`{"Records":[{"eventVersion":"2.0","eventSource":"minio:s3","eventName":"s3:ObjectCreated:Put","s3":{"bucket":{"name":"source"},"object":{"key":"a%2Fb"}}}]}`, nil,
		},
		"gcs": {
			"source: gs://source\ntarget: s3://target", `{"bucket":"source","name":"a/b","generation":"1","metageneration":"1"}`,
			map[string]string{
				"Ce-Id": "1", "Ce-Specversion": "1.0", "Ce-Type": "google.cloud.storage.object.v1.finalized", "Content-Type": "application/json",
				"Ce-Source": "//storage.googleapis.com/projects/_/buckets/source", "Ce-Subject": "objects/a/b", "Ce-Time": "2026-11-03T10:15:30Z",
			},
		},
		"eventgrid": {
			"source: az://source\ntarget: gs://target",
			`[{"id":"1","topic":"/subscriptions/s/resourceGroups/r/providers/Microsoft.Storage/storageAccounts/shop","subject":"/blobServices/default/containers/source/blobs/a/b","eventType":"Microsoft.Storage.BlobCreated","eventTime":"2026-11-03T10:15:30Z","dataVersion":"","metadataVersion":"1","data":{"api":"PutBlob"}}]`, nil,
		},
	} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			w := newCLI(t)
			w.env.openers["az"] = w.env.openers["s3"]
			url, end := w.running(fmt.Sprintf("%s\nrun:\n  events: [{webhook: %s, token: %s}]", c.stores, kind, token))
			defer end()
			w.put(w.src, "a/b", "body")
			for query, want := range map[string]int{"": 401, "?token=" + token + "x": 401, "?token=" + token: 200} {
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/events/"+kind+query, strings.NewReader(c.body))
				if err != nil {
					t.Fatal(err)
				}
				for name, value := range c.header {
					req.Header.Set(name, value)
				}
				res, err := loopback.Client().Do(req)
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				if res.StatusCode != want {
					t.Errorf("%q: status %d, want %d\n%s", query, res.StatusCode, want, w.said())
				}
			}
			if !w.has(w.dst, "a/b") {
				t.Errorf("nothing was copied:\n%s", w.said())
			}
			if strings.Contains(w.said(), "hunter2") {
				t.Errorf("the token is logged:\n%s", w.said())
			}
		})
	}
}

// A directory is watched, what was there before is found, and what is not chosen
// is left alone.
func TestRunWatches(t *testing.T) {
	t.Parallel()
	w := newCLI(t)
	w.env.openers["file"] = file.Open
	dir := filepath.Join(t.TempDir(), "uploads")
	write := func(name string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("old/a.jpg")
	_, end := w.running("source: file://" + dir + "\ntarget: gs://target\nexclude: ['*.tmp']\nrun:\n  events: [{watch: {rescan: 1h}}]")
	w.until(func() bool { return w.has(w.dst, "old/a.jpg") })
	write("b.tmp")
	write("b.jpg")
	w.until(func() bool { return w.has(w.dst, "b.jpg") })
	if err := os.Remove(filepath.Join(dir, "old", "a.jpg")); err != nil {
		t.Fatal(err)
	}
	w.until(func() bool { return !w.has(w.dst, "old/a.jpg") })
	end()
	if w.has(w.dst, "b.tmp") {
		t.Error("what is not chosen was copied")
	}
}
