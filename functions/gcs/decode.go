package gcs

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/crossfade-io/crossfade/functions"
)

const (
	service       = "storage.googleapis.com"
	sourcePrefix  = "//storage.googleapis.com/projects/_/buckets/"
	subjectPrefix = "objects/"
	typePrefix    = "google.cloud.storage.object.v1."
	typeMessage   = "google.cloud.pubsub.topic.v1.messagePublished"
)

// object is the part of the event's data that is used. It is the object
// resource of the JSON API, in which int64 are strings; the generations only go
// to the log, so that numbers do as well.
type object struct {
	Bucket         string          `json:"bucket"`
	Name           string          `json:"name"`
	Generation     json.RawMessage `json:"generation"`
	Metageneration json.RawMessage `json:"metageneration"`
}

// Decode reads a CloudEvent of Cloud Storage: Eventarc reference,
// "google.cloud.storage.object.v1". The key is data.name, as it stands there;
// the event's source and subject must not contradict it. A message that
// Eventarc took from a topic is read as DecodeMessage does.
func Decode(ce event.Event) functions.Event {
	if ce.Type() == typeMessage {
		return decodePush(ce.Data())
	}
	e := functions.Event{ID: ce.ID(), Source: service, Type: ce.Type(), Time: ce.Time()}
	kind, ok := strings.CutPrefix(ce.Type(), typePrefix)
	if !ok {
		// Such as audit logs: acknowledging them would lose changes without a
		// word.
		e.Malformed = fmt.Errorf("the event type %q is not one of Cloud Storage: the trigger must be for %sfinalized and its like", ce.Type(), typePrefix)
		return e
	}
	switch kind {
	case "finalized":
		e.Created = true
	case "deleted", "archived": // an overwrite sends one for the old generation
		e.Removed = true
	case "metadataUpdated":
	default:
		e.Ignored = "unknown event type"
		return e
	}
	o, err := decodeObject(ce.Data())
	if err != nil {
		e.Malformed = err
		return e
	}
	e.Bucket, e.Key, e.Version = o.Bucket, o.Name, version(o)
	if e = e.Checked(); e.Malformed == nil {
		e.Malformed = agree(ce, o)
	}
	return e
}

func decodeObject(data []byte) (o object, err error) {
	// The decoder replaces what is not UTF-8, which would name another object.
	if !utf8.Valid(data) {
		return o, errors.New("the event's data is not UTF-8")
	}
	if err := json.Unmarshal(data, &o); err != nil {
		return o, fmt.Errorf("the event's data is not an object resource: %w", err)
	}
	return o, nil
}

// agree checks the event's envelope against its data.
func agree(ce event.Event, o object) error {
	bucket, ok := strings.CutPrefix(ce.Source(), sourcePrefix)
	if !ok || bucket != o.Bucket {
		return fmt.Errorf("the event's source %q is not the bucket of its data, %q", ce.Source(), o.Bucket)
	}
	name, ok := strings.CutPrefix(ce.Subject(), subjectPrefix)
	if !ok || name == o.Name {
		return nil // the subject is optional
	}
	if decoded, err := url.PathUnescape(name); err == nil && decoded == o.Name {
		return nil
	}
	// A header cannot carry every name; those that it can carry must be equal.
	if plain(o.Name) {
		return fmt.Errorf("the event's subject %q is not the object of its data", ce.Subject())
	}
	return nil
}

// plain reports whether an HTTP header carries s without any encoding.
func plain(s string) bool {
	return strings.TrimSpace(s) == s && !strings.ContainsFunc(s, func(r rune) bool {
		return r > unicode.MaxASCII || !unicode.IsPrint(r)
	})
}

// version is the form that the store's driver gives it.
func version(o object) string {
	generation, meta := strings.Trim(string(o.Generation), `"`), strings.Trim(string(o.Metageneration), `"`)
	if generation == "" || meta == "" {
		return generation
	}
	return generation + "." + meta
}
