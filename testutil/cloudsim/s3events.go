package cloudsim

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"
)

type s3Records struct {
	Records []s3Record
}

type s3Record struct {
	EventVersion string            `json:"eventVersion"`
	EventSource  string            `json:"eventSource"`
	AWSRegion    string            `json:"awsRegion"`
	EventTime    string            `json:"eventTime"`
	EventName    string            `json:"eventName"`
	UserIdentity s3Principal       `json:"userIdentity"`
	Request      map[string]string `json:"requestParameters"`
	Response     map[string]string `json:"responseElements"`
	S3           s3Entity          `json:"s3"`
}

type s3Principal struct {
	PrincipalID string `json:"principalId"`
}

type s3Entity struct {
	SchemaVersion string        `json:"s3SchemaVersion"`
	Configuration string        `json:"configurationId"`
	Bucket        s3EventBucket `json:"bucket"`
	Object        s3EventObject `json:"object"`
}

type s3EventBucket struct {
	Name  string      `json:"name"`
	Owner s3Principal `json:"ownerIdentity"`
	ARN   string      `json:"arn"`
}

type s3EventObject struct {
	Key       string `json:"key"`
	Size      *int   `json:"size,omitempty"`
	ETag      string `json:"eTag,omitempty"`
	VersionID string `json:"versionId,omitempty"`
	Sequencer string `json:"sequencer"`
}

// S3Notification is the message that S3 sends for c to a function, queue or
// topic, and whether it sends one: changes of attributes alone are none of its
// events ("Event message structure").
func S3Notification(c Change) ([]byte, bool) {
	name := s3EventName(c)
	if name == "" {
		return nil, false
	}
	o := s3EventObject{Key: s3FormEncode(c.Object.Name), Sequencer: s3Sequencer(c.Sequence)}
	if c.Versioned {
		o.VersionID = c.Object.VersionID()
	}
	if c.Kind == Created {
		size := len(c.Object.Body)
		o.Size, o.ETag = &size, s3ETag(c.Object)
	}
	id := c.RequestID
	if id == "" {
		id = requestID(uint64(c.Sequence))
	}
	msg, err := json.Marshal(s3Records{Records: []s3Record{{
		EventVersion: "2.1",
		EventSource:  "aws:s3",
		AWSRegion:    "us-east-1",
		EventTime:    c.Time.UTC().Format("2006-01-02T15:04:05.000Z"),
		EventName:    name,
		UserIdentity: s3Principal{PrincipalID: "AWS:AIDACLOUDSIM"},
		Request:      map[string]string{"sourceIPAddress": "127.0.0.1"},
		Response:     map[string]string{"x-amz-request-id": id, "x-amz-id-2": "cloudsim/" + id},
		S3: s3Entity{
			SchemaVersion: "1.0",
			Configuration: "crossfade",
			Bucket:        s3EventBucket{Name: c.Bucket, Owner: s3Principal{PrincipalID: "A3CLOUDSIM"}, ARN: "arn:aws:s3:::" + c.Bucket},
			Object:        o,
		},
	}}})
	return msg, err == nil
}

func s3EventName(c Change) string {
	switch {
	case c.Kind == Created && c.Operation == "CopyObject":
		return "ObjectCreated:Copy"
	case c.Kind == Created && c.Operation == "CompleteMultipartUpload":
		return "ObjectCreated:CompleteMultipartUpload"
	case c.Kind == Created:
		return "ObjectCreated:Put"
	case c.Kind == Deleted && c.Object.DeleteMarker && c.Operation != s3DeleteVersion:
		return "ObjectRemoved:DeleteMarkerCreated"
	case c.Kind == Deleted:
		return "ObjectRemoved:Delete"
	}
	return ""
}

// s3Sequencer is the sequence as S3 writes it: hexadecimal of varying length,
// in order once the shorter of two is padded with zeros on the right.
func s3Sequencer(n int64) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(n))
	end := len(b)
	for end > 1 && b[end-1] == 0 {
		end--
	}
	return strings.ToUpper(hex.EncodeToString(b[:end]))
}

// S3TestEvent is what S3 sends when notifications are configured for a bucket.
func S3TestEvent(bucket string, at time.Time) []byte {
	msg, _ := json.Marshal(map[string]string{ //nolint:errchkjson // strings always marshal
		"Service": "Amazon S3", "Event": "s3:TestEvent", "Time": at.UTC().Format("2006-01-02T15:04:05.000Z"),
		"Bucket": bucket, "RequestId": requestID(1), "HostId": "cloudsim",
	})
	return msg
}
