package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/lambdaapi"
	"github.com/crossfade-io/crossfade/testutil/sqssim"
)

// world is S3 and GCS, and Lambda with the bootstrap between them.
type world struct {
	bin, invokeURL string
	env            []string
	gcs            *cloudsim.Core
	source, target *cloudsim.Bucket
	servers        []*httptest.Server
	gate           *gate // before GCS
	queues         *sqssim.Server
	function       *lambdaapi.Function
	stdout, stderr buffer
}

func newWorld(t *testing.T, bin string) *world {
	s3 := cloudsim.NewCore(nil)
	w := &world{bin: bin, gcs: cloudsim.NewCore(nil), queues: sqssim.New()}
	w.source = s3.CreateBucket("photos", false)
	w.target = w.gcs.CreateBucket("photos-copy", false)
	w.gate = &gate{behind: cloudsim.NewGCS(w.gcs, cloudsim.GCSOptions{})}
	for _, h := range []http.Handler{cloudsim.NewS3(s3, cloudsim.S3Options{Credentials: map[string]string{"AKIAEXAMPLE": "example"}}), w.gate, w.queues} {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		w.servers = append(w.servers, s)
	}
	w.env = []string{
		"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"),
		"AWS_ENDPOINT_URL_S3=" + w.servers[0].URL, "AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY=example",
		"AWS_ENDPOINT_URL_SQS=" + w.servers[2].URL,
		"STORAGE_EMULATOR_HOST=" + w.servers[1].URL,
		"CROSSFADE_SOURCE=s3://photos/in", "CROSSFADE_TARGET=gs://photos-copy/2026",
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("standard output:\n%s\nstandard error:\n%s", w.stdout.String(), w.stderr.String())
		}
	})
	return w
}

// deploy puts the bootstrap on Lambda, with the environment as it is now.
func (w *world) deploy(t *testing.T, opts lambdaapi.Options) {
	f := lambdaapi.New(opts)
	f.Deploy(lambdaapi.Bootstrap{Path: w.bin, Env: w.env, Stdout: &w.stdout, Stderr: &w.stderr})
	invoke := httptest.NewServer(f)
	t.Cleanup(func() {
		f.Shutdown(0)
		invoke.Close()
	})
	w.function, w.invokeURL = f, invoke.URL
}

func (w *world) invoke(t *testing.T, payload []byte) lambdaapi.Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	a, err := w.function.Invoke(ctx, payload)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// notifications collects what the bucket announces from now on.
func (w *world) notifications() *[][]byte {
	docs := new([][]byte)
	w.source.Subscribe(func(c cloudsim.Change) {
		if doc, ok := cloudsim.S3Notification(c); ok {
			*docs = append(*docs, doc)
		}
	})
	return docs
}

func (w *world) put(t *testing.T, key, body string) {
	t.Helper()
	o := cloudsim.NewObject(key, []byte(body))
	o.ContentType, o.ETag = "image/png", fmt.Sprintf("%x", o.MD5)
	if _, err := w.source.Put(o, cloudsim.Origin{Operation: "PutObject"}, nil, nil); err != nil {
		t.Fatal(err)
	}
}

func (w *world) remove(t *testing.T, key string) {
	t.Helper()
	if _, _, err := w.source.Delete(key, cloudsim.Origin{Operation: "DeleteObject"}, false, nil); err != nil {
		t.Fatal(err)
	}
}

// frozen waits until the process was stopped so many times.
func (w *world) frozen(t *testing.T, times int) {
	t.Helper()
	for w.function.Stats().Freezes < times {
		select {
		case <-t.Context().Done():
			t.Fatal("the process is not frozen")
		case <-time.After(time.Millisecond):
		}
	}
}

// cut closes the connections that the function has open.
func (w *world) cut() {
	for _, s := range w.servers {
		s.CloseClientConnections()
	}
}

// same compares what is below the two prefixes.
func (w *world) same(t *testing.T, objects int) {
	t.Helper()
	all, _ := w.source.List("in/", "", false, 1000)
	if len(all) != objects || w.target.Len() != objects {
		t.Errorf("%d objects on the source, %d on the target, want %d", len(all), w.target.Len(), objects)
	}
	for _, o := range all {
		if c := w.target.Get("2026/" + strings.TrimPrefix(o.Name, "in/")); c == nil || !bytes.Equal(c.Body, o.Body) {
			t.Errorf("%s is missing, or another", o.Name)
		}
	}
}

// gate lets requests through; shut, those that write wait.
type gate struct {
	behind http.Handler
	refuse atomic.Bool // what writes

	mu   sync.Mutex
	hit  chan struct{} // told of each that waits
	open chan struct{}
}

func (g *gate) shut() (hit <-chan struct{}, open func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hit, g.open = make(chan struct{}, 1), make(chan struct{})
	return g.hit, sync.OnceFunc(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		close(g.open)
		g.open = nil
	})
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g.refuse.Load() && r.Method == http.MethodPost {
		http.Error(w, `{"error":{"code":403,"message":"no"}}`, http.StatusForbidden)
		return
	}
	g.mu.Lock()
	hit, open := g.hit, g.open
	g.mu.Unlock()
	if open != nil && r.Method == http.MethodPost {
		select {
		case hit <- struct{}{}:
		default:
		}
		select {
		case <-open:
		case <-r.Context().Done():
			return
		}
	}
	g.behind.ServeHTTP(w, r)
}

// buffer is a bytes.Buffer for two goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
