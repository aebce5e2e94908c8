package main

import (
	"bytes"
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/functest"
	"github.com/crossfade-io/crossfade/testutil/loopback"
)

// The framework's own server, called as a push subscription to the bucket's
// topic calls it, and as an Eventarc trigger for that topic does.
func TestPush(t *testing.T) {
	t.Parallel()
	eventarc := http.Header{ // with the same body
		"Content-Type": {"application/json"}, "Ce-Id": {"1"}, "Ce-Specversion": {"1.0"}, "Ce-Time": {"2026-11-03T10:15:30.123Z"},
		"Ce-Type": {"google.cloud.pubsub.topic.v1.messagePublished"}, "Ce-Source": {"//pubsub.googleapis.com/projects/p/topics/photos"},
	}
	for name, header := range map[string]http.Header{"push": {"Content-Type": {"application/json"}}, "Eventarc": eventarc} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			clouds := functest.NewClouds(t)
			source := clouds.GCS.CreateBucket("photos", false)
			target := clouds.S3.CreateBucket("photos-copy", false)
			var docs []cloudsim.Document
			source.Subscribe(func(c cloudsim.Change) {
				for _, e := range cloudsim.GCSEvents(c) {
					docs = append(docs, e.PubSub("projects/p/subscriptions/photos"))
				}
			})
			port := functest.FreePort(t)
			p := functest.Start(t, append(clouds.Env(t), "PORT="+port, "LOCAL_ONLY=true",
				"CROSSFADE_SOURCE=gs://photos", "CROSSFADE_TARGET=s3://photos-copy"))
			addr := "127.0.0.1:" + port
			if err := p.Listening(ctx, addr); err != nil {
				t.Fatal(err)
			}
			post := func(body []byte) int {
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/", bytes.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				req.Header = header.Clone()
				res, err := loopback.Client().Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				return res.StatusCode
			}
			for _, key := range []string{"a b+c", "a b+c", "ü/😀", "gone"} { // an overwrite among them
				if _, err := source.Put(cloudsim.NewObject(key, []byte("of "+key)), cloudsim.Origin{Operation: "objects.insert"}, nil, nil); err != nil {
					t.Fatal(err)
				}
			}
			if _, _, err := source.Delete("gone", cloudsim.Origin{Operation: "objects.delete"}, false, nil); err != nil {
				t.Fatal(err)
			}
			for _, doc := range docs {
				if status := post(doc.Body); status != 200 {
					t.Errorf("status %d for %s", status, doc.Body)
				}
			}
			if len(docs) != 6 || target.Len() != 2 || target.Get("a b+c") == nil || target.Get("ü/😀") == nil {
				t.Errorf("%d notifications, %d objects on the target", len(docs), target.Len())
			}
			for what, alien := range map[string][]byte{
				"another bucket":    bytes.ReplaceAll(docs[0].Body, []byte(`"bucketId":"photos"`), []byte(`"bucketId":"other"`)),
				"no notification":   []byte(`{"message":{"data":"aGVsbG8=","messageId":"1","attributes":{"key":"value"}},"subscription":"s"}`),
				"nothing but a key": []byte(`{"bucket":"photos","name":"a"}`),
			} {
				if status := post(alien); status != 400 {
					t.Errorf("%s: status %d", what, status)
				}
			}
		})
	}
}
