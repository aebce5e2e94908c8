package eventgrid

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/crossfade-io/crossfade/functions"
)

const (
	service        = "Microsoft.Storage"
	validationType = "Microsoft.EventGrid.SubscriptionValidationEvent"
	containers     = "/blobServices/default/containers/"
	accounts       = "/storageaccounts/" // in lower case
)

// envelope is an event in the Event Grid schema or, with the second names, in
// the CloudEvents schema: Azure documentation, "Azure Blob Storage as an Event
// Grid source".
type envelope struct {
	ID        string `json:"id"`
	Subject   string `json:"subject"`
	EventType string `json:"eventType"`
	EventTime string `json:"eventTime"`
	Topic     string `json:"topic"`

	Type   string `json:"type"`
	Time   string `json:"time"`
	Source string `json:"source"`

	Data json.RawMessage `json:"data"`
}

// blobData is the part of an event's data that is used.
type blobData struct {
	ETag      string `json:"eTag"`
	Sequencer string `json:"sequencer"`
}

// kind is the event's type in either schema.
func (v envelope) kind() string {
	if v.EventType != "" {
		return v.EventType
	}
	return v.Type
}

// account is the name of the storage account, the last part of its resource
// ID, in lower case as such names are; "" where there is none.
func (v envelope) account() string {
	id := v.Topic
	if id == "" {
		id = v.Source
	}
	// Resource IDs do not keep their case: "StorageAccounts" is seen as well.
	id = strings.ToLower(id)
	i := strings.LastIndex(id, accounts)
	if i < 0 {
		return ""
	}
	name, _, _ := strings.Cut(id[i+len(accounts):], "/")
	return name
}

// Decode reads a delivery of Event Grid: an array of events, or one CloudEvent.
// An error means that nothing of it can be read; what is wrong with one event
// comes back as Malformed.
func Decode(body []byte) ([]functions.Event, error) {
	raws, err := split(body)
	if err != nil {
		return nil, err
	}
	events := make([]functions.Event, 0, len(raws))
	for _, raw := range raws {
		var v envelope
		if err := json.Unmarshal(raw, &v); err != nil {
			events = append(events, functions.Event{Source: service, Malformed: fmt.Errorf("not an Event Grid event: %w", err)})
			continue
		}
		events = append(events, v.event())
	}
	return events, nil
}

// split returns the events of a delivery.
func split(body []byte) ([]json.RawMessage, error) {
	// The decoder replaces what is not UTF-8, which would name another blob.
	if !utf8.Valid(body) {
		return nil, errors.New("the delivery is not UTF-8")
	}
	var raws []json.RawMessage
	errArray := json.Unmarshal(body, &raws)
	if errArray == nil && len(raws) > 0 {
		return raws, nil
	}
	var one struct{}
	if errArray != nil && json.Unmarshal(body, &one) == nil {
		return []json.RawMessage{body}, nil
	}
	return nil, errors.New("the delivery is neither an array of Event Grid events nor a CloudEvent")
}

func (v envelope) event() functions.Event {
	e := functions.Event{ID: v.ID, Source: service, Type: v.kind(), Account: v.account()}
	for _, s := range []string{v.EventTime, v.Time} {
		if t, err := time.Parse(time.RFC3339, s); err == nil {
			e.Time = t
		}
	}
	switch strings.TrimPrefix(e.Type, service+".") {
	case "BlobCreated":
		// Whatever the api: an event too many costs a comparison, and with a
		// hierarchical namespace an empty file has its CreateFile only.
		e.Created = true
	case "BlobDeleted":
		e.Removed = true
	case "BlobRenamed", "DirectoryRenamed", "DirectoryDeleted":
		// One event for many keys, or for one that it does not name as deleted.
		e.Malformed = errors.New("renames and deletes of directories in a hierarchical namespace are not followed: run crossfade backfill")
		return e
	case "":
		e.Malformed = errors.New("not an Event Grid event: it has no type")
		return e
	case "BlobTierChanged", "DirectoryCreated", "AsyncOperationInitiated", "BlobInventoryPolicyCompleted", "LifecyclePolicyCompleted":
		e.Ignored = "nothing that is replicated"
		return e
	default:
		e.Ignored = "unknown event type"
		return e
	}
	var data blobData
	if json.Unmarshal(v.Data, &data) == nil { // for the log only
		e.Version, e.Sequencer = data.ETag, data.Sequencer
	}
	if e.Bucket, e.Key, e.Malformed = blob(v.Subject); e.Malformed != nil {
		return e
	}
	return e.Checked()
}

// blob takes container and name from a subject. Both stand there unescaped, as
// in data.url, so that a "#" or "%" is part of the name.
func blob(subject string) (container, name string, err error) {
	rest, ok := strings.CutPrefix(subject, containers)
	container, rest, _ = strings.Cut(rest, "/")
	name, named := strings.CutPrefix(rest, "blobs/")
	if !ok || !named {
		return "", "", fmt.Errorf("the subject %q is not %sCONTAINER/blobs/NAME", subject, containers)
	}
	// Event Grid puts replacement characters in the place of those outside the
	// basic plane, emoji say; such a name is of another blob.
	if strings.ContainsRune(name, utf8.RuneError) {
		return "", "", errors.New("the blob's name was damaged on its way: run crossfade sync or backfill for it")
	}
	return container, name, nil
}
