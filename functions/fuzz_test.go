package functions_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/eventgrid"
	"github.com/crossfade-io/crossfade/functions/gcs"
	"github.com/crossfade-io/crossfade/functions/s3"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// bounds is a function for the keys of photos below in/, from a source that
// holds more than that to a target of its own, and what it logs.
type bounds struct {
	proc           *functions.Processor
	source, target *cloudsim.Bucket
	log            *bytes.Buffer
	touched        map[string]bool // keys that any store was asked for
}

// within are the objects that events may move; the rest of the bucket is out of
// bounds, by its prefix or by the control prefix.
var (
	within = []string{"in/a.txt", "in/Happy Face.jpg", "in/new-file.txt", "in/a b/c+d.txt", "in/.crossfader"}
	beyond = []string{"a.txt", "out/a.txt", "in", "in/", "inn/a.txt", ".crossfade/m/phase.json", "in/.crossfade/m/phase.json", "in/.crossfade/"}
)

func newBounds(t testing.TB, cloud uint8) *bounds {
	t.Helper()
	core := cloudsim.NewCore(nil)
	w := &bounds{source: core.CreateBucket("photos", false), target: core.CreateBucket("copy", false), log: &bytes.Buffer{}, touched: map[string]bool{}}
	for _, key := range append(append([]string{}, within...), beyond...) {
		if _, err := w.source.Put(cloudsim.NewObject(key, []byte("of "+key)), cloudsim.Origin{}, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []string{"kept", ".crossfade/m/phase.json", ".crossfade/"} {
		if _, err := w.target.Put(cloudsim.NewObject(key, []byte("kept")), cloudsim.Origin{}, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	src, dst := memstore.New(w.source), memstore.New(w.target)
	watch := func(_ context.Context, op memstore.Op) error { w.touched[op.Key] = true; return nil }
	dst.SetIntercept(watch)
	log := slog.New(slog.NewJSONHandler(w.log, nil))
	rep, err := replicate.New(prefixed{src, "in/", w.touched}, dst, replicate.Options{
		SourceID: "s3://photos/in/", TargetID: "gs://copy/", Policy: replicate.Policy{Deletes: true}, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	account := ""
	if cloud%3 == 2 {
		account = "acct"
	}
	// One key at a time, so that the log and the watch need no lock.
	w.proc, err = functions.New(rep, functions.Options{Bucket: "photos", Prefix: "in/", Account: account, Now: time.Now, Log: log, Concurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// prefixed shows the part of a bucket below a prefix, as drivers do.
type prefixed struct {
	*memstore.Store
	prefix  string
	touched map[string]bool
}

func (p prefixed) Head(ctx context.Context, key string) (*store.Object, error) {
	p.touched[key] = true
	o, err := p.Store.Head(ctx, p.prefix+key)
	if err == nil {
		o.Key = key
	}
	return o, err
}

func (p prefixed) Open(ctx context.Context, key string, opts store.ReadOptions) (*store.Reader, error) {
	p.touched[key] = true
	r, err := p.Store.Open(ctx, p.prefix+key, opts)
	if err == nil {
		r.Key = key
	}
	return r, err
}

// check holds whatever was delivered: the target has its own objects as they
// were, and besides them only copies of what events may move; nobody asked for
// another key, and the log is one JSON object a line.
func (w *bounds) check(t testing.TB) {
	t.Helper()
	allowed := map[string]string{"kept": "kept", ".crossfade/m/phase.json": "kept", ".crossfade/": "kept"}
	for _, key := range within {
		allowed[strings.TrimPrefix(key, "in/")] = "of " + key
	}
	objects, _ := w.target.List("", "", true, 1000)
	for _, o := range objects {
		if body, ok := allowed[o.Name]; !ok || body != string(o.Body) {
			t.Errorf("on the target: %q with %q", o.Name, o.Body)
		}
	}
	for _, key := range []string{"kept", ".crossfade/m/phase.json", ".crossfade/"} {
		if w.target.Get(key) == nil {
			t.Errorf("%q was deleted from the target", key)
		}
	}
	if n := w.source.Len(); n != len(within)+len(beyond) {
		t.Errorf("%d objects on the source", n)
	}
	for key := range w.touched {
		if functions.ValidKey(key) != nil || strings.HasPrefix(key, store.ControlPrefix) {
			t.Errorf("a store was asked for %q", key)
		}
	}
	checkLines(t, w.log.Bytes())
}

// checkLines requires of a log that each line is a JSON object without anything
// that a terminal acts upon, and not longer than any cloud's entry may be.
func checkLines(t testing.TB, log []byte) (lines []map[string]any) {
	t.Helper()
	for line := range bytes.Lines(log) {
		var m map[string]any
		if err := json.Unmarshal(line, &m); err != nil || m["msg"] == nil || m["level"] == nil {
			t.Errorf("not a line of the log: %.300q: %v", line, err)
		}
		if len(line) > 32<<10 {
			t.Errorf("a line of %d bytes: %.200s", len(line), line)
		}
		for _, r := range strings.TrimSuffix(string(line), "\n") {
			if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
				t.Fatalf("%U in the line %.300q", r, line)
			}
		}
		lines = append(lines, m)
	}
	return lines
}

// seeds adds all documents that the decoders are tested with.
func seeds(f *testing.F, add func(cloud uint8, doc []byte)) {
	for cloud, dir := range []string{"s3", "gcs", "eventgrid"} {
		names, err := filepath.Glob(filepath.Join(dir, "testdata", "*.json"))
		if err != nil || len(names) == 0 {
			f.Fatal("no seeds in", dir, err)
		}
		for _, name := range names {
			doc, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			add(uint8(cloud), doc)
		}
	}
}

// deliver sends a document to the real handler of a cloud. header are the
// CloudEvents attributes, or for Azure the Aeg-Event-Type, one a line.
func deliver(t testing.TB, p *functions.Processor, log *slog.Logger, cloud uint8, header string, doc []byte) (status int, answer string) {
	t.Helper()
	if cloud%3 == 0 {
		out, err := lambda.NewHandler(s3.New(p, nil)).Invoke(t.Context(), doc)
		if err != nil {
			return http.StatusBadRequest, err.Error()
		}
		return http.StatusOK, string(out)
	}
	var h http.Handler = gcs.New(p)
	if cloud%3 == 2 {
		h = eventgrid.New(p, log)
	}
	r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(doc))
	for line := range strings.Lines(header) {
		if name, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": "); ok {
			r.Header.Add(name, value)
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(body)
}

// FuzzDelivery: whatever is delivered, to whichever function, it is answered as
// the table says, and moves nothing but the configured part of the bucket.
func FuzzDelivery(f *testing.F) {
	seeds(f, func(cloud uint8, doc []byte) {
		header := "Aeg-Event-Type: Notification\nAeg-Delivery-Count: 0"
		if cloud == 1 { // recorded as headers and body
			var d struct {
				Headers map[string]string
				Body    json.RawMessage
			}
			if err := json.Unmarshal(doc, &d); err != nil {
				f.Fatal(err)
			}
			header, doc = "", d.Body
			for name, value := range d.Headers {
				header += name + ": " + value + "\n"
			}
		}
		f.Add(cloud, header, doc)
	})
	f.Add(uint8(1), "Content-Type: application/cloudevents+json", []byte(`{"specversion":"1.0","id":"1","type":"google.cloud.storage.object.v1.deleted",
		"source":"//storage.googleapis.com/projects/_/buckets/photos","data":{"bucket":"photos","name":"in/.crossfade/m/phase.json"}}`))
	f.Add(uint8(2), "Aeg-Event-Type: SubscriptionValidation", []byte(`[{"eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","topic":"a\nb","data":{"validationCode":"x"}}]`))
	f.Fuzz(func(t *testing.T, cloud uint8, header string, doc []byte) {
		w := newBounds(t, cloud)
		status, _ := deliver(t, w.proc, slog.New(slog.NewJSONHandler(w.log, nil)), cloud, header, doc)
		switch status {
		case 200, 400, 429, 503:
		default:
			t.Errorf("status %d", status)
		}
		w.check(t)
	})
}

// FuzzKeys: an object of any name that a bucket can hold arrives under just that
// name, by the document that the cloud sends for it; or, where the document
// cannot carry the name, is kept for someone to look at.
func FuzzKeys(f *testing.F) {
	for _, key := range []string{"a", "a b+c", "%2F", "é", "e\u0301", "\U0001F600", "/", "//", "../up", ".", "a\nb", "a\x00", "\u2028", "\ufffd", `q"\`, "<&>", ".crossfade/x", ".crossfade", "blobs/x", "#?"} {
		f.Add(key)
	}
	f.Fuzz(func(t *testing.T, key string) {
		if functions.ValidKey(key) != nil {
			return
		}
		core := cloudsim.NewCore(nil)
		every := maps.Clone(forms)
		for id, name := range []string{"s3", "gcs", "azure"} {
			every[name] = form{clouds[name], uint8(id)}
		}
		for name, c := range every {
			source, target := core.CreateBucket(name+"-photos", false), core.CreateBucket(name+"-copy", false)
			var change cloudsim.Change
			source.Subscribe(func(c cloudsim.Change) { change = c })
			if _, err := source.Put(cloudsim.NewObject(key, []byte("body")), cloudsim.Origin{Operation: "PutBlob"}, nil, nil); err != nil {
				t.Fatal(err)
			}
			rep, err := replicate.New(memstore.New(source), memstore.New(target), replicate.Options{SourceID: "s3://photos/", TargetID: "gs://copy/"})
			if err != nil {
				t.Fatal(err)
			}
			proc, err := functions.New(rep, functions.Options{Bucket: source.Name, Now: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			for _, doc := range c.encode(change) {
				var header strings.Builder
				for h := range doc.Header {
					fmt.Fprintf(&header, "%s: %s\n", h, doc.Header.Get(h))
				}
				status, answer := deliver(t, proc, slog.New(slog.DiscardHandler), c.id, header.String(), doc.Body)
				damaged := c.id == 2 && strings.ContainsFunc(key, func(r rune) bool { return r == utf8.RuneError })
				switch {
				case damaged && (status != 400 || target.Len() != 0):
					t.Errorf("%s: %q cannot come whole, status %d, %d objects", name, key, status, target.Len())
				case !damaged && status != 200:
					t.Errorf("%s: %q: status %d: %s", name, key, status, answer)
				case !damaged && !strings.HasPrefix(key, store.ControlPrefix) && (target.Get(key) == nil || target.Len() != 1):
					t.Errorf("%s: %q is not on the target, but %d others", name, key, target.Len())
				case strings.HasPrefix(key, store.ControlPrefix) && target.Len() != 0:
					t.Errorf("%s: the control object %q was copied", name, key)
				}
			}
		}
	})
}

// FuzzLog: whatever an event holds, its line is one JSON object of bounded
// length, from which the key can be read back.
func FuzzLog(f *testing.F) {
	for _, s := range []string{"a", "a\nb", "\x1b[2J", "\u202e", "\u2028", "\xff", `"`, strings.Repeat("x", 300)} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, key, other string) {
		var out bytes.Buffer
		failing := &fake{answer: func(context.Context, string) (replicate.Result, error) {
			return replicate.Result{}, &store.Error{Op: "put", Store: other, Key: key, Kind: store.Unknown, Err: fmt.Errorf("%s", other)}
		}}
		p, err := functions.New(failing, functions.Options{Bucket: "b", Now: time.Now, Log: slog.New(slog.NewJSONHandler(&out, nil))})
		if err != nil {
			t.Fatal(err)
		}
		p.Process(t.Context(), []functions.Event{
			{ID: other, Source: other, Type: other, Bucket: "b", Key: key, Version: other, Sequencer: other},
			{ID: other, Bucket: other, Key: key, Malformed: fmt.Errorf("no: %s", other)},
		})
		lines := checkLines(t, out.Bytes())
		if len(lines) != 2 {
			t.Fatalf("%d lines", len(lines))
		}
		for _, line := range lines {
			logged, _ := line["key"].(string)
			if strings.HasPrefix(logged, `"`) {
				if logged, err = strconv.Unquote(logged); err != nil && len(key) <= 1024 {
					t.Fatal(err)
				}
			}
			if len(key) <= 1024 && logged != key {
				t.Errorf("the key %q is logged as %q", key, line["key"])
			}
		}
	})
}
