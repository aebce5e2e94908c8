package azhost

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// Form is how a queue's message stands in the Data of an invocation. The host's
// version and extensions.queues.messageEncoding decide.
type Form int

// The forms.
const (
	Text   Form = iota // a string: the message's text
	Object             // the JSON value that the text is, where it is one
	Base64             // a string: the text in base64, not decoded
	Quoted             // a string that holds the text as a JSON string
)

// value is the message as it stands in the Data.
func (f Form) value(body []byte) any {
	switch {
	case f == Object && json.Valid(body):
		return json.RawMessage(body)
	case f == Base64:
		return base64.StdEncoding.EncodeToString(body)
	case f == Quoted:
		if quoted, err := json.Marshal(string(body)); err == nil {
			return string(quoted)
		}
	}
	return string(body)
}

// invokeQueue invokes the function for a message.
func (h *Host) invokeQueue(ctx context.Context, m cloudsim.Message) error {
	r := request{
		Data: map[string]any{queueBinding: h.opts.Form.value(m.Body)},
		Metadata: map[string]any{
			"DequeueCount":    m.Receives,
			"Id":              m.ID,
			"InsertionTime":   m.Committed.UTC().Format(time.RFC3339),
			"ExpirationTime":  m.Committed.UTC().AddDate(0, 0, 7).Format(time.RFC3339),
			"NextVisibleTime": m.Committed.UTC().Add(10 * time.Minute).Format(time.RFC3339),
			"PopReceipt":      "AgAAAAMAAAAAAAAAAgtnj8x+1QE=",
			"sys":             system(queueFunction),
		},
	}
	// The host puts the members of a JSON message among the metadata, and over
	// it (azure-functions-nodejs-library#459).
	var members map[string]json.RawMessage
	if json.Unmarshal(m.Body, &members) == nil {
		for name, value := range members {
			for own := range r.Metadata {
				if strings.EqualFold(own, name) {
					delete(r.Metadata, own)
				}
			}
			r.Metadata[name] = value
		}
	}
	_, err := h.invoke(ctx, queueFunction, r)
	return err
}
