package s3

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/crossfade-io/crossfade/functions"
)

// bridged is an event of S3 by EventBridge: Amazon S3 user guide, "EventBridge
// event message structure".
type bridged struct {
	Version    string `json:"version"`
	ID         string `json:"id"`
	DetailType string `json:"detail-type"`
	Source     string `json:"source"`
	Time       string `json:"time"`
	Detail     struct {
		Version      string `json:"version"`
		EventVersion string `json:"event-version"` // absent from older events
		Bucket       struct {
			Name string `json:"name"`
		} `json:"bucket"`
		Object struct {
			Key       string `json:"key"`
			VersionID string `json:"version-id"`
			Sequencer string `json:"sequencer"`
		} `json:"object"`
	} `json:"detail"`
}

// decodeEventBridge returns one event, or one for each key that may be meant.
func decodeEventBridge(doc []byte) []functions.Event {
	var b bridged
	if err := json.Unmarshal(doc, &b); err != nil {
		return refused(fmt.Errorf("not an EventBridge event of S3: %w", err))
	}
	e := functions.Event{
		ID:        b.ID,
		Source:    b.Source,
		Type:      b.DetailType,
		Bucket:    b.Detail.Bucket.Name,
		Version:   b.Detail.Object.VersionID,
		Sequencer: b.Detail.Object.Sequencer,
	}
	if t, err := time.Parse(time.RFC3339, b.Time); err == nil {
		e.Time = t
	}
	if e.Malformed = b.check(); e.Malformed != nil {
		return []functions.Event{e}
	}
	e.Created, e.Removed, e.Ignored = classifyDetail(b.DetailType)
	if e.Ignored != "" {
		return []functions.Event{e}
	}
	return bothKeys(e, b.Detail.Object.Key)
}

// check reports why the event is none that S3 sends, or nil.
func (b *bridged) check() error {
	switch {
	case b.Source != "aws.s3":
		return fmt.Errorf("EventBridge events of %q are not supported: the rule must match the source aws.s3", b.Source)
	case strings.HasSuffix(b.DetailType, " via CloudTrail"):
		// Acknowledging it would lose changes without a word.
		return fmt.Errorf("EventBridge events of type %q are not supported: turn on the bucket's own EventBridge notifications and match Object Created and its like", b.DetailType)
	case b.Version != "0":
		return fmt.Errorf("EventBridge version %q is not 0", b.Version)
	case b.Detail.Version != "0":
		return fmt.Errorf("detail version %q is not 0", b.Detail.Version)
	case b.Detail.EventVersion != "" && major(b.Detail.EventVersion) != "1":
		return fmt.Errorf("event version %q is not 1.x", b.Detail.EventVersion)
	}
	return nil
}

// classifyDetail sorts the detail types of S3: Amazon S3 user guide, "Using
// EventBridge".
func classifyDetail(name string) (created, removed bool, ignored string) {
	switch name {
	case "Object Created":
		return true, false, ""
	case "Object Deleted": // by a request or a lifecycle rule
		return false, true, ""
	case "Object Tags Added", "Object Tags Deleted", "Object Restore Completed":
		return false, false, ""
	case "Object Restore Initiated", "Object Restore Expired", "Object ACL Updated",
		"Object Storage Class Changed", "Object Access Tier Changed":
		return false, false, reasonNothing
	default:
		return false, false, reasonUnknown
	}
}

// bothKeys returns the event for the key as it stands and, where that differs,
// for the key that it would be if it were form-encoded. Senders and readers do
// not agree on which it is: S3 was seen to send it literally, emulators encode
// it, libraries decode it. An event is only a hint, so that a Sync of the key
// that was not meant finds both sides equal, or makes them so.
func bothKeys(e functions.Event, key string) []functions.Event {
	keys := []string{key}
	if decoded, err := url.QueryUnescape(key); err == nil && decoded != key {
		keys = append(keys, decoded)
	}
	var events []functions.Event
	for _, k := range keys {
		if e.Key = k; e.Checked().Malformed == nil {
			events = append(events, e)
		}
	}
	if len(events) == 0 {
		e.Key = key
		return []functions.Event{e.Checked()}
	}
	return events
}
