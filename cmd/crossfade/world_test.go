package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"google.golang.org/api/option"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/follow"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/demoapp"
	"github.com/crossfade-io/crossfade/testutil/functest"
)

// The times of a world are short: it waits for them in earnest.
const (
	worldLease   = 50 * time.Millisecond
	worldTimeout = 1100 * time.Millisecond // of the functions; more than the second to which S3 tells the time
)

// world is a migration from S3 to Cloud Storage: two buckets in this process, an
// application that writes all the while and follows hooks, and the functions of
// both directions.
type world struct {
	*cli
	environ []string // for processes
	dir     string
	file    string
	hook    string // as the file has it
	ends    map[control.Side]end
	app     *demoapp.App
	sides   *demoapp.Sides
}

// end is one side of a world.
type end struct {
	url    string
	bucket *cloudsim.Bucket
	client demoapp.Client
	events *cloudsim.Delivery
}

func newWorld(t *testing.T) *world { // not for parallel tests: it sets the environment
	t.Helper()
	clouds := functest.NewClouds(t)
	w := &world{cli: newCLI(t), environ: append(clouds.Env(t), "GORACE=atexit_sleep_ms=0"), dir: t.TempDir(), ends: map[control.Side]end{}}
	for _, e := range w.environ {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
	w.env.openers, w.env.now, w.env.lease = drivers(), time.Now, worldLease
	clouds.S3.CreateBucket("source", false)
	clouds.GCS.CreateBucket("target", false)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(transport.CloseIdleConnections)
	w.ends[control.Source] = end{url: "s3://source", bucket: clouds.S3.Bucket("source"), client: &demoapp.S3{Bucket: "source", Client: awss3.NewFromConfig(aws.Config{
		BaseEndpoint: aws.String(os.Getenv("AWS_ENDPOINT_URL_S3")), Region: "us-east-1", HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider(functest.AppKey, functest.AppSecret, ""),
	}, func(o *awss3.Options) { o.UsePathStyle = true })}}
	gcs, err := storage.NewClient(t.Context(), option.WithEndpoint(os.Getenv("STORAGE_EMULATOR_HOST")+"/storage/v1/"), option.WithoutAuthentication(),
		option.WithHTTPClient(&http.Client{Transport: transport}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { gcs.Close() })
	w.ends[control.Target] = end{url: "gs://target", bucket: clouds.GCS.Bucket("target"), client: &demoapp.GCS{Bucket: "target", Client: gcs}}

	w.app = demoapp.NewApp(demoapp.NewPlan(1, 20), demoapp.Options{Rate: 20, Workers: 2})
	w.sides = demoapp.NewSides(w.ends[control.Source].client, w.ends[control.Target].client, nil)
	if err := w.app.Seed(t.Context(), w.ends[control.Source].client); err != nil {
		t.Fatal(err)
	}
	hooks := httptest.NewServer(w.sides.Hooks("token"))
	t.Cleanup(hooks.Close)
	w.hook = fmt.Sprintf(`{webhook: %s/hooks, headers: {Authorization: "Bearer token"}, timeout: 10s}`, hooks.URL)
	w.declare(fmt.Sprintf("{mode: hook, hook: %s}\n  unfreeze: %s", w.hook, w.hook))
	return w
}

// declare writes the migration's file.
func (w *world) declare(freeze string) {
	w.t.Helper()
	w.file = filepath.Join(w.dir, "crossfade.yaml")
	text := fmt.Sprintf(`name: shop
source: s3://source
target: gs://target
functions: {timeout: %s}
cutover:
  max_freeze: 10m
  max_lag: 15s
  freeze: %s
  switch: %s
`, worldTimeout, freeze, w.hook)
	if err := os.WriteFile(w.file, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
}

// deploy starts the functions of both directions.
func (w *world) deploy() {
	w.t.Helper()
	for _, d := range []control.Direction{control.Forward, control.Reverse} {
		from, to := w.ends[d.From()], w.ends[d.To()]
		open := func(url string) store.Store {
			loc, err := config.ParseLocation(url)
			if err != nil {
				w.t.Fatal(err)
			}
			s, err := loc.Open(w.t.Context(), drivers(), w.env.pace(16, nil))
			if err != nil {
				w.t.Fatal(err)
			}
			w.t.Cleanup(func() { s.Close() })
			return s
		}
		docs, err := control.Open(open(w.ends[control.Target].url), "shop", rand.Text)
		if err != nil {
			w.t.Fatal(err)
		}
		guard := control.NewGuard(docs, d, time.Now, worldLease)
		f, err := follow.New(follow.Options{
			From: open(from.url), To: guard.Guarded(open(to.url)), Documents: docs, Guard: guard, Now: time.Now, Tool: "test",
			Replicate: replicate.Options{SourceID: from.url + "/", TargetID: to.url + "/", Policy: replicate.Policy{Deletes: true}},
		})
		if err != nil {
			w.t.Fatal(err)
		}
		proc, err := functions.New(f, functions.Options{Bucket: from.bucket.Name, Migration: f, Now: time.Now, Timeout: worldTimeout})
		if err != nil {
			w.t.Fatal(err)
		}
		from.events = cloudsim.Deliver(w.t.Context(), from.bucket, cloudsim.DeliveryOptions{
			Attempts: 1000, MaxBackoff: 200 * time.Millisecond,
			Encode: func(c cloudsim.Change) []cloudsim.Document { return []cloudsim.Document{{}} },
			Send: func(ctx context.Context, batch []cloudsim.Message) []error {
				events := make([]functions.Event, len(batch))
				for i, m := range batch {
					events[i] = functions.Event{Bucket: from.bucket.Name, Key: m.Key}
				}
				errs := make([]error, len(batch))
				for i, v := range proc.Process(ctx, events) {
					if v.Outcome != functions.Ack {
						errs[i] = fmt.Errorf("%v", v)
					}
				}
				return errs
			},
		})
		w.ends[d.From()] = from
		w.t.Cleanup(from.events.Stop)
	}
}

// write lets the application write until the returned function is called.
func (w *world) write() (stop func()) {
	quit, ended := make(chan struct{}), make(chan struct{})
	ctx, cancel := context.WithCancel(w.t.Context())
	go func() {
		defer close(ended)
		w.app.Run(ctx, w.sides, quit)
	}()
	stop = sync.OnceFunc(func() {
		close(quit)
		<-ended
	})
	w.t.Cleanup(func() { cancel(); stop() })
	return stop
}

// check stops the application, waits for the last events, and compares both
// sides with its record.
func (w *world) check(stop func(), at demoapp.Side) {
	w.t.Helper()
	if side, held := w.sides.At(); held || side != at {
		w.t.Fatalf("the application is at the %s (held: %v), and should go on at the %s", side, held, at)
	}
	stop()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	for range 2 { // what one direction wrote is an event of the other
		for side, e := range w.ends {
			if err := e.events.Wait(ctx); err != nil {
				w.t.Fatalf("events of the %s: %v, %+v", side, err, e.events.Stats())
			}
		}
	}
	own := func(key string) bool { return strings.HasPrefix(key, store.ControlPrefix) }
	findings := w.app.Checked()
	for side, e := range w.ends {
		f, err := w.app.Compare(ctx, e.client, own)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, x := range f.Sorted() {
			w.t.Errorf("%s: %q is %v: %s", side, x.Key, x.Verdict, x.Why)
		}
	}
	for _, x := range findings.Sorted() {
		w.t.Errorf("read by the application: %q is %v: %s", x.Key, x.Verdict, x.Why)
	}
}

// phase is where the migration stands.
func (w *world) phase() control.Phase {
	w.t.Helper()
	o := w.ends[control.Target].bucket.Get(control.StateKey("shop"))
	if o == nil {
		return ""
	}
	s, err := control.ParseState(o.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return s.Phase
}
