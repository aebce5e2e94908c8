package sqssim

import (
	"context"
	"crypto/md5" //nolint:gosec // SQS sends the MD5 of a body along
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// request has the fields of all operations, by the names of the API.
type request struct {
	QueueUrl            string
	MessageBody         string
	MessageAttributes   map[string]attribute
	DelaySeconds        int
	ReceiptHandle       string
	VisibilityTimeout   *int
	MaxNumberOfMessages int
	WaitTimeSeconds     int

	MessageAttributeNames []string
	Entries               []struct {
		Id            string
		ReceiptHandle string
	}
}

type attribute struct {
	DataType    string
	StringValue string
}

func (r request) strings() map[string]string {
	all := map[string]string{}
	for name, a := range r.MessageAttributes {
		all[name] = a.StringValue
	}
	return all
}

// receive waits for visible messages as long as it is asked to.
func (s *Server) receive(ctx context.Context, name string, in request) (any, error) {
	over := time.NewTimer(time.Duration(in.WaitTimeSeconds) * time.Second)
	defer over.Stop()
	for last := false; ; {
		s.mu.Lock()
		q := s.queues[name]
		if q == nil {
			s.mu.Unlock()
			return nil, &fault{http.StatusBadRequest, "QueueDoesNotExist"}
		}
		got, next := s.take(q, in)
		changed := s.changed
		s.mu.Unlock()
		if len(got) > 0 || last {
			return map[string]any{"Messages": got}, nil
		}
		wake := time.NewTimer(next)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-over.C:
			last = true
		case <-changed:
		case <-wake.C:
		}
		wake.Stop()
	}
}

// take hides up to as many messages as are asked for, and says when the next one
// becomes visible.
func (s *Server) take(q *queue, in request) (got []map[string]any, next time.Duration) {
	now, next := time.Now(), time.Hour
	hidden := q.visibility
	if in.VisibilityTimeout != nil {
		hidden = time.Duration(*in.VisibilityTimeout) * time.Second
	}
	kept := q.messages[:0:0]
	for _, m := range q.messages {
		if d := m.VisibleAt.Sub(now); d > 0 {
			next = min(next, d)
		} else if q.maxReceives > 0 && m.Receives >= q.maxReceives {
			m.receipt = ""
			s.queues[q.dead].messages = append(s.queues[q.dead].messages, m)
			defer s.broadcast() // q has lost it by then
			continue
		} else if len(got) < max(in.MaxNumberOfMessages, 1) {
			s.next++
			m.Receives, m.VisibleAt, m.receipt = m.Receives+1, now.Add(hidden), fmt.Sprintf("receipt-%d", s.next)
			got = append(got, document(m, in))
		}
		kept = append(kept, m)
	}
	q.messages = kept
	return got, next
}

func document(m *Message, in request) map[string]any {
	sum := md5.Sum([]byte(m.Body)) //nolint:gosec // see the import
	d := map[string]any{
		"MessageId": m.ID, "ReceiptHandle": m.receipt, "Body": m.Body, "MD5OfBody": hex.EncodeToString(sum[:]),
		"Attributes": map[string]string{"ApproximateReceiveCount": strconv.Itoa(m.Receives)},
	}
	if len(in.MessageAttributeNames) > 0 && len(m.Attributes) > 0 {
		all := map[string]attribute{}
		for name, value := range m.Attributes {
			all[name] = attribute{"String", value}
		}
		d["MessageAttributes"] = all
	}
	return d
}
