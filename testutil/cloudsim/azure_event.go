package cloudsim

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"time"
)

// AzureTopic is the resource id of a storage account, which Event Grid calls the
// topic of its events.
func AzureTopic(account string) string {
	return "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/cloudsim/providers/Microsoft.Storage/storageAccounts/" + account
}

// eventGridEvent is the Event Grid event schema ("Azure Blob Storage as an Event
// Grid source").
type eventGridEvent struct {
	Topic           string        `json:"topic"`
	Subject         string        `json:"subject"`
	EventType       string        `json:"eventType"`
	ID              string        `json:"id"`
	Data            eventGridData `json:"data"`
	DataVersion     string        `json:"dataVersion"`
	MetadataVersion string        `json:"metadataVersion"`
	EventTime       string        `json:"eventTime"`
}

// eventGridCloudEvent is the CloudEvents 1.0 schema of the same event.
type eventGridCloudEvent struct {
	Source          string        `json:"source"`
	Subject         string        `json:"subject"`
	Type            string        `json:"type"`
	Time            string        `json:"time"`
	ID              string        `json:"id"`
	DataContentType string        `json:"datacontenttype"`
	SpecVersion     string        `json:"specversion"`
	Data            eventGridData `json:"data"`
}

type eventGridData struct {
	API                string            `json:"api"`
	ClientRequestID    string            `json:"clientRequestId,omitempty"`
	RequestID          string            `json:"requestId"`
	ETag               string            `json:"eTag,omitempty"`
	ContentType        string            `json:"contentType"`
	ContentLength      *int              `json:"contentLength,omitempty"`
	BlobType           string            `json:"blobType"`
	URL                string            `json:"url"`
	Sequencer          string            `json:"sequencer"`
	StorageDiagnostics map[string]string `json:"storageDiagnostics"`
}

// EventGridEvents returns the body that Event Grid posts for a change of a
// container of the account that topic names: an array of one event, BlobCreated
// for a new blob and for an overwrite alike, or BlobDeleted. Changes of metadata,
// properties, tags or tier raise none, and yield false.
func EventGridEvents(c Change, topic string) ([]byte, bool) {
	what, data, ok := eventGridChange(c, topic)
	if !ok {
		return nil, false
	}
	return eventGridJSON([]eventGridEvent{{
		Topic:           topic,
		Subject:         eventGridSubject(c),
		EventType:       what,
		ID:              eventGridID(c, topic),
		Data:            data,
		MetadataVersion: "1",
		EventTime:       eventGridTime(c.Time),
	}}), true
}

// EventGridCloudEvent returns the same change in the CloudEvents schema: one
// object in structured mode (application/cloudevents+json).
func EventGridCloudEvent(c Change, topic string) ([]byte, bool) {
	what, data, ok := eventGridChange(c, topic)
	if !ok {
		return nil, false
	}
	return eventGridJSON(eventGridCloudEvent{
		Source:          topic,
		Subject:         eventGridSubject(c),
		Type:            what,
		Time:            eventGridTime(c.Time),
		ID:              eventGridID(c, topic),
		DataContentType: "application/json",
		SpecVersion:     "1.0",
		Data:            data,
	}), true
}

func eventGridChange(c Change, topic string) (what string, data eventGridData, ok bool) {
	o := c.Object
	data = eventGridData{
		ClientRequestID:    c.RequestID,
		RequestID:          eventGridID(c, "request"),
		ContentType:        o.ContentType,
		BlobType:           "BlockBlob",
		URL:                eventGridURL(path.Base(topic), c.Bucket, o.Name),
		Sequencer:          fmt.Sprintf("%016X%016X", 0, c.Sequence),
		StorageDiagnostics: map[string]string{"batchId": eventGridID(c, "batch")},
	}
	switch c.Kind {
	case Created:
		size := len(o.Body)
		data.API, data.ETag, data.ContentLength = eventGridAPI(c.Operation), azureETag(o), &size
		return "Microsoft.Storage.BlobCreated", data, true
	case Deleted:
		data.API = "DeleteBlob"
		return "Microsoft.Storage.BlobDeleted", data, true
	default:
		return "", data, false
	}
}

// eventGridAPI names the operation as events do.
func eventGridAPI(operation string) string {
	switch operation {
	case "PutBlockList", "CopyBlob":
		return operation
	default:
		return "PutBlob"
	}
}

func eventGridSubject(c Change) string {
	return "/blobServices/default/containers/" + c.Bucket + "/blobs/" + c.Object.Name
}

func eventGridURL(account, container, name string) string {
	u := url.URL{Scheme: "https", Host: account + ".blob.core.windows.net", Path: "/" + container + "/" + name}
	return u.String()
}

// eventGridID is the same whenever it is asked for the same change.
func eventGridID(c Change, of string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d\x00%d", of, c.Bucket, c.Sequence, c.Time.UnixNano()))
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

func eventGridTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }

// eventGridJSON encodes what cannot fail to be.
func eventGridJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("cloudsim: " + err.Error())
	}
	return b
}
