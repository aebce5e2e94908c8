package cloudsim

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// s3MaxPolicy is the size of a bucket policy, blanks between its tokens not
// counted.
const s3MaxPolicy = 20 << 10

// S3PolicyLag is how long the old policy of a bucket still counts after a new
// one was accepted ("Amazon S3 data consistency model": configurations of
// buckets are eventually consistent). Of Requests and Time the longer decides.
type S3PolicyLag struct {
	Requests int           // further requests to the bucket, other than for its policy
	Time     time.Duration // by the core's clock
	Reads    int           // further reads of the policy that return the old one
}

// s3Policies are the bucket policies of a face.
type s3Policies struct {
	mu       sync.Mutex
	byBucket map[string]*s3Policy
}

// s3Policy is the policy of one bucket, and the one before it while it lags.
type s3Policy struct {
	text, oldText   string // "" for none
	denies, oldDeny []s3Deny
	requests, reads int
	until           time.Time
}

// set replaces the policy of a bucket.
func (s *s3Policies) set(bucket, text string, denies []s3Deny, lag S3PolicyLag, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.byBucket[bucket]
	if p == nil {
		p = &s3Policy{}
		s.byBucket[bucket] = p
	}
	if p.requests == 0 && !now.Before(p.until) {
		p.oldDeny = p.denies
	}
	if p.reads == 0 {
		p.oldText = p.text
	}
	p.text, p.denies = text, denies
	p.requests, p.reads, p.until = lag.Requests, lag.Reads, now.Add(lag.Time)
}

// read is the text that a read of the policy returns.
func (s *s3Policies) read(bucket string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.byBucket[bucket]
	switch {
	case p == nil:
		return ""
	case p.reads > 0:
		p.reads--
		return p.oldText
	}
	return p.text
}

// inForce is what counts for a request; one that is for the policy itself does
// not use up the lag.
func (s *s3Policies) inForce(bucket string, now time.Time, forPolicy bool) []s3Deny {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.byBucket[bucket]
	switch {
	case p == nil:
		return nil
	case p.requests > 0:
		if !forPolicy {
			p.requests--
		}
		return p.oldDeny
	case now.Before(p.until):
		return p.oldDeny
	}
	return p.denies
}

func (f *s3Face) routePolicy(q *s3Request) (op string, handle func(*s3Request) error) {
	switch q.Method {
	case http.MethodGet:
		return "GetBucketPolicy", f.getBucketPolicy
	case http.MethodPut:
		return "PutBucketPolicy", f.putBucketPolicy
	case http.MethodDelete:
		return "DeleteBucketPolicy", f.deleteBucketPolicy
	}
	return q.Method + " ?policy", nil
}

func (f *s3Face) getBucketPolicy(q *s3Request) error {
	text := f.policies.read(q.bucketName)
	if text == "" {
		return s3Fail(http.StatusNotFound, "NoSuchBucketPolicy", "The bucket policy does not exist").with("BucketName", q.bucketName)
	}
	h := q.w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(text)))
	q.w.WriteHeader(http.StatusOK)
	q.w.Write([]byte(text)) //nolint:errcheck // the client has gone
	return nil
}

func (f *s3Face) putBucketPolicy(q *s3Request) error {
	p, err := f.readPayload(q, "", s3MaxXML)
	if err != nil {
		return err
	}
	if !p.sent && q.Header.Get("Content-Md5") == "" {
		return s3Invalid("Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
	}
	var compact bytes.Buffer
	if json.Compact(&compact, p.data) != nil {
		return s3MalformedPolicy("This policy contains invalid Json")
	}
	if compact.Len() > s3MaxPolicy {
		return s3MalformedPolicy("Policy exceeds the maximum allowed document size.")
	}
	denies, err := s3ReadPolicy(p.data, "arn:"+s3Partition(f.opts.Region)+":s3:::"+q.bucketName)
	if err != nil {
		return err
	}
	f.policies.set(q.bucketName, string(p.data), denies, f.opts.PolicyLag, f.core.now())
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (f *s3Face) deleteBucketPolicy(q *s3Request) error {
	f.policies.set(q.bucketName, "", nil, f.opts.PolicyLag, f.core.now())
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

func s3MalformedPolicy(message string) *s3Error {
	return s3Fail(http.StatusBadRequest, "MalformedPolicy", message)
}

// s3Partition is that of a region.
func s3Partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}
