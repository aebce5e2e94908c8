package service_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/crossfade-io/crossfade/functions/eventgrid"
	fgcs "github.com/crossfade-io/crossfade/functions/gcs"
	fs3 "github.com/crossfade-io/crossfade/functions/s3"
	"github.com/crossfade-io/crossfade/functions/service"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/loopback"
)

// migrating is a migration between two clouds: two functions with the handlers
// of their clouds, each behind the events of its side.
type migrating struct {
	t          *testing.T
	ahead      atomic.Int64 // of the functions' clock
	ends       map[control.Side]store.Store
	deliveries []*cloudsim.Delivery
	docs       *control.Documents
}

func (m *migrating) now() time.Time { return time.Now().Add(time.Duration(m.ahead.Load())) }

// function starts that of side's cloud and connects the events of its bucket.
func (m *migrating) function(side control.Side, bucket *cloudsim.Bucket, from, to string) {
	m.t.Helper()
	environ := []string{"CROSSFADE_SOURCE=" + from, "CROSSFADE_TARGET=" + to, "CROSSFADE_MIGRATION=photos"}
	if side == control.Target {
		environ = append(environ, "CROSSFADE_DIRECTION=reverse")
	}
	scheme, _, _ := strings.Cut(from, "://")
	var said bytes.Buffer
	svc, err := service.Start(m.t.Context(), service.Setup{
		Version: "v1", Scheme: scheme, Openers: drivers, Environ: environ, Out: &said, Now: m.now, Timeout: time.Minute, Lookup: lookup(environ),
	})
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { svc.Close() })
	if text := said.String(); !strings.Contains(text, `"msg":"migration","migration":"photos","direction":"`+string(control.Away(side))+`","phase":"following","authority":"source","epoch":0`) {
		m.t.Errorf("said %s", text)
	}
	opts := cloudsim.DeliveryOptions{Workers: 2, Batch: 5, Duplicate: 0.3, Backoff: time.Millisecond, MaxBackoff: 20 * time.Millisecond}
	var h http.Handler
	switch scheme {
	case "s3":
		h, opts.Encode = invoking(lambda.NewHandler(fs3.New(svc.Processor, nil))), documents(cloudsim.S3Notification)
	case "gs":
		h, opts.Encode = fgcs.New(svc.Processor), cloudsim.GCSDocuments
	default:
		h = eventgrid.New(svc.Processor, svc.Log)
		opts.Encode = documents(func(c cloudsim.Change) ([]byte, bool) {
			return cloudsim.EventGridEvents(c, cloudsim.AzureTopic("acct"))
		})
	}
	server := httptest.NewServer(h)
	m.t.Cleanup(server.Close)
	opts.Send = cloudsim.PostEach(loopback.Client(), server.URL, nil)
	if scheme == "s3" {
		opts.Send = cloudsim.InvokeWithSQS(loopback.Client(), server.URL, "arn:aws:sqs:us-east-1:123456789012:q")
	}
	d := cloudsim.Deliver(m.t.Context(), bucket, opts)
	m.t.Cleanup(d.Stop)
	m.deliveries = append(m.deliveries, d)
}

func lookup(environ []string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, e := range environ {
			if n, v, _ := strings.Cut(e, "="); n == name {
				return v, true
			}
		}
		return "", false
	}
}

func documents(f func(cloudsim.Change) ([]byte, bool)) cloudsim.Encoder {
	return func(c cloudsim.Change) []cloudsim.Document {
		if body, ok := f(c); ok {
			return []cloudsim.Document{{Body: body}}
		}
		return nil
	}
}

// invoking serves a Lambda handler in the manner of Lambda's Invoke API.
func invoking(h lambda.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		payload, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		out, err := h.Invoke(r.Context(), payload)
		if err != nil {
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
		}
		w.Write(out)
	})
}

// drained waits until no event is under way on either side, those that copies
// cause among them.
func (m *migrating) drained() {
	m.t.Helper()
	ctx, cancel := context.WithTimeout(m.t.Context(), time.Minute)
	defer cancel()
	for range 3 { // a change, its copy, and that one's
		for _, d := range m.deliveries {
			if err := d.Wait(ctx); err != nil {
				m.t.Fatal(err)
			}
		}
	}
	for _, d := range m.deliveries {
		if dead := d.DeadLetters(); len(dead) > 0 {
			m.t.Errorf("%d dead letters, such as %s", len(dead), dead[0].Body)
		}
	}
}

