package functions_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/eventgrid"
	"github.com/crossfade-io/crossfade/functions/gcs"
	"github.com/crossfade-io/crossfade/functions/s3"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/loopback"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// A cloud is how the events of one reach the function.
type cloud struct {
	encode   cloudsim.Encoder
	serve    func(p *functions.Processor) http.Handler
	send     func(url string) cloudsim.Sender
	metadata bool // a change of metadata is an event
}

var clouds = map[string]cloud{
	"s3": {
		encode: one(cloudsim.S3Notification),
		serve: func(p *functions.Processor) http.Handler {
			return invocations(lambda.NewHandler(s3.New(p, nil)))
		},
		send: func(url string) cloudsim.Sender {
			return cloudsim.InvokeWithSQS(loopback.Client(), url, "arn:aws:sqs:us-east-1:123456789012:q")
		},
	},
	"gcs": {
		encode:   cloudsim.GCSDocuments,
		serve:    func(p *functions.Processor) http.Handler { return gcs.New(p) },
		send:     func(url string) cloudsim.Sender { return cloudsim.PostEach(loopback.Client(), url, nil) },
		metadata: true,
	},
	"azure": {
		encode: one(func(c cloudsim.Change) ([]byte, bool) {
			return cloudsim.EventGridEvents(c, cloudsim.AzureTopic("acct"))
		}),
		serve: func(p *functions.Processor) http.Handler {
			return eventgrid.New(p, slog.New(slog.DiscardHandler))
		},
		send: func(url string) cloudsim.Sender { return cloudsim.PostEach(loopback.Client(), url, nil) },
	},
}

// one makes an Encoder of a function that yields one document or none.
func one(f func(cloudsim.Change) ([]byte, bool)) cloudsim.Encoder {
	return func(c cloudsim.Change) []cloudsim.Document {
		body, ok := f(c)
		if !ok {
			return nil
		}
		return []cloudsim.Document{{Body: body}}
	}
}

// invocations serves a Lambda handler in the manner of Lambda's Invoke API.
func invocations(h lambda.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		payload, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		out, err := h.Invoke(r.Context(), payload)
		if err != nil {
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
			fmt.Fprintf(w, "{%q:%q}", "errorMessage", err)
			return
		}
		w.Write(out)
	})
}

// flaky makes the target fail now and then, before and after it did what it was
// asked for.
func flaky(target *memstore.Store, seed uint64) {
	var n atomic.Uint64
	target.SetIntercept(func(context.Context, memstore.Op) error {
		if rand.New(rand.NewPCG(seed, n.Add(1))).IntN(40) == 0 {
			return &store.Error{Op: "put", Kind: store.Unavailable, RetryAfter: time.Millisecond, Err: errors.New("flaky")}
		}
		return nil
	})
}

// An application writes, overwrites, changes and deletes, while its events come
// twice, late and out of order, and the target fails at times: when the events
// have ended, the target is the source. On all three clouds, from the document
// that the cloud sends to the bytes.
func TestFlow(t *testing.T) {
	t.Parallel()
	for name, c := range clouds {
		for _, versioned := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, versioned %v", name, versioned), func(t *testing.T) {
				t.Parallel()
				flow(t, c, versioned)
			})
		}
	}
}

func flow(t *testing.T, c cloud, versioned bool) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	source := cloudsim.NewCore(nil).CreateBucket("photos", versioned)
	target := memstore.Fresh()
	flaky(target, seed)
	rep, err := replicate.New(memstore.New(source), target, replicate.Options{
		SourceID: "s3://photos/", TargetID: "gs://copy/", Policy: replicate.Policy{Deletes: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	proc, err := functions.New(rep, functions.Options{Bucket: "photos", Account: account(c), Now: time.Now, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(c.serve(proc))
	defer server.Close()
	delivery := cloudsim.Deliver(t.Context(), source, cloudsim.DeliveryOptions{
		Encode: c.encode, Send: c.send(server.URL), Workers: 4, Batch: 5,
		Seed: seed, Duplicate: 0.2, Window: 30 * time.Millisecond, Backoff: time.Millisecond, MaxBackoff: 20 * time.Millisecond,
	})
	defer delivery.Stop()
	live(t, source, rand.New(rand.NewPCG(seed, 0)), c.metadata)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := delivery.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if dead := delivery.DeadLetters(); len(dead) > 0 {
		t.Errorf("%d dead letters, such as %s", len(dead), dead[0].Body)
	}
	compare(t, source, target.Bucket())
}

// account is what events of the cloud name.
func account(c cloud) string {
	if docs := c.encode(cloudsim.Change{Bucket: "b", Object: cloudsim.NewObject("k", nil)}); bytes.Contains(docs[0].Body, []byte("storageAccounts/acct")) {
		return "acct"
	}
	return ""
}

// live is what the application does: odd keys among few, so that they collide.
func live(t *testing.T, b *cloudsim.Bucket, rng *rand.Rand, metadata bool) {
	keys := []string{"a", "a/b", "/lead", "x//y", "trail/", "plus+and space", "100%", "%2F", "é", "e\u0301", "quote\"'<&>", "hash#?q", "jobs/jobs.json"}
	for i := range 300 {
		key := keys[rng.IntN(len(keys))]
		var err error
		switch rng.IntN(6) {
		case 0, 1:
			_, _, err = b.Delete(key, cloudsim.Origin{Operation: "DeleteObject"}, b.Versioned, nil)
		case 2:
			if metadata {
				_, err = b.Update(key, cloudsim.Origin{}, nil, func(o *cloudsim.Object) { o.Metadata = map[string]string{"step": fmt.Sprint(i)} })
			}
		default:
			o := cloudsim.NewObject(key, fmt.Appendf(nil, "%s at step %d", key, i))
			o.ContentType, o.Metadata = "text/plain", map[string]string{"step": fmt.Sprint(i)}
			_, err = b.Put(o, cloudsim.Origin{Operation: "PutObject"}, nil, nil)
		}
		if err != nil {
			t.Fatal(err)
		}
		if i%10 == 0 {
			time.Sleep(time.Millisecond) // let some deliveries come in between
		}
	}
}

func compare(t *testing.T, source, target *cloudsim.Bucket) {
	want, _ := source.List("", "", true, 1000)
	got, _ := target.List("", "", true, 1000)
	if len(want) != len(got) {
		t.Errorf("%d objects on the source, %d on the target", len(want), len(got))
	}
	for _, w := range want {
		g := target.Get(w.Name)
		if g == nil {
			t.Errorf("%q is lost", w.Name)
			continue
		}
		attrs := maps.Clone(g.Metadata)
		delete(attrs, replicate.StampName)
		if !bytes.Equal(g.Body, w.Body) || g.ContentType != w.ContentType || !maps.Equal(attrs, w.Metadata) {
			t.Errorf("%q is %q %v, want %q %v", w.Name, g.Body, attrs, w.Body, w.Metadata)
		}
	}
	for _, g := range got {
		if source.Get(g.Name) == nil {
			t.Errorf("%q is resurrected", g.Name)
		}
	}
}
