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
	fgcs "github.com/crossfade-io/crossfade/functions/gcs"
	fs3 "github.com/crossfade-io/crossfade/functions/s3"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

const (
	// instances of the function share nothing but the two stores, as those that
	// a platform starts.
	instances = 4

	functionTimeout = 30 * time.Second
)

// function is crossfade's function for the source's cloud, served over HTTP.
type function struct {
	delivery cloudsim.DeliveryOptions // how the cloud delivers events to it
	close    func()
}

func (d *Demo) newFunction(ctx context.Context) (*function, error) {
	procs := make([]*functions.Processor, instances)
	for i := range procs {
		rep, err := d.newReplicator()
		if err != nil {
			return nil, err
		}
		var syncer functions.Syncer = rep
		if d.opts.Syncer != nil {
			syncer = d.opts.Syncer(syncer, d.target.bucket)
		}
		procs[i], err = functions.New(syncer, functions.Options{
			Bucket: d.source.bucket.Name, Now: d.opts.Now, Log: d.opts.Log, Timeout: functionTimeout,
		})
		if err != nil {
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
	switch d.opts.From {
	case "s3":
		var next atomic.Uint64
		url, fn.close = serve(invokeAPI(lambdaFunc(func(ctx context.Context, payload []byte) ([]byte, error) {
			return fs3.New(procs[next.Add(1)%instances]).Invoke(ctx, payload)
		}), functionTimeout))
		fn.delivery = cloudsim.DeliveryOptions{
			Encode: encodeS3, Workers: 6, Batch: 10,
			Send: cloudsim.InvokeWithSQS(client, url+invokePath, "arn:aws:sqs:us-east-1:000000000000:crossfade"),
		}
	case "gcs":
		h, err := alternate(procs, func(p *functions.Processor) (http.Handler, error) {
			return fgcs.New(p), nil
		})
		if err != nil {
			return nil, err
		}
		url, fn.close = serve(h)
		fn.delivery = cloudsim.DeliveryOptions{Encode: cloudsim.GCSDocuments, Workers: 12, Send: cloudsim.PostEach(client, url, nil)}
	case "azure":
		h, err := alternate(procs, func(p *functions.Processor) (http.Handler, error) {
			return eventgrid.New(p, d.opts.Log), nil
		})
		if err != nil {
			return nil, err
		}
		url, fn.close = serve(h)
		fn.delivery = cloudsim.DeliveryOptions{Encode: encodeEventGrid, Workers: 12, Send: cloudsim.PostEach(client, url, deliveryCount)}
	default:
		return nil, fmt.Errorf("no function for %q", d.opts.From)
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
func alternate(procs []*functions.Processor, handler func(*functions.Processor) (http.Handler, error)) (http.Handler, error) {
	handlers := make([]http.Handler, len(procs))
	for i, p := range procs {
		var err error
		if handlers[i], err = handler(p); err != nil {
			return nil, err
		}
	}
	var next atomic.Uint64
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handlers[next.Add(1)%uint64(len(handlers))].ServeHTTP(w, r)
	}), nil
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
