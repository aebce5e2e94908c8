package deploy_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/zclconf/go-cty/cty"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/service"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/s3"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/loopback"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// privilege is a function with an S3 that notes what it needs; the operator, the
// application and the other cloud go past that.
type privilege struct {
	t       *testing.T
	core    *cloudsim.Core
	rec     *recorder
	url     string
	openers config.Openers
	now     time.Time
	docs    *control.Documents
	svc     *service.Service
	account string // that the events name, of an Azure source
}

func newPrivilege(t *testing.T, buckets ...string) *privilege {
	t.Helper()
	p := &privilege{t: t, core: cloudsim.NewCore(nil), now: time.Now()}
	for _, b := range buckets {
		p.core.CreateBucket(b, strings.HasSuffix(b, "v"))
	}
	p.rec = &recorder{next: cloudsim.NewS3(p.core, cloudsim.S3Options{MinPartBytes: 1})}
	server := httptest.NewServer(p.rec)
	t.Cleanup(server.Close)
	p.url = server.URL
	client := awss3.New(awss3.Options{
		BaseEndpoint: &server.URL, UsePathStyle: true, Region: "us-east-1", Credentials: aws.AnonymousCredentials{},
		Retryer: aws.NopRetryer{}, HTTPClient: loopback.Client(),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired, ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	})
	p.openers = config.Openers{
		"s3": func(_ context.Context, u *url.URL) (store.Store, error) {
			return s3.New(client, u.Host, strings.TrimPrefix(u.Path, "/"), s3.Options{SmallBytes: 1 << 10, PartBytes: 1 << 14}), nil
		},
		"gs": func(_ context.Context, u *url.URL) (store.Store, error) {
			return memstore.New(p.core.Bucket(u.Host)), nil
		},
	}
	return p
}

// start starts the function with the environment that the plan gives it, of a
// migration that follows.
func (p *privilege) start(plan *plan) config.Function {
	p.t.Helper()
	fn, lookup, environ := plan.function(p.t, "aws_lambda_function.changes")
	if fn.Migration != "" {
		st, err := fn.Control.Open(p.t.Context(), p.openers)
		if err != nil {
			p.t.Fatal(err)
		}
		if p.docs, err = control.Open(st, fn.Migration, rand.Text); err != nil {
			p.t.Fatal(err)
		}
		state := control.State{Source: fn.Source.ID(), Target: fn.Target.ID(), Phase: control.Following, Authority: control.Source}
		if fn.Reverse {
			before := p.now.Add(-time.Hour)
			state.Source, state.Target = state.Target, state.Source
			state.Phase, state.Authority, state.Epoch = control.Reversed, control.Target, 1
			state.Turn = &control.Turn{Run: "run-0", Epoch: 1, To: control.Target, At: before, Cut: before, Born: before}
			if err := p.docs.PutVerified(p.t.Context(), control.Verified{Run: "run-0", Keys: map[string]control.EndPair{}}); err != nil {
				p.t.Fatal(err)
			}
		}
		if _, err := p.docs.Create(p.t.Context(), state); err != nil {
			p.t.Fatal(err)
		}
	}
	p.rec.take() // that was the operator
	var err error
	if p.svc, err = service.Start(p.t.Context(), service.Setup{
		Version: "v1", Scheme: "s3", Openers: p.openers, Lookup: lookup, Environ: environ, Out: &bytes.Buffer{}, Now: func() time.Time { return p.now },
	}); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { p.svc.Close() })
	return fn
}

// put is a write of the application's.
func (p *privilege) put(bucket, key string, body []byte, contentType string) {
	p.t.Helper()
	o := cloudsim.NewObject(key, body)
	o.ContentType = contentType
	if _, err := p.core.Bucket(bucket).Put(o, cloudsim.Origin{}, nil, nil); err != nil {
		p.t.Fatal(err)
	}
}

func (p *privilege) remove(bucket, key string) {
	p.t.Helper()
	if _, _, err := p.core.Bucket(bucket).Delete(key, cloudsim.Origin{}, strings.HasSuffix(bucket, "v"), nil); err != nil {
		p.t.Fatal(err)
	}
}

// told hands the function an event, which it has to be done with.
func (p *privilege) told(bucket, key string) {
	p.t.Helper()
	v := p.svc.Processor.Process(p.t.Context(), []functions.Event{{Account: p.account, Bucket: bucket, Key: key}})[0]
	if v.Outcome != functions.Ack {
		p.t.Errorf("%s: %+v", key, v)
	}
}