func (m *migrating) swap(change func(*control.State)) control.Held {
	m.t.Helper()
	held, err := m.docs.Load(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	next := held.Clone()
	change(&next)
	if held, err = m.docs.Swap(m.t.Context(), held, next); err != nil {
		m.t.Fatal(err)
	}
	m.ahead.Add(int64(control.Lease))
	return held
}

func (m *migrating) put(side control.Side, key, body string) {
	m.t.Helper()
	if _, err := m.ends[side].Put(m.t.Context(), key, store.Bytes(body), store.PutOptions{Attrs: store.Attrs{ContentType: "text/plain"}}); err != nil {
		m.t.Fatal(err)
	}
}

func (m *migrating) remove(side control.Side, key string) {
	m.t.Helper()
	if err := m.ends[side].Delete(m.t.Context(), key, store.Condition{}); err != nil {
		m.t.Fatal(err)
	}
}

// want compares what a side has outside of the control prefix.
func (m *migrating) want(side control.Side, want map[string]string) {
	m.t.Helper()
	got := map[string]string{}
	for o, err := range m.ends[side].List(m.t.Context(), store.ListOptions{AnyOrder: true}) {
		if err != nil {
			m.t.Fatal(err)
		}
		if strings.HasPrefix(o.Key, store.ControlPrefix) {
			continue
		}
		r, err := m.ends[side].Open(m.t.Context(), o.Key, store.ReadOptions{})
		if err != nil {
			m.t.Fatal(err)
		}
		b, err := io.ReadAll(r.Body)
		if err != nil {
			m.t.Fatal(err)
		}
		r.Body.Close()
		got[o.Key] = string(b)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		m.t.Errorf("the %s has %v, want %v", side, got, want)
	}
}

// carried waits for a signal to be seen on a side, and fails unless it was
// carried by one who knew this revision.
func (m *migrating) carried(side control.Side, id string, revision int64) {
	m.t.Helper()
	m.drained()
	s, _, err := control.Receive(m.t.Context(), m.ends[side], "photos", id)
	if err != nil || !s.Carried || s.Revision < revision || s.Tool != "v1" {
		m.t.Errorf("%s: %+v, %v, want revision %d", id, s, err, revision)
	}
}

// A cutover as the functions see it, on each cloud's own events and answers, with
// both directions live from the beginning: what was announced is in the journal,
// signals are carried the way that changes take and no other, nothing passes the
// fence, late writes are kept, and changes flow back.
func TestMigrationOnClouds(t *testing.T) { // not parallel: it sets the environment
	cores := faces(t)
	for _, d := range directions {
		t.Run(d[0]+" to "+d[1], func(t *testing.T) { migrate(t, cores, d) })
	}
}

func migrate(t *testing.T, cores map[string]*cloudsim.Core, d [2]string) {
	source, target := d[0]+"://photos", d[1]+"://copy"
	m := &migrating{t: t, ends: map[control.Side]store.Store{}}
	for side, end := range map[control.Side]string{control.Source: source, control.Target: target} {
		u, err := url.Parse(end)
		if err != nil {
			t.Fatal(err)
		}
		if m.ends[side], err = drivers[u.Scheme](t.Context(), u); err != nil {
			t.Fatal(err)
		}
		defer m.ends[side].Close()
	}
	var err error
	if m.docs, err = control.Open(m.ends[control.Target], "photos", rand.Text); err != nil {
		t.Fatal(err)
	}
	if _, err := m.docs.Create(t.Context(), control.State{Source: source + "/", Target: target + "/", Phase: control.Following, Authority: control.Source}); err != nil {
		t.Fatal(err)
	}
	m.function(control.Source, cores[d[0]].Bucket("photos"), source, target)
	m.function(control.Target, cores[d[1]].Bucket("copy"), target, source)

	keys := []string{"gone", "kept/é b", "late", "moved"}
	for _, key := range keys {
		m.put(control.Source, key, "1")
	}
	m.drained()
	all := map[string]string{"gone": "1", "kept/é b": "1", "late": "1", "moved": "1"}
	m.want(control.Target, all)

	m.swap(func(s *control.State) { s.Phase, s.Run = control.Announced, &control.Run{ID: "run-1"} })
	m.put(control.Source, "moved", "2")
	m.drained()
	var noted []string
	for name, err := range m.docs.Entries(t.Context(), "run-1", time.Time{}) {
		if err != nil {
			t.Fatal(err)
		}
		ks, err := m.docs.Keys(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		noted = append(noted, ks...)
	}
	if noted = slices.Compact(noted); !slices.Equal(noted, []string{"moved"}) {
		t.Errorf("the journal has %q", noted)
	}
	held := m.swap(func(s *control.State) { s.Phase = control.Frozen })
	signal := func(side control.Side, id, kind string) *store.Object {
		t.Helper()
		o, err := control.Send(t.Context(), m.ends[side], "photos", control.Signal{ID: id, Kind: kind, Sent: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	barrier, probe := signal(control.Source, "b1", control.Barrier), signal(control.Target, "c1", control.Canary)
	m.carried(control.Target, "b1", held.Revision)
	if _, _, err := control.Receive(t.Context(), m.ends[control.Source], "photos", "c1"); store.KindOf(err) != store.NotFound {
		t.Errorf("a canary was carried against the direction: %v", err)
	}
	verified := control.Verified{Run: "run-1", Keys: map[string]control.EndPair{}}
	for _, key := range keys {
		s, serr := m.ends[control.Source].Head(t.Context(), key)
		d, derr := m.ends[control.Target].Head(t.Context(), key)
		if serr != nil || derr != nil {
			t.Fatal(serr, derr)
		}
		verified.Keys[key] = control.EndPair{Source: s.Version, Target: d.Version}
	}
	if err := m.docs.PutVerified(t.Context(), verified); err != nil {
		t.Fatal(err)
	}
	m.swap(func(s *control.State) {
		s.Phase, s.Epoch = control.Switching, 1
		s.Turn = &control.Turn{Run: "run-1", Epoch: 1, To: control.Target, At: time.Now(), Cut: barrier.ModTime, Born: probe.ModTime}
	})
	m.put(control.Target, "new", "3") // by an application that is quick
	m.put(control.Source, "late", "4")
	held = m.swap(func(s *control.State) { s.Phase, s.Authority = control.Switched, control.Target })
	signal(control.Target, "c2", control.Canary)
	m.carried(control.Source, "c2", held.Revision)
	m.put(control.Target, "moved", "5")
	m.remove(control.Target, "gone")
	m.drained()
	m.want(control.Target, map[string]string{"kept/é b": "1", "late": "1", "moved": "5", "new": "3"})
	m.want(control.Source, map[string]string{"kept/é b": "1", "late": "4", "moved": "5", "new": "3"})
	var late []control.Late
	for l, err := range m.docs.LateWrites(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		late = append(late, l)
	}
	if len(late) != 1 || late[0].Key != "late" || late[0].Side != control.Source || late[0].Size != 1 || late[0].Attrs.ContentType != "text/plain" {
		t.Errorf("kept %+v", late)
	}
}
