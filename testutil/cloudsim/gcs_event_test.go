package cloudsim_test

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

func TestGCSEvents(t *testing.T) {
	t.Parallel()
	for _, versioned := range []bool{false, true} {
		core := cloudsim.NewCore(nil)
		b := core.CreateBucket("bucket", versioned)
		var events []cloudsim.GCSEvent
		b.Subscribe(func(c cloudsim.Change) { events = append(events, cloudsim.GCSEvents(c)...) })
		next := func(what string, want ...string) {
			t.Helper()
			var got []string
			for _, e := range events {
				var data struct{ Bucket, Name, Generation, Metageneration, Size string }
				if err := json.Unmarshal(e.Data, &data); err != nil {
					t.Fatal(err)
				}
				got = append(got, e.Type[len("google.cloud.storage.object.v1."):]+" "+data.Generation+"."+data.Metageneration+" of "+data.Size)
				if data.Bucket != "bucket" || data.Name != "a b/ü" || e.Attributes["ce-subject"] != "objects/a b/ü" ||
					e.Attributes["ce-source"] != "//storage.googleapis.com/projects/_/buckets/bucket" || e.Attributes["ce-type"] != e.Type {
					t.Errorf("%s: %+v", what, e)
				}
			}
			if !slices.Equal(got, want) {
				t.Errorf("versioned %v, %s: %q, want %q", versioned, what, got, want)
			}
			events = nil
		}
		gone := "deleted"
		if versioned {
			gone = "archived"
		}
		put := func(body string) int64 {
			o, err := b.Put(cloudsim.NewObject("a b/ü", []byte(body)), cloudsim.Origin{}, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			return o.Generation
		}
		one := put("1")
		next("a new object", fmt.Sprintf("finalized %d.1 of 1", one))
		two := put("22")
		next("an overwrite", fmt.Sprintf("finalized %d.1 of 2", two), fmt.Sprintf("%s %d.1 of 1", gone, one))
		if _, err := b.Update("a b/ü", cloudsim.Origin{}, nil, func(*cloudsim.Object) {}); err != nil {
			t.Fatal(err)
		}
		next("an update", fmt.Sprintf("metadataUpdated %d.2 of 2", two))
		if _, _, err := b.Delete("a b/ü", cloudsim.Origin{}, false, nil); err != nil {
			t.Fatal(err)
		}
		next("a delete", fmt.Sprintf("%s %d.2 of 2", gone, two))
	}
}

// TestGCSEventOfRemovedGeneration: what is removed for good is deleted, also in
// a versioned bucket.
func TestGCSEventOfRemovedGeneration(t *testing.T) {
	t.Parallel()
	g := newGCS(t, true)
	o := g.put(t, "k", []byte("x"), nil)
	var types []string
	g.bucket.Subscribe(func(c cloudsim.Change) {
		for _, e := range cloudsim.GCSEvents(c) {
			types = append(types, e.Type)
		}
	})
	if err := g.object("k").Generation(o.Generation).Delete(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(types, []string{cloudsim.GCSDeleted}) {
		t.Errorf("events are %q", types)
	}
}

func TestGCSEventForms(t *testing.T) {
	t.Parallel()
	core := cloudsim.NewCore(nil)
	b := core.CreateBucket("bucket", false)
	var e cloudsim.GCSEvent
	b.Subscribe(func(c cloudsim.Change) { e = cloudsim.GCSEvents(c)[0] })
	for range 2 {
		if _, err := b.Put(cloudsim.NewObject("a b\n%ü", []byte("x")), cloudsim.Origin{}, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	r, err := e.Request(t.Context(), "http://127.0.0.1:1/")
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || string(body) != string(e.Data) || r.Header.Get("Ce-Subject") != "objects/a%20b%0A%25%C3%BC" ||
		r.Header.Get("Ce-Type") != cloudsim.GCSFinalized || r.Header.Get("Ce-Id") == "" || r.Header.Get("Ce-Specversion") != "1.0" || r.Header.Get("Ce-Time") == "" {
		t.Errorf("request %v with body %s, error %v", r.Header, body, err)
	}
	var push struct {
		Message struct {
			Attributes map[string]string
			Data       []byte
			MessageID  string
		}
		Subscription string
	}
	if err := json.Unmarshal(e.PubSub("projects/p/subscriptions/s").Body, &push); err != nil {
		t.Fatal(err)
	}
	a := push.Message.Attributes
	if a["eventType"] != "OBJECT_FINALIZE" || a["objectId"] != "a b\n%ü" || a["bucketId"] != "bucket" || a["overwroteGeneration"] == "" ||
		a["objectGeneration"] == a["overwroteGeneration"] || string(push.Message.Data) != string(e.Data) || push.Message.MessageID == "" || push.Subscription == "" {
		t.Errorf("push message %+v", push)
	}
}
