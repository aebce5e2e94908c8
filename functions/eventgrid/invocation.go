package eventgrid

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/crossfade-io/crossfade/functions"
)

// invocation is what the Functions host posts to a custom handler for a trigger
// that is not HTTP: Azure Functions documentation, "Azure Functions custom
// handlers", "Request payload". Names keep their case here, unlike in a
// CloudEvent, which has a "data" too.
type invocation struct {
	data     map[string]json.RawMessage // by the name of the binding
	metadata map[string]json.RawMessage
}

// invocationDone is the answer to one that succeeded, without outputs.
const invocationDone = `{"Outputs":{},"Logs":[],"ReturnValue":null}`

// maxQuoted is how often the host and the queue may have turned a text into a
// JSON string, or into base64, until it is what we see.
const maxQuoted = 3

// parseInvocation reports whether body is an invocation. Everything else is for
// Decode to judge.
func parseInvocation(body []byte) (*invocation, bool) {
	if !utf8.Valid(body) { // the decoder would replace it, and so name another blob
		return nil, false
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return nil, false
	}
	_, hasMetadata := fields["Metadata"]
	if fields["Data"] == nil || !hasMetadata {
		return nil, false
	}
	v := &invocation{}
	// Either may be of another form: it is an invocation then, if a bad one.
	_ = json.Unmarshal(fields["Data"], &v.data)
	_ = json.Unmarshal(fields["Metadata"], &v.metadata)
	return v, true
}

// events returns what the trigger's binding holds, at least one event.
func (v *invocation) events() []functions.Event {
	events, err := v.decode()
	if err != nil {
		events = []functions.Event{{Source: service, Malformed: err}}
	}
	for i := range events {
		if events[i].ID == "" {
			events[i].ID = v.meta("Id")
		}
		events[i].Deliveries = v.dequeueCount()
	}
	return events
}

func (v *invocation) decode() ([]functions.Event, error) {
	if len(v.data) != 1 {
		return nil, fmt.Errorf("the invocation has %d bindings in its Data: the function must have its trigger and nothing else", len(v.data))
	}
	var doc json.RawMessage
	for name, value := range v.data {
		if name == "req" { // an HTTP trigger's
			return nil, errors.New("an HTTP request as an invocation: set customHandler.enableForwardingHttpRequest in host.json")
		}
		doc = value
	}
	doc, err := unquote(doc)
	if err != nil {
		return nil, err
	}
	return Decode(doc)
}

// unquote returns the document that a binding's value is: the value itself, or
// what is in its text, in base64 or not.
func unquote(value []byte) ([]byte, error) {
	for range maxQuoted + 1 {
		value = bytes.TrimSpace(value)
		if len(value) == 0 {
			return nil, errors.New("the trigger's message is empty")
		}
		switch value[0] {
		case '{', '[':
			return value, nil
		case '"':
			var text string
			if err := json.Unmarshal(value, &text); err != nil {
				return nil, fmt.Errorf("the trigger's message is not a JSON string: %w", err)
			}
			value = []byte(text)
		default:
			plain, err := base64.StdEncoding.DecodeString(string(value))
			if err != nil {
				return nil, errors.New("the trigger's message is neither an Event Grid event nor one in base64")
			}
			value = plain
		}
	}
	return nil, fmt.Errorf("the trigger's message is quoted more than %d times", maxQuoted)
}

// meta is a text or number of the metadata; the host gives either as a text.
func (v *invocation) meta(name string) string {
	return strings.Trim(string(v.metadata[name]), "\"\\ ")
}

// dequeueCount is how often the queue has handed the message out, 0 where there
// is no queue.
func (v *invocation) dequeueCount() int {
	n, err := strconv.Atoi(v.meta("DequeueCount"))
	if err != nil {
		return 0
	}
	return n
}
