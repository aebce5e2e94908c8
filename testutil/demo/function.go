package demo

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/eventgrid"
	"github.com/crossfade-io/crossfade/functions/follow"
	fgcs "github.com/crossfade-io/crossfade/functions/gcs"
	fs3 "github.com/crossfade-io/crossfade/functions/s3"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/demoapp"
)

// instances of a function share nothing but the stores, as those that a platform
// starts.
const instances = 4

// function is crossfade's function for the events of one cloud, served over HTTP.
type function struct {
	delivery cloudsim.DeliveryOptions // how the cloud delivers events to it
	close    func()
}

// Functions are those of one direction, deployed.
type Functions struct {
	*cloudsim.Delivery
	close func()
}

// Deploy connects the events of one end with its function, until ctx ends or
// Close is called.
func (w *World) Deploy(ctx context.Context, d control.Direction) (*Functions, error) {
	fn, err := w.newFunction(d)
	if err != nil {
		return nil, err
	}
	opts := fn.delivery
	if w.opts.Events != nil {
		opts.Encode = w.opts.Events(d, opts.Encode)
	}
	opts.Attempts, opts.MaxBackoff = 30, time.Second
	if w.opts.Invocations > 0 {
		opts.Workers = w.opts.Invocations
	}
	if w.opts.Faults > 0 {
		opts.Attempts, opts.Duplicate, opts.Window, opts.Late = patience, duplicated, shuffled, late
	}
	side := demoapp.Side(d.From())
	lags := w.lags[side]
	w.end(d.From()).Bucket.Subscribe(func(c cloudsim.Change) {
		if at, _ := w.Sides.At(); at == side && !reserved(c.Object.Name) {
			lags.expect(c.Sequence)
		}
	})
	opts.Seed, opts.Now, opts.Acked = w.opts.Seed, w.opts.Now, lags.acked
	return &Functions{cloudsim.Deliver(ctx, w.end(d.From()).Bucket, opts), fn.close}, nil
}

// Close stops the delivery, and then the function.
func (f *Functions) Close() {
	f.Stop()
	f.close()
}

// instance is one instance of the function of a direction.
func (w *World) instance(d control.Direction) (*functions.Processor, error) {
	docs, _, err := w.documents()
	if err != nil {
		return nil, err
	}
	from, to := w.end(d.From()), w.end(d.To())
	guard := control.NewGuard(docs, d, w.opts.Now, w.opts.Lease)
	follower, err := follow.New(follow.Options{
		From: from.Store, To: guard.Guarded(to.Store), Replicate: w.replicating(d),
		Documents: docs, Guard: guard, Now: w.opts.Now, Tool: "demo",
	})
	if err != nil {
		return nil, err
	}
	var syncer functions.Syncer = follower
	if w.opts.Syncer != nil {
		syncer = w.opts.Syncer(d, syncer, to.Bucket)
	}
	return functions.New(syncer, functions.Options{
		Bucket: from.Bucket.Name, Migration: follower, Now: w.opts.Now, Log: w.opts.Log, Timeout: w.opts.FunctionTimeout,
	})
}

func (w *World) newFunction(d control.Direction) (*function, error) {
	procs := make([]*functions.Processor, instances)
	for i := range procs {
		var err error
		if procs[i], err = w.instance(d); err != nil {
			return nil, err
		}
	}
	client := &http.Client{Transport: newTransport()}
	serve := func(h http.Handler) (string, func()) {
		url, stop := cloudsim.Serve(h)
		return url, func() {
			client.CloseIdleConnections()
			stop()
		}
	}
	fn := &function{}
	var url string
	switch cloud := w.end(d.From()).Cloud; cloud {
	case "s3":
		var next atomic.Uint64
		url, fn.close = serve(invokeAPI(lambdaFunc(func(ctx context.Context, payload []byte) ([]byte, error) {
			return fs3.New(procs[next.Add(1)%instances], nil).Invoke(ctx, payload)
		}), w.opts.FunctionTimeout))
		fn.delivery = cloudsim.DeliveryOptions{
			Encode: encodeS3, Workers: 6, Batch: 10,
			Send: cloudsim.InvokeWithSQS(client, url+invokePath, "arn:aws:sqs:us-east-1:000000000000:crossfade"),
		}
	case "gcs":
		url, fn.close = serve(alternate(procs, func(p *functions.Processor) http.Handler { return fgcs.New(p) }))
		fn.delivery = cloudsim.DeliveryOptions{Encode: cloudsim.GCSDocuments, Workers: 12, Send: cloudsim.PostEach(client, url, nil)}
	case "azure":
		url, fn.close = serve(alternate(procs, func(p *functions.Processor) http.Handler { return eventgrid.New(p, w.opts.Log) }))
		fn.delivery = cloudsim.DeliveryOptions{Encode: encodeEventGrid, Workers: 12, Send: cloudsim.PostEach(client, url, deliveryCount)}
	default:
		return nil, fmt.Errorf("no function for %q", cloud)
	}
	return fn, nil
}

type lambdaFunc func(context.Context, []byte) ([]byte, error)

var _ lambda.Handler = lambdaFunc(nil)

// Invoke calls f.
func (f lambdaFunc) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return f(ctx, payload)
}

// alternate spreads requests over one handler an instance.
func alternate(procs []*functions.Processor, handler func(*functions.Processor) http.Handler) http.Handler {
	handlers := make([]http.Handler, len(procs))
	for i, p := range procs {
		handlers[i] = handler(p)
	}
	var next atomic.Uint64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers[next.Add(1)%uint64(len(handlers))].ServeHTTP(w, r)
	})
}

// deliveryCount is Event Grid's header that counts the deliveries before.
func deliveryCount(m cloudsim.Message) http.Header {
	return http.Header{"Aeg-Delivery-Count": {strconv.Itoa(m.Receives - 1)}}
}

func encodeS3(c cloudsim.Change) []cloudsim.Document {
	body, ok := cloudsim.S3Notification(c)
	if !ok {
		return nil
	}
	return []cloudsim.Document{{Body: body}}
}

func encodeEventGrid(c cloudsim.Change) []cloudsim.Document {
	body, ok := cloudsim.EventGridEvents(c, cloudsim.AzureTopic(cloudsim.AzureAccount))
	if !ok {
		return nil
	}
	return []cloudsim.Document{{
		Header: http.Header{"Content-Type": {"application/json"}, "Aeg-Event-Type": {"Notification"}},
		Body:   body,
	}}
}
