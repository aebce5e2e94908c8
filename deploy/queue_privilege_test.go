package deploy_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/crossfade-io/crossfade/functions/pull/sqs"
	"github.com/crossfade-io/crossfade/functions/s3"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/memstore"
	"github.com/crossfade-io/crossfade/testutil/sqssim"
)

// ofLambda is what Lambda itself asks of the queue with the function's role: AWS
// Lambda developer guide, "Using Lambda with Amazon SQS", execution role.
var ofLambda = []need{
	{"sqs:DeleteMessage", "aws_sqs_queue.events.arn"},
	{"sqs:GetQueueAttributes", "aws_sqs_queue.events.arn"},
	{"sqs:ReceiveMessage", "aws_sqs_queue.events.arn"},
}

// queueRecorder is in front of an SQS and notes what the requests to it need.
type queueRecorder struct {
	next *sqssim.Server
	dead string // URL of the dead letters; every other queue is that of the events

	mu    sync.Mutex
	needs []need
}

func (r *queueRecorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	var in struct{ QueueUrl string }
	body, err := io.ReadAll(req.Body)
	if err == nil {
		err = json.Unmarshal(body, &in)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	_, op, _ := strings.Cut(req.Header.Get("X-Amz-Target"), ".")
	n := need{"sqs:" + op, "aws_sqs_queue.events.arn"}
	if in.QueueUrl == r.dead {
		n.resource = "aws_sqs_queue.dead.arn"
	}
	r.mu.Lock()
	r.needs = append(r.needs, n)
	r.mu.Unlock()
	req.Body = io.NopCloser(bytes.NewReader(body))
	r.next.ServeHTTP(w, req)
}

// On its queues the role permits what Lambda asks there, and what the function
// asks for a message that no retry can help and for one that is to come again; and
// nothing besides.
func TestLeastPrivilegeQueues(t *testing.T) {
	t.Parallel()
	plan := awsPlan(t, loaded(t, os.DirFS(".")), given("bucket", "photos-v", "target", "gs://copies"))
	p := newPrivilege(t, "photos-v", "copies")
	p.openers["gs"] = func(_ context.Context, u *url.URL) (store.Store, error) {
		st := memstore.New(p.core.Bucket(u.Host))
		st.SetIntercept(func(_ context.Context, op memstore.Op) error {
			if op.Name == "put" { // so that a message has to come again
				return &store.Error{Op: "put", Key: op.Key, Kind: store.Denied, Err: errors.New("no")}
			}
			return nil
		})
		return st, nil
	}
	fn := p.start(plan)
	rec := &queueRecorder{next: sqssim.New(), dead: fn.DeadLetter}
	rec.next.Create(fn.DeadLetter[strings.LastIndexByte(fn.DeadLetter, '/')+1:], 0, "")
	rec.next.Create("events", 0, "")
	server := httptest.NewServer(rec)
	t.Cleanup(server.Close)
	client := awssqs.NewFromConfig(aws.Config{
		Region: "eu-central-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "example", ""),
	})
	handler := s3.New(p.svc.Processor, sqs.NewBatches(client, sqs.Options{DeadLetter: fn.DeadLetter}))

	var bodies []string
	p.core.Bucket("photos-v").Subscribe(func(c cloudsim.Change) {
		if doc, ok := cloudsim.S3Notification(c); ok {
			bodies = append(bodies, string(doc))
		}
	})
	p.put("photos-v", "a", []byte("one"), "text/plain")
	bodies = append(bodies, "nonsense")
	for _, body := range bodies {
		rec.next.Send("events", body)
	}
	got, err := rec.next.Client().ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{QueueUrl: aws.String(sqssim.URL("events")), MaxNumberOfMessages: 10})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := sqssim.Batch("arn:aws:sqs:eu-central-1:"+sqssim.Account+":events", got.Messages)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := handler.Invoke(t.Context(), doc); err != nil || strings.Count(string(out), "itemIdentifier") != 1 {
		t.Fatalf("%s, %v", out, err)
	}

	var granted []string
	for _, s := range plan.documents()["function"] {
		for _, action := range s.actions {
			for _, resource := range s.resources {
				if strings.HasPrefix(action, "sqs:") {
					granted = append(granted, action+" on "+resource)
				}
			}
		}
	}
	var needed []string
	for _, n := range slices.Concat(ofLambda, rec.needs) {
		needed = append(needed, n.action+" on "+n.resource)
	}
	slices.Sort(granted)
	slices.Sort(needed)
	if needed = slices.Compact(needed); !slices.Equal(granted, needed) {
		t.Errorf("granted %q, needed %q", granted, needed)
	}
}