// changes are all kinds of them: new objects, small and large, others' bytes,
// other attributes, deletions, and a large one that another write overtakes.
func (p *privilege) changes(bucket, prefix string) {
	p.t.Helper()
	large := bytes.Repeat([]byte("crossfade"), 1<<12)
	for _, step := range []func(key string){
		func(key string) { p.put(bucket, key, []byte("one"), "text/plain") },
		func(key string) { p.put(bucket, key, []byte("two"), "text/plain") },
		func(key string) { p.put(bucket, key, []byte("two"), "text/html") },
		func(key string) { p.put(bucket, key, large, "text/plain") },
		func(key string) { p.put(bucket, key, append(large, 'x'), "text/plain"); p.rec.spoil() },
		func(key string) { p.remove(bucket, key) },
	} {
		step(prefix + "a")
		p.told(bucket, prefix+"a")
	}
}

// announce makes a cutover begin, and told changes be noted.
func (p *privilege) announce() {
	p.swap(func(s *control.State) { s.Phase, s.Run = control.Announced, &control.Run{ID: "run-1"} })
}

func (p *privilege) swap(change func(*control.State)) {
	p.t.Helper()
	before := p.rec.take()
	held, err := p.docs.Load(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	next := held.Clone()
	change(&next)
	if _, err := p.docs.Swap(p.t.Context(), held, next); err != nil {
		p.t.Fatal(err)
	}
	p.rec.take()
	p.rec.note(before)
	p.now = p.now.Add(2 * control.Lease)
}

// The function makes no request that its role does not permit, and its role
// permits nothing that the function never does.
func TestLeastPrivilege(t *testing.T) {
	t.Parallel()
	all := loaded(t, os.DirFS("."))
	for name, c := range map[string]struct {
		with map[string]cty.Value
		run  func(p *privilege, plan *plan)
	}{
		"to another cloud": {given("bucket", "photos-v", "target", "gs://copies", "prefix", "in/"), func(p *privilege, plan *plan) {
			p.start(plan)
			p.changes("photos-v", "in/")
		}},
		"control in S3": {given("bucket", "photos-v", "target", "gs://copies", "migration", "m", "control", "s3://control/at/"), func(p *privilege, plan *plan) {
			p.start(plan)
			p.changes("photos-v", "")
			p.announce()
			p.put("photos-v", "b", []byte("noted"), "text/plain")
			p.told("photos-v", "b")
		}},
		"to S3": {given("bucket", "photos-v", "target", "s3://copies/of/"), func(p *privilege, plan *plan) {
			p.start(plan)
			p.changes("photos-v", "")
		}},
		"the way back": {given("bucket", "photos-v", "target", "gs://copies", "migration", "m", "direction", "reverse"), func(p *privilege, plan *plan) {
			p.start(plan)
			p.changes("photos-v", "")
			p.announce()
			p.put("photos-v", "b", []byte("noted"), "text/plain")
			p.told("photos-v", "b")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan := awsPlan(t, all, c.with)
			p := newPrivilege(t, "photos-v", "copies", "control")
			c.run(p, plan)
			denied, surplus := compare(plan.documents()["function"], p.rec.take())
			if denied != nil {
				t.Errorf("the function needs what its role does not grant: %q", denied)
			}
			if surplus != nil {
				t.Errorf("its role grants what the function never needs: %q", surplus)
			}
		})
	}
}

// On the way back the control documents lie in the bucket that is followed. What
// the function writes there causes events, and those cause no write.
func TestControlDocumentsEndLoops(t *testing.T) {
	t.Parallel()
	plan := awsPlan(t, loaded(t, os.DirFS(".")), given("bucket", "photos-v", "target", "gs://copies", "migration", "m", "direction", "reverse"))
	p := newPrivilege(t, "photos-v", "copies")
	p.start(plan)
	p.announce()
	p.put("photos-v", "a", []byte("noted"), "text/plain")
	p.told("photos-v", "a")
	documents, _ := p.core.Bucket("photos-v").List(store.ControlPrefix, "", false, 100)
	if len(documents) < 2 { // the state, and the journal's entry
		t.Fatalf("%d control documents", len(documents))
	}
	copies := p.core.Bucket("copies").Len()
	p.rec.take()
	for _, o := range documents {
		p.told("photos-v", o.Name)
	}
	for _, n := range p.rec.take() {
		if n.action != "s3:GetObject" && n.action != "s3:GetObjectVersion" {
			t.Errorf("the event of a control document causes %s on %s", n.action, n.resource)
		}
	}
	if n := p.core.Bucket("copies").Len(); n != copies {
		t.Errorf("the target has %d objects, and had %d", n, copies)
	}
}
