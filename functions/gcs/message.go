package gcs

import (
	"errors"
	"fmt"
	"time"

	"github.com/crossfade-io/crossfade/functions"
)

// Message is a message of Pub/Sub, however it was received: by push, by pull,
// or out of a dead-letter subscription.
type Message struct {
	ID          string
	Attributes  map[string]string
	Data        []byte // decoded
	PublishTime time.Time

	// DeliveryAttempt counts from 1; 0 where the subscription has no dead-letter
	// policy, without which Pub/Sub does not count.
	DeliveryAttempt int
}

// DecodeMessage reads the notification of a bucket out of a message: Cloud
// Storage documentation, "Pub/Sub notifications for Cloud Storage". The
// attributes tell all that is needed, so that the payload format NONE does; an
// object resource in the data must not contradict them.
func DecodeMessage(m Message) functions.Event {
	attr := m.Attributes
	e := functions.Event{
		ID: m.ID, Source: service, Type: attr["eventType"], Version: attr["objectGeneration"],
		Time: m.PublishTime, Deliveries: m.DeliveryAttempt,
	}
	if t, err := time.Parse(time.RFC3339, attr["eventTime"]); err == nil {
		e.Time = t
	}
	switch e.Type {
	case "OBJECT_FINALIZE":
		e.Created = true
	case "OBJECT_DELETE", "OBJECT_ARCHIVE":
		// An overwrite sends one for the old generation. It says so by
		// overwrittenByGeneration, which is not needed: Sync asks the source.
		e.Removed = true
	case "OBJECT_METADATA_UPDATE":
	case "":
		e.Malformed = errors.New("not a notification of Cloud Storage: the Pub/Sub message has no attribute eventType")
		return e
	default:
		e.Ignored = "unknown event type"
		return e
	}
	e.Bucket, e.Key = attr["bucketId"], attr["objectId"]
	if e = e.Checked(); e.Malformed != nil {
		return e
	}
	switch format := attr["payloadFormat"]; format {
	case "NONE":
	case "JSON_API_V1", "":
		e.Version, e.Malformed = payload(m, e.Version)
	default:
		e.Malformed = fmt.Errorf("the payload format %q is not JSON_API_V1 or NONE", format)
	}
	return e
}

// payload checks the message's data against its attributes, and returns the
// version, which stands there whole.
func payload(m Message, generation string) (string, error) {
	if len(m.Data) == 0 {
		return generation, nil
	}
	o, err := decodeObject(m.Data)
	switch {
	case err != nil:
		return generation, err
	case o.Bucket != m.Attributes["bucketId"]:
		return generation, fmt.Errorf("the message's bucketId %q is not the bucket of its data, %q", m.Attributes["bucketId"], o.Bucket)
	case o.Name != m.Attributes["objectId"]:
		return generation, errors.New("the message's objectId is not the object of its data")
	}
	return version(o), nil
}
