package s3

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/crossfade-io/crossfade/functions"
)

// service is the source of events that name none.
const service = "aws:s3"

// maxWrapped is how many envelopes may be around a notification: an on-failure
// destination holds an SNS delivery, which holds what S3 sent.
const maxWrapped = 3

// document is the outer form of what arrives, and the marks by which the forms
// are told apart.
type document struct {
	Records []json.RawMessage `json:"Records"` // of S3, or of SNS to Lambda

	Event string `json:"Event"` // of the test event, which has no Records

	DetailType     json.RawMessage `json:"detail-type"`    // of an EventBridge event
	Tasks          json.RawMessage `json:"tasks"`          // of S3 Batch Operations
	RequestPayload json.RawMessage `json:"requestPayload"` // of an on-failure destination of Lambda
	TopicARN       json.RawMessage `json:"TopicArn"`       // of an SNS envelope
}

// envelope is what SNS puts around a message: Amazon SNS developer guide,
// "Parsing Amazon SNS message formats".
type envelope struct {
	Type    string `json:"Type"`
	Message string `json:"Message"`
}

var (
	errNoRecords = errors.New("not an S3 notification: it has no Records")
	errTasks     = errors.New("tasks of S3 Batch Operations are answered in the invocation, not in a queue")
	errDeep      = fmt.Errorf("more than %d envelopes around each other", maxWrapped)
)

// Decode reads one document of those that the package accepts, S3 Batch
// Operations and whole SQS batches excepted: as Lambda is invoked with it, or
// as the body of a message in a queue. It always returns at least one event:
// what it cannot understand comes back as Malformed, the rest of the document
// is not affected.
func Decode(doc []byte) []functions.Event {
	// The decoder replaces what is not UTF-8, which would name another object.
	if !utf8.Valid(doc) {
		return refused(errors.New("not an S3 notification: not UTF-8"))
	}
	return decode(doc, maxWrapped)
}

// decode reads a document that may have so many envelopes within it.
func decode(doc []byte, wrapped int) []functions.Event {
	var d document
	if err := json.Unmarshal(doc, &d); err != nil {
		return refused(fmt.Errorf("not an S3 notification: %w", err))
	}
	if len(d.Records) == 0 {
		return d.withoutRecords(doc, wrapped)
	}
	events := make([]functions.Event, 0, len(d.Records))
	for _, raw := range d.Records {
		events = append(events, decodeRecord(raw, wrapped)...)
	}
	return events
}

// withoutRecords reads the forms that S3's notification is not.
func (d *document) withoutRecords(doc []byte, wrapped int) []functions.Event {
	switch {
	case d.Event == "s3:TestEvent":
		return []functions.Event{{Source: service, Type: d.Event, Ignored: "test event"}}
	case d.DetailType != nil:
		return decodeEventBridge(doc)
	case d.Tasks != nil:
		return refused(errTasks)
	case d.RequestPayload != nil:
		// Lambda developer guide, "Capturing records of asynchronous
		// invocations": what the function was invoked with.
		return unwrap(d.RequestPayload, wrapped)
	case d.TopicARN != nil:
		return decodeEnvelope(doc, wrapped)
	default:
		return refused(errNoRecords)
	}
}

// decodeEnvelope reads what SNS puts into a queue, without raw message
// delivery, and into a record for Lambda.
func decodeEnvelope(raw []byte, wrapped int) []functions.Event {
	var v envelope
	if err := json.Unmarshal(raw, &v); err != nil {
		return refused(fmt.Errorf("not an SNS message: %w", err))
	}
	if v.Type != "Notification" {
		return refused(fmt.Errorf("an SNS message of type %q: only a Notification holds an event; a subscription waits until someone confirms it", v.Type))
	}
	return unwrap([]byte(v.Message), wrapped)
}

func unwrap(doc []byte, wrapped int) []functions.Event {
	if wrapped == 0 {
		return refused(errDeep)
	}
	return decode(doc, wrapped-1)
}

func refused(err error) []functions.Event {
	return []functions.Event{{Source: service, Malformed: err}}
}

// major is the part of a version that is compared for equality.
func major(version string) string {
	m, _, _ := strings.Cut(version, ".")
	return m
}
