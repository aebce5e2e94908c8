package gcs

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/crossfade-io/crossfade/functions"
)

// push is the body of a push request: Pub/Sub documentation, "Push
// subscriptions". Eventarc's google.cloud.pubsub.topic.v1.messagePublished has
// the same in its data.
type push struct {
	Message *struct {
		Attributes  map[string]string `json:"attributes"`
		Data        []byte            `json:"data"` // base64
		MessageID   string            `json:"messageId"`
		PublishTime string            `json:"publishTime"` // a strange one does no harm
	} `json:"message"`
	DeliveryAttempt int `json:"deliveryAttempt"`
}

// decodePush reads the wrapped form of a message.
func decodePush(body []byte) functions.Event {
	// The decoder replaces what is not UTF-8, which would name another object.
	if !utf8.Valid(body) {
		return refused(errors.New("the push request is not UTF-8"))
	}
	var p push
	if err := json.Unmarshal(body, &p); err != nil {
		return refused(fmt.Errorf("not a push request of Pub/Sub: %w", err))
	}
	if p.Message == nil {
		return refused(errors.New("neither a CloudEvent nor a push request of Pub/Sub: it has no message; payload unwrapping has to write metadata"))
	}
	m := Message{ID: p.Message.MessageID, Attributes: p.Message.Attributes, Data: p.Message.Data, DeliveryAttempt: p.DeliveryAttempt}
	if t, err := time.Parse(time.RFC3339, p.Message.PublishTime); err == nil {
		m.PublishTime = t
	}
	return DecodeMessage(m)
}

// headerMessageID marks a push without the wrapping, whose metadata, and the
// attributes under their own names, are headers: Pub/Sub documentation,
// "Payload unwrapping".
const headerMessageID = "X-Goog-Pubsub-Message-Id"

// decodeUnwrapped reads the unwrapped form of a message. A header cannot carry
// the name of every object, so that the key is that of the data.
func decodeUnwrapped(h http.Header, body []byte) functions.Event {
	m := Message{ID: h.Get(headerMessageID), Attributes: map[string]string{}, Data: body}
	for _, name := range []string{"eventType", "payloadFormat", "bucketId", "objectId", "objectGeneration", "eventTime"} {
		if v := h.Get(name); v != "" {
			m.Attributes[name] = v
		}
	}
	if t, err := time.Parse(time.RFC3339, h.Get("X-Goog-Pubsub-Publish-Time")); err == nil {
		m.PublishTime = t
	}
	o, err := decodeObject(body)
	if err != nil {
		return functions.Event{
			ID: m.ID, Source: service, Type: m.Attributes["eventType"],
			Malformed: fmt.Errorf("a push without wrapping needs the payload format JSON_API_V1: %w", err),
		}
	}
	if !plain(o.Name) {
		m.Attributes["objectId"] = o.Name
	}
	return DecodeMessage(m)
}
