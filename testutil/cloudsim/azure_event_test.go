package cloudsim_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

func TestAzureEvents(t *testing.T) {
	t.Parallel()
	a := newAzure(t, cloudsim.AzureOptions{})
	topic := cloudsim.AzureTopic("acct")
	var changes []cloudsim.Change
	a.bucket.Subscribe(func(c cloudsim.Change) { changes = append(changes, c) })

	tag := a.do("PUT", "/photos/a%2F%C3%A9%20b+c", "hello", blockBlob, "x-ms-blob-content-type: text/plain", "x-ms-client-request-id: loop-guard").Header.Get("ETag")
	a.stage("a%2F%C3%A9%20b+c", "1", "blocks")
	a.commit("a%2F%C3%A9%20b+c", []string{"Latest 1"})
	a.do("PUT", "/photos/a%2F%C3%A9%20b+c?comp=metadata", "", "x-ms-meta-k: v")
	a.do("PUT", "/photos/a%2F%C3%A9%20b+c?comp=properties", "")
	a.do("PUT", "/photos/a%2F%C3%A9%20b+c?comp=tier", "", "x-ms-access-tier: Cool")
	a.do("PUT", "/photos/a%2F%C3%A9%20b+c", "refused", blockBlob, "If-None-Match: *")
	a.do("DELETE", "/photos/a%2F%C3%A9%20b+c", "")
	a.do("DELETE", "/photos/a%2F%C3%A9%20b+c", "")

	type event struct {
		Topic, Subject, EventType, ID, EventTime, DataVersion string
		Data                                                  map[string]any
	}
	var got []event
	ids, last := map[string]bool{}, ""
	for _, c := range changes {
		doc, ok := cloudsim.EventGridEvents(c, topic)
		cloud, cloudOK := cloudsim.EventGridCloudEvent(c, topic)
		if ok != cloudOK || ok == (c.Kind == cloudsim.MetadataUpdated) {
			t.Fatalf("%v: event %t, cloud event %t", c, ok, cloudOK)
		}
		if !ok {
			continue
		}
		var events []event
		if err := json.Unmarshal(doc, &events); err != nil || len(events) != 1 {
			t.Fatalf("%s: %v", doc, err)
		}
		e := events[0]
		got = append(got, e)
		sequencer, _ := e.Data["sequencer"].(string)
		if ids[e.ID] || e.Topic != topic || e.EventTime == "" || sequencer <= last {
			t.Errorf("event %+v after sequencer %q", e, last)
		}
		ids[e.ID], last = true, sequencer
		if e.Subject != "/blobServices/default/containers/photos/blobs/a/é b+c" || e.Data["url"] != "https://acct.blob.core.windows.net/photos/a/%C3%A9%20b+c" {
			t.Errorf("subject %q, url %q", e.Subject, e.Data["url"])
		}
		var ce struct {
			Source, Subject, Type, Time, ID, SpecVersion string
			Data                                         map[string]any
		}
		if err := json.Unmarshal(cloud, &ce); err != nil {
			t.Fatal(err)
		}
		if ce.Source != topic || ce.Type != e.EventType || ce.ID != e.ID || ce.SpecVersion != "1.0" || ce.Subject != e.Subject || ce.Data["sequencer"] != sequencer {
			t.Errorf("cloud event %s", cloud)
		}
	}
	if len(got) != 3 {
		t.Fatalf("%d events, want 3: %+v", len(got), got)
	}
	want := []struct{ what, api string }{{"Microsoft.Storage.BlobCreated", "PutBlob"}, {"Microsoft.Storage.BlobCreated", "PutBlockList"}, {"Microsoft.Storage.BlobDeleted", "DeleteBlob"}}
	for i, e := range got {
		if e.EventType != want[i].what || e.Data["api"] != want[i].api {
			t.Errorf("event %d is %s by %s", i, e.EventType, e.Data["api"])
		}
	}
	if d := got[0].Data; `"`+d["eTag"].(string)+`"` != tag || d["contentLength"] != 5.0 || d["contentType"] != "text/plain" || d["clientRequestId"] != "loop-guard" || d["blobType"] != "BlockBlob" {
		t.Errorf("created: %v", d)
	}
	if d := got[2].Data; d["eTag"] != nil || d["contentLength"] != nil {
		t.Errorf("deleted: %v", d)
	}
	if !strings.Contains(topic, "/Microsoft.Storage/storageAccounts/acct") {
		t.Errorf("topic %s", topic)
	}
}
