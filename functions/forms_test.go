package functions_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/eventgrid"
	"github.com/crossfade-io/crossfade/functions/s3"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/loopback"
)

// form is one, with the number that deliver knows the cloud by.
type form struct {
	cloud
	id uint8
}

// forms are the further ways by which events of the clouds come.
var forms = map[string]form{
	"s3 by SNS": {cloud{
		encode: one(func(c cloudsim.Change) ([]byte, bool) {
			doc, ok := cloudsim.S3Notification(c)
			return snsDelivery(doc), ok
		}),
		serve: answering, send: posting,
	}, 0},
	"s3 by SNS and SQS": {cloud{
		encode: one(func(c cloudsim.Change) ([]byte, bool) {
			doc, ok := cloudsim.S3Notification(c)
			return snsEnvelope(doc), ok
		}),
		serve: clouds["s3"].serve, send: clouds["s3"].send,
	}, 0},
	"s3 by EventBridge": {cloud{encode: one(bridge), serve: answering, send: posting}, 0},
	"s3 by EventBridge and SQS": {cloud{
		encode: one(bridge),
		serve:  clouds["s3"].serve, send: clouds["s3"].send,
	}, 0},
	"s3 by EventBridge, SNS and SQS": {cloud{
		encode: one(func(c cloudsim.Change) ([]byte, bool) {
			doc, ok := bridge(c)
			return snsEnvelope(doc), ok
		}),
		serve: clouds["s3"].serve, send: clouds["s3"].send,
	}, 0},
	"gcs by push": {cloud{
		encode: func(c cloudsim.Change) (docs []cloudsim.Document) {
			for _, e := range cloudsim.GCSEvents(c) {
				docs = append(docs, e.PubSub("projects/p/subscriptions/s"))
			}
			return docs
		},
		serve: clouds["gcs"].serve, send: posting, metadata: true,
	}, 1},
	"gcs by push, without payload": {cloud{
		encode: func(c cloudsim.Change) (docs []cloudsim.Document) {
			for _, e := range cloudsim.GCSEvents(c) {
				docs = append(docs, withoutPayload(e.PubSub("projects/p/subscriptions/s")))
			}
			return docs
		},
		serve: clouds["gcs"].serve, send: posting, metadata: true,
	}, 1},
	"azure by queue": {cloud{
		encode: one(func(c cloudsim.Change) ([]byte, bool) {
			doc, ok := cloudsim.EventGridCloudEvent(c, cloudsim.AzureTopic("acct"))
			return queueInvocation(doc), ok
		}),
		serve: func(p *functions.Processor) http.Handler {
			return eventgrid.New(p, slog.New(slog.DiscardHandler))
		},
		send: posting,
	}, 2},
}

// posting sends each document by itself.
func posting(url string) cloudsim.Sender { return cloudsim.PostEach(loopback.Client(), url, nil) }

// answering serves a function on Lambda that is invoked for each document, and
// again when it fails.
func answering(p *functions.Processor) http.Handler {
	h := lambda.NewHandler(s3.New(p, nil))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		payload, err := io.ReadAll(r.Body)
		if err == nil {
			_, err = h.Invoke(r.Context(), payload)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
}

// snsEnvelope is what SNS puts into a queue.
func snsEnvelope(doc []byte) []byte {
	return mustJSON(map[string]any{
		"Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:us-east-1:123456789012:photos",
		"Subject": "Amazon S3 Notification", "Message": string(doc), "Timestamp": "2026-11-03T10:15:30.456Z",
	})
}

// snsDelivery is what SNS invokes a function with.
func snsDelivery(doc []byte) []byte {
	return mustJSON(map[string]any{"Records": []any{map[string]any{
		"EventVersion": "1.0", "EventSource": "aws:sns", "Sns": json.RawMessage(snsEnvelope(doc)),
	}}})
}

// bridge is what EventBridge sends for a change, with the key as it is.
func bridge(c cloudsim.Change) ([]byte, bool) {
	_, ok := cloudsim.S3Notification(c)
	return bridged(c.Bucket, c.Object.Name, c.Kind == cloudsim.Deleted, c.Time), ok
}

func bridged(bucket, key string, removed bool, at time.Time) []byte {
	typ, reason := "Object Created", "PutObject"
	if removed {
		typ, reason = "Object Deleted", "DeleteObject"
	}
	return mustJSON(map[string]any{
		"version": "0", "id": "1", "detail-type": typ, "source": "aws.s3", "account": "123456789012", "region": "us-east-1",
		"time": at.UTC().Format(time.RFC3339), "resources": []string{"arn:aws:s3:::" + bucket},
		"detail": map[string]any{
			"version": "0", "bucket": map[string]any{"name": bucket}, "object": map[string]any{"key": key, "sequencer": "01"}, "reason": reason,
		},
	})
}

// withoutPayload is a push with the payload format NONE.
func withoutPayload(doc cloudsim.Document) cloudsim.Document {
	var p struct {
		Message struct {
			Attributes  map[string]string `json:"attributes"`
			MessageID   string            `json:"messageId"`
			PublishTime string            `json:"publishTime"`
		} `json:"message"`
		Subscription string `json:"subscription"`
	}
	if err := json.Unmarshal(doc.Body, &p); err != nil {
		panic(err)
	}
	p.Message.Attributes["payloadFormat"] = "NONE"
	return cloudsim.Document{Header: doc.Header, Body: mustJSON(p)}
}

// queueInvocation is what the Functions host posts for a message of a queue.
func queueInvocation(doc []byte) []byte {
	return mustJSON(map[string]any{
		"Data": map[string]any{"queueItem": string(doc)}, "Metadata": map[string]any{"DequeueCount": 1, "Id": "1"},
	})
}

// Every other way by which events come replicates as the first one does.
func TestForms(t *testing.T) {
	t.Parallel()
	for name, f := range forms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			flow(t, f.cloud, true)
		})
	}
}

// A job of S3 Batch Operations over a manifest of the bucket brings all of it
// over, whatever the keys; an object that is gone by then is no failure.
func TestBatchJob(t *testing.T) {
	t.Parallel()
	w := newBounds(t, 0)
	var tasks []any
	for i, key := range append(append([]string{"in/gone"}, within...), beyond...) {
		tasks = append(tasks, map[string]any{"taskId": fmt.Sprint(i), "s3Key": url.PathEscape(key), "s3VersionId": nil, "s3Bucket": "photos"})
	}
	status, answer := deliver(t, w.proc, nil, 0, "", mustJSON(map[string]any{
		"invocationSchemaVersion": "2.0", "invocationId": "1", "job": map[string]any{"id": "j", "userArguments": map[string]string{"bucket": "other"}}, "tasks": tasks,
	}))
	var res struct {
		Results []struct{ ResultCode string }
	}
	if err := json.Unmarshal([]byte(answer), &res); err != nil || status != 200 || len(res.Results) != len(tasks) {
		t.Fatalf("status %d, %d results: %s", status, len(res.Results), answer)
	}
	codes := map[string]int{}
	for _, r := range res.Results {
		codes[r.ResultCode]++
	}
	if !maps.Equal(codes, map[string]int{"Succeeded": len(tasks)}) {
		t.Errorf("answered %v", codes)
	}
	w.check(t)
	if n := w.target.Len(); n != 3+len(within) {
		t.Errorf("%d objects on the target", n)
	}
}
