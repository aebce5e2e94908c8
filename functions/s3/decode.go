package s3

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/crossfade-io/crossfade/functions"
)

// document is the outer form of what S3 sends, and the marks by which other
// forms are told apart.
type document struct {
	Records []json.RawMessage `json:"Records"`

	Event string `json:"Event"` // of the test event, which has no Records

	TopicARN   string          `json:"TopicArn"`    // of an SNS envelope
	DetailType string          `json:"detail-type"` // of an EventBridge event
	Tasks      json.RawMessage `json:"tasks"`       // of S3 Batch Operations
}

// notification is one record of an S3 notification: Amazon S3 user guide,
// "Event message structure". Times and sizes are not needed to act, so that a
// strange one does no harm.
type notification struct {
	EventVersion     string `json:"eventVersion"`
	EventSource      string `json:"eventSource"`
	EventTime        string `json:"eventTime"`
	EventName        string `json:"eventName"`
	ResponseElements struct {
		RequestID string `json:"x-amz-request-id"`
	} `json:"responseElements"`
	S3 struct {
		Bucket struct {
			Name string `json:"name"`
		} `json:"bucket"`
		Object struct {
			Key       string `json:"key"`
			VersionID string `json:"versionId"`
			Sequencer string `json:"sequencer"`
		} `json:"object"`
	} `json:"s3"`
}

// What other senders put around a notification, and what to do about it.
var (
	errSNS         = errors.New("an SNS message: subscribe the queue with raw message delivery, or send the bucket's notifications to it directly")
	errSNSDirect   = errors.New("SNS deliveries are not supported: send the bucket's notifications to the function directly or through SQS")
	errEventBridge = errors.New("EventBridge events are not supported: send the bucket's notifications to the function directly or through SQS")
	errBatch       = errors.New("S3 Batch Operations tasks are not supported: run crossfade backfill")
	errNoRecords   = errors.New("not an S3 notification: it has no Records")
)

// Decode reads an S3 notification document, as S3 sends it to Lambda and to
// queues. It always returns at least one event: what it cannot understand comes
// back as Malformed, the rest of the document is not affected.
func Decode(doc []byte) []functions.Event {
	var d document
	if err := json.Unmarshal(doc, &d); err != nil {
		return refused(fmt.Errorf("not an S3 notification: %w", err))
	}
	if len(d.Records) == 0 {
		return []functions.Event{d.withoutRecords()}
	}
	events := make([]functions.Event, 0, len(d.Records))
	for _, raw := range d.Records {
		events = append(events, decodeRecord(raw))
	}
	return events
}

// withoutRecords names what else a document may be.
func (d *document) withoutRecords() functions.Event {
	e := functions.Event{Source: "aws:s3", Type: d.Event}
	switch {
	case d.Event == "s3:TestEvent":
		e.Ignored = "test event"
	case d.TopicARN != "":
		e.Malformed = errSNS
	case d.DetailType != "":
		e.Malformed = errEventBridge
	case d.Tasks != nil:
		e.Malformed = errBatch
	default:
		e.Malformed = errNoRecords
	}
	return e
}

func refused(err error) []functions.Event {
	return []functions.Event{{Source: "aws:s3", Malformed: err}}
}

// decodeRecord reads one record.
func decodeRecord(raw []byte) functions.Event {
	var n notification
	if err := json.Unmarshal(raw, &n); err != nil {
		return functions.Event{Source: "aws:s3", Malformed: fmt.Errorf("not a record of an S3 notification: %w", err)}
	}
	e := functions.Event{
		ID:        n.ResponseElements.RequestID,
		Source:    n.EventSource,
		Type:      strings.TrimPrefix(n.EventName, "s3:"), // MinIO sends it with the prefix
		Bucket:    n.S3.Bucket.Name,
		Version:   n.S3.Object.VersionID,
		Sequencer: n.S3.Object.Sequencer,
	}
	switch {
	case n.EventSource == "aws:sns":
		e.Malformed = errSNSDirect
		return e
	case !strings.HasSuffix(n.EventSource, ":s3"): // aws:s3, minio:s3, ceph:s3
		e.Malformed = fmt.Errorf("records of %q are not supported", n.EventSource)
		return e
	}
	if major, _, _ := strings.Cut(n.EventVersion, "."); major != "2" {
		// The user guide: compare the major version for equality.
		e.Malformed = fmt.Errorf("event version %q is not 2.x", n.EventVersion)
		return e
	}
	if t, err := time.Parse(time.RFC3339, n.EventTime); err == nil {
		e.Time = t
	}
	// The key is form-encoded, once: a space is "+", a plus "%2B".
	key, err := url.QueryUnescape(n.S3.Object.Key)
	if err != nil {
		e.Malformed = fmt.Errorf("the key is not form-encoded: %w", err)
		return e
	}
	e.Key = key
	e.Created, e.Removed, e.Ignored = classify(e.Type)
	return e.Checked()
}

// classify sorts the event types of S3: Amazon S3 user guide, "Supported event
// types for SQS, SNS, and Lambda".
func classify(name string) (created, removed bool, ignored string) {
	family, kind, _ := strings.Cut(name, ":")
	switch family {
	case "ObjectCreated":
		return true, false, ""
	case "ObjectRemoved", "LifecycleExpiration":
		return false, true, ""
	case "ObjectTagging":
		return false, false, ""
	case "ObjectRestore":
		if kind == "Completed" {
			return false, false, ""
		}
	case "ObjectAcl", "LifecycleTransition", "IntelligentTiering", "Replication",
		"ReducedRedundancyLostObject", "ObjectRetention", "ObjectAnnotation":
	default:
		return false, false, "unknown event type"
	}
	return false, false, "nothing that is replicated"
}
