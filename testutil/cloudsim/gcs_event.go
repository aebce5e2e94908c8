package cloudsim

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// The types of event ("Cloud Storage direct events", Eventarc).
const (
	GCSFinalized       = "google.cloud.storage.object.v1.finalized"
	GCSDeleted         = "google.cloud.storage.object.v1.deleted"
	GCSArchived        = "google.cloud.storage.object.v1.archived"
	GCSMetadataUpdated = "google.cloud.storage.object.v1.metadataUpdated"
)

// GCSEvent is one CloudEvent as Eventarc sends it.
type GCSEvent struct {
	Type       string
	Attributes map[string]string // ce-id, ce-type, ce-source, …: headers of the binary mode
	Data       []byte            // the object resource in JSON, numbers of 64 bits as strings
	OverwroteGeneration,
	OverwrittenByGeneration int64 // only Pub/Sub tells them; 0 where there is none
}

// GCSEvents returns the events of a change. An overwrite has two: one for the
// new generation, and one for the old, which was deleted or became noncurrent.
func GCSEvents(c Change) []GCSEvent {
	event := func(typ string, o *Object, overwrote, overwritten int64) GCSEvent {
		return newGCSEvent(c, typ, o, overwrote, overwritten)
	}
	switch c.Kind {
	case Created:
		if c.Old == nil {
			return []GCSEvent{event(GCSFinalized, c.Object, 0, 0)}
		}
		return []GCSEvent{
			event(GCSFinalized, c.Object, c.Old.Generation, 0),
			event(gcsGone(c), c.Old, 0, c.Object.Generation),
		}
	case Deleted:
		if c.Object.DeleteMarker { // another cloud's way to delete
			if c.Old == nil {
				return nil
			}
			return []GCSEvent{event(gcsGone(c), c.Old, 0, 0)}
		}
		return []GCSEvent{event(gcsGone(c), c.Object, 0, 0)}
	default:
		return []GCSEvent{event(GCSMetadataUpdated, c.Object, 0, 0)}
	}
}

// gcsGone is archived where the generation is kept as noncurrent.
func gcsGone(c Change) string {
	if c.Versioned && c.Operation != gcsDeleteGeneration {
		return GCSArchived
	}
	return GCSDeleted
}

func newGCSEvent(c Change, typ string, o *Object, overwrote, overwritten int64) GCSEvent {
	data, err := json.Marshal(newGCSResource("https://www.googleapis.com", c.Bucket, o))
	if err != nil {
		panic(fmt.Sprintf("cloudsim: a struct of strings does not marshal: %v", err))
	}
	return GCSEvent{
		Type: typ,
		Attributes: map[string]string{
			"ce-id":          fmt.Sprintf("%s-%d-%d-%d", c.Bucket, c.Sequence, o.Generation, o.Metageneration),
			"ce-type":        typ,
			"ce-source":      "//storage.googleapis.com/projects/_/buckets/" + c.Bucket,
			"ce-subject":     "objects/" + o.Name,
			"ce-specversion": "1.0",
			"ce-time":        c.Time.UTC().Format("2006-01-02T15:04:05.000000Z"),
			"ce-bucket":      c.Bucket,
		},
		Data:                data,
		OverwroteGeneration: overwrote, OverwrittenByGeneration: overwritten,
	}
}

// Document is the event as an HTTP request of the binary mode carries it.
// Header values are percent-encoded as the CloudEvents HTTP binding says.
func (e GCSEvent) Document() Document {
	h := http.Header{"Content-Type": {"application/json; charset=utf-8"}}
	for k, v := range e.Attributes {
		h.Set(k, cloudEventHeader(v))
	}
	return Document{Header: h, Body: e.Data}
}

// Request is the event as a POST to url.
func (e GCSEvent) Request(ctx context.Context, url string) (*http.Request, error) {
	d := e.Document()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(d.Body))
	if err != nil {
		return nil, err
	}
	r.Header = d.Header
	return r, nil
}

// GCSDocuments is an Encoder of the events as Eventarc sends them.
func GCSDocuments(c Change) []Document {
	events := GCSEvents(c)
	docs := make([]Document, len(events))
	for i, e := range events {
		docs[i] = e.Document()
	}
	return docs
}

// PubSub is the event as a push subscription sends the notification of a
// bucket ("Pub/Sub notifications for Cloud Storage"), without wrapping removed.
func (e GCSEvent) PubSub(subscription string) Document {
	eventTypes := map[string]string{
		GCSFinalized: "OBJECT_FINALIZE", GCSDeleted: "OBJECT_DELETE",
		GCSArchived: "OBJECT_ARCHIVE", GCSMetadataUpdated: "OBJECT_METADATA_UPDATE",
	}
	var o gcsResource
	if err := json.Unmarshal(e.Data, &o); err != nil {
		panic(fmt.Sprintf("cloudsim: an event's own data: %v", err))
	}
	attrs := map[string]string{
		"notificationConfig": "projects/_/buckets/" + o.Bucket + "/notificationConfigs/1",
		"eventType":          eventTypes[e.Type],
		"payloadFormat":      "JSON_API_V1",
		"bucketId":           o.Bucket,
		"objectId":           o.Name,
		"objectGeneration":   o.Generation,
		"eventTime":          e.Attributes["ce-time"],
	}
	if e.OverwroteGeneration != 0 {
		attrs["overwroteGeneration"] = strconv.FormatInt(e.OverwroteGeneration, 10)
	}
	if e.OverwrittenByGeneration != 0 {
		attrs["overwrittenByGeneration"] = strconv.FormatInt(e.OverwrittenByGeneration, 10)
	}
	type message struct {
		Attributes  map[string]string `json:"attributes"`
		Data        []byte            `json:"data"` // base64
		MessageID   string            `json:"messageId"`
		PublishTime string            `json:"publishTime"`
	}
	body, err := json.Marshal(struct {
		Message      message `json:"message"`
		Subscription string  `json:"subscription"`
	}{message{attrs, e.Data, e.Attributes["ce-id"], e.Attributes["ce-time"]}, subscription})
	if err != nil {
		panic(fmt.Sprintf("cloudsim: a struct of strings does not marshal: %v", err))
	}
	return Document{Header: http.Header{"Content-Type": {"application/json"}}, Body: body}
}

// cloudEventHeader encodes what the HTTP protocol binding of CloudEvents
// (3.1.3.2) wants encoded in header values.
func cloudEventHeader(s string) string {
	var b []byte
	for _, c := range []byte(s) {
		if c < 0x20 || c > 0x7e || c == '%' || c == '"' || c == ' ' {
			b = append(b, fmt.Sprintf("%%%02X", c)...)
		} else {
			b = append(b, c)
		}
	}
	return string(b)
}
