package s3

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/crossfade-io/crossfade/functions"
)

// notification is one record of an S3 notification: Amazon S3 user guide,
// "Event message structure"; or of SNS to Lambda, which has Sns in place of S3.
// Times and sizes are not needed to act, so that a strange one does no harm.
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

	SNS json.RawMessage `json:"Sns"`
}

// decodeRecord reads one record.
func decodeRecord(raw []byte, wrapped int) []functions.Event {
	var n notification
	if err := json.Unmarshal(raw, &n); err != nil {
		return refused(fmt.Errorf("not a record of an S3 notification: %w", err))
	}
	if n.EventSource == "aws:sns" {
		return decodeEnvelope(n.SNS, wrapped)
	}
	return []functions.Event{n.event()}
}

func (n *notification) event() functions.Event {
	e := functions.Event{
		ID:        n.ResponseElements.RequestID,
		Source:    n.EventSource,
		Type:      strings.TrimPrefix(n.EventName, "s3:"), // MinIO sends it with the prefix
		Bucket:    n.S3.Bucket.Name,
		Version:   n.S3.Object.VersionID,
		Sequencer: n.S3.Object.Sequencer,
	}
	if !strings.HasSuffix(n.EventSource, ":s3") { // aws:s3, minio:s3, ceph:s3
		e.Malformed = fmt.Errorf("records of %q are not supported", n.EventSource)
		return e
	}
	if major(n.EventVersion) != "2" {
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
		return false, false, reasonUnknown
	}
	return false, false, reasonNothing
}

// Why an event has nothing to do.
const (
	reasonUnknown = "unknown event type"
	reasonNothing = "nothing that is replicated"
)
