package cloudsim

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"
)

// notification is what a receiver reads out of an event.
type notification struct {
	Records []struct {
		EventName string
		EventTime time.Time
		S3        struct {
			Bucket struct{ Name, Arn string }
			Object struct {
				Key, ETag, VersionID, Sequencer string
				Size                            *int64
			}
		}
	}
}

func TestS3Notifications(t *testing.T) {
	t.Parallel()
	c := newS3Client(t, S3Options{})
	var got []string
	collect := func(ch Change) {
		msg, ok := S3Notification(ch)
		if !ok {
			got = append(got, "none")
			return
		}
		var n notification
		if err := json.Unmarshal(msg, &n); err != nil || len(n.Records) != 1 {
			t.Errorf("%v: %s", err, msg)
			return
		}
		r := n.Records[0]
		o := r.S3.Object
		size := "-"
		if o.Size != nil {
			size = fmt.Sprint(*o.Size)
		}
		got = append(got, fmt.Sprint(r.EventName, " ", o.Key, " ", size, " etag=", o.ETag != "", " version=", o.VersionID == ch.Object.VersionID()))
		if r.S3.Bucket.Name != ch.Bucket || !strings.HasSuffix(r.S3.Bucket.Arn, ":"+ch.Bucket) || r.EventTime.IsZero() {
			t.Errorf("%s", msg)
		}
	}
	c.core.Bucket("b").Subscribe(collect)
	c.core.Bucket("v").Subscribe(collect)
	c.want(200, "", "PUT", "/b/a%20b+c/%C3%BC", "12")
	c.want(200, "", "PUT", "/b/copy", "", "x-amz-copy-source: b/a%20b+c/%C3%BC")
	path := c.startUpload()
	c.want(200, "", "PUT", path+"&partNumber=1", "abc")
	c.want(200, "", "POST", path, completion(partXML(1, "abc")))
	c.want(204, "", "DELETE", "/b/k", "")
	c.want(204, "", "DELETE", "/b/k", "") // absent: no event
	c.want(200, "", "PUT", "/v/k", "")
	c.want(204, "", "DELETE", "/v/k", "")
	c.want(204, "", "DELETE", "/v/k?versionId="+c.core.Bucket("v").marker("k").VersionID(), "")
	if _, err := c.core.Bucket("v").Update("k", Origin{}, nil, func(*Object) {}); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"ObjectCreated:Put a+b%2Bc/%C3%BC 2 etag=true version=false",
		"ObjectCreated:Copy copy 2 etag=true version=false",
		"ObjectCreated:CompleteMultipartUpload k 3 etag=true version=false",
		"ObjectRemoved:Delete k - etag=false version=false",
		"ObjectCreated:Put k 0 etag=true version=true",
		"ObjectRemoved:DeleteMarkerCreated k - etag=false version=true",
		"ObjectRemoved:Delete k - etag=false version=true",
		"none",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("events:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if key, err := url.QueryUnescape("a+b%2Bc/%C3%BC"); err != nil || key != "a b+c/\u00fc" {
		t.Errorf("%q %v", key, err)
	}
}

// TestS3Sequencer compares as receivers must: padded on the right.
func TestS3Sequencer(t *testing.T) {
	t.Parallel()
	pad := func(s string) string { return s + strings.Repeat("0", 16-len(s)) }
	lengths := map[int]bool{}
	last := ""
	for _, n := range []int64{1, 2, 9, 255, 256, 257, 511, 512, 65535, 65536, 65537, 1 << 32, 1<<32 + 1, 1 << 56} {
		s := s3Sequencer(n)
		lengths[len(s)] = true
		if pad(s) <= last {
			t.Errorf("%d: %s is not greater than %s", n, s, last)
		}
		last = pad(s)
	}
	if len(lengths) < 3 {
		t.Error("all of one length: nobody who pads on the wrong side would notice")
	}
}
