package sqs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/pull"
	"github.com/crossfade-io/crossfade/functions/pull/sqs"
	"github.com/crossfade-io/crossfade/functions/s3"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/sqssim"
)

const queueARN = "arn:aws:sqs:eu-central-1:" + sqssim.Account + ":q"

// syncs fails every key of that name.
type syncs func(key string) error

func (f syncs) Sync(_ context.Context, key string, _ replicate.Hint) (replicate.Result, error) {
	return replicate.Result{Action: replicate.Copy}, f(key)
}

// lambda is a function behind an event source mapping of the queue q.
type lambda struct {
	*sqssim.Server
	t       *testing.T
	arn     string
	handler *s3.Handler
	log     bytes.Buffer
}

func newLambda(t *testing.T, opts sqs.Options, f syncs) *lambda {
	t.Helper()
	l := &lambda{Server: sqssim.New(), t: t, arn: queueARN}
	l.Create("dead", 0, "")
	l.Create("q", 4, "dead")
	proc, err := functions.New(f, functions.Options{Bucket: "shop", Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	opts.Random, opts.Log = func() float64 { return 0 }, slog.New(slog.NewTextHandler(&l.log, nil))
	l.handler = s3.New(proc, sqs.NewBatches(l.Client(), opts))
	return l
}

// once takes a batch when there is one, invokes the function with it, and deletes
// what it does not report as failed: those are how many remain.
func (l *lambda) once(ctx context.Context) (failed int) {
	l.t.Helper()
	out, err := l.Client().ReceiveMessage(ctx, &awssqs.ReceiveMessageInput{
		QueueUrl: aws.String(sqssim.URL("q")), MaxNumberOfMessages: 10, WaitTimeSeconds: 20, VisibilityTimeout: 900,
		MessageAttributeNames: []string{"All"},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	if len(out.Messages) == 0 {
		return 0
	}
	doc, err := sqssim.Batch(l.arn, out.Messages)
	if err != nil {
		l.t.Fatal(err)
	}
	answer, err := l.handler.Invoke(ctx, doc)
	if err != nil {
		l.t.Fatal(err)
	}
	var res events.SQSEventResponse
	if err := json.Unmarshal(answer, &res); err != nil {
		l.t.Fatal(err)
	}
	for _, m := range out.Messages {
		if slices.Contains(res.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: *m.MessageId}) {
			failed++
		} else if _, err := l.Client().DeleteMessageBatch(ctx, &awssqs.DeleteMessageBatchInput{
			QueueUrl: aws.String(sqssim.URL("q")), Entries: []types.DeleteMessageBatchRequestEntry{{Id: aws.String("0"), ReceiptHandle: m.ReceiptHandle}},
		}); err != nil {
			l.t.Fatal(err)
		}
	}
	return failed
}

func refused(kind store.Kind) error {
	return &store.Error{Op: "put", Key: "k", Kind: kind, Err: errors.New("no")}
}

// What is to be tried again is visible when the verdict says so, and later each
// time, not when the queue's own time-out is over.
func TestLambdaRetries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began, at := time.Now(), []time.Duration{}
		l := newLambda(t, sqs.Options{DeadLetter: sqssim.URL("dead")}, func(string) error {
			if at = append(at, time.Since(began)); len(at) < 4 {
				return refused(store.Unknown)
			}
			return nil
		})
		l.Send("q", notification("a"))
		for len(l.Messages("q")) > 0 {
			l.once(t.Context())
		}
		if want := []time.Duration{0, time.Second, 3 * time.Second, 7 * time.Second}; !slices.Equal(at, want) {
			t.Errorf("tried at %v, want %v", at, want)
		}
		if d := l.Messages("dead"); len(d) != 0 {
			t.Errorf("dead letters %+v", d)
		}
	})
}

// What no retry can help is a dead letter at once, with its reason and what it
// came with; where no queue is named for it, the redrive policy moves it.
func TestLambdaDeadLetters(t *testing.T) {
	t.Parallel()
	for _, named := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			var opts sqs.Options
			if named {
				opts.DeadLetter = sqssim.URL("dead")
			}
			l := newLambda(t, opts, func(key string) error {
				if key == "large" {
					return refused(store.TooLarge)
				}
				return nil
			})
			if _, err := l.Client().SendMessage(t.Context(), &awssqs.SendMessageInput{
				QueueUrl: aws.String(sqssim.URL("q")), MessageBody: aws.String(notification("large")),
				MessageAttributes: map[string]types.MessageAttributeValue{"trace": {DataType: aws.String("String"), StringValue: aws.String("t-1")}},
			}); err != nil {
				t.Fatal(err)
			}
			l.Send("q", "nonsense")
			l.Send("q", notification("fine"))
			began := time.Now()
			for len(l.Messages("q")) > 0 {
				l.once(t.Context())
			}
			dead := l.Messages("dead")
			if len(dead) != 2 {
				t.Fatalf("dead letters %+v", dead)
			}
			slices.SortFunc(dead, func(a, b sqssim.Message) int { return strings.Compare(b.Body, a.Body) })
			for i, want := range []struct{ body, reason, trace string }{{notification("large"), "too large", "t-1"}, {"nonsense", "malformed: not an S3", ""}} {
				d := dead[i]
				if d.Body != want.body || d.Attributes["trace"] != want.trace {
					t.Errorf("%+v", d)
				}
				if named && (!strings.HasPrefix(d.Attributes[pull.AttributeReason], want.reason) ||
					d.Attributes[pull.AttributeFrom] != "https://sqs.eu-central-1.amazonaws.com/"+sqssim.Account+"/q") {
					t.Errorf("%+v", d)
				}
			}
			if took := time.Since(began); named && took != 0 || !named && took != 15*time.Minute {
				t.Errorf("named %t: it took %s", named, took)
			}
		})
	}
}

// Where the queue cannot be told, the answer is what it would be without: a
// failure, and a line in the log.
func TestLambdaIsRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		arn  string
		fail func(op string) *sqssim.Fault
		want string
	}{
		"no right": {queueARN, func(string) *sqssim.Fault { return &sqssim.Fault{Status: http.StatusForbidden, Code: "AccessDenied"} }, "AccessDenied"},
		"no dead letters": {queueARN, func(op string) *sqssim.Fault {
			return map[string]*sqssim.Fault{"SendMessage": {Status: http.StatusForbidden, Code: "AccessDenied"}}[op]
		}, "could not be sent to the dead-letter queue"},
		"another kind":       {"arn:aws:kinesis:eu-central-1:000000000000:stream/q", nil, "not the ARN of a queue"},
		"its own queue":      {queueARN, nil, "the queue of the dead letters is that of the events"},
		"no ARN":             {"", nil, "queue of a message is not known"},
		"a path in its name": {"arn:aws:sqs:eu-central-1:000000000000:a/b", nil, "not the ARN of a queue"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				dead := sqssim.URL("dead")
				if name == "its own queue" {
					dead = sqssim.URL("q")
				}
				l := newLambda(t, sqs.Options{DeadLetter: dead}, func(string) error { return refused(store.Unavailable) })
				l.arn = c.arn
				l.Send("q", "nonsense")
				l.Send("q", notification("later"))
				l.failing(c.fail)
				if failed := l.once(t.Context()); failed != 2 || len(l.Messages("q")) != 2 || len(l.Messages("dead")) != 0 {
					t.Errorf("%d failed, in the queue %+v, dead %+v", failed, l.Messages("q"), l.Messages("dead"))
				}
				if !strings.Contains(l.log.String(), c.want) {
					t.Errorf("log %q, want %q", l.log.String(), c.want)
				}
			})
		})
	}
}

// What was cut off at the end of the invocation's time is left to the visibility,
// for a request of it may still be on its way; until it has been so too often.
func TestLambdaRunsOutOfTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := newLambda(t, sqs.Options{DeadLetter: sqssim.URL("dead")}, func(string) error { return context.DeadlineExceeded })
		l.Create("q", 0, "")
		l.Send("q", notification("large"))
		began, times := time.Now(), 0
		for ; len(l.Messages("q")) > 0; times++ {
			l.once(t.Context())
			if times < 19 {
				time.Sleep(15 * time.Minute)
			}
		}
		d := l.Messages("dead")
		if times != 20 || time.Since(began) < 4*time.Hour || l.Calls("ChangeMessageVisibility") > 0 || len(d) != 1 || !strings.HasPrefix(d[0].Attributes[pull.AttributeReason], "ran out of time 20 times") {
			t.Errorf("%d times in %s, dead letters %+v", times, time.Since(began), d)
		}
	})
}

// failing lets what answers for a message fail, and not the mapping itself.
func (l *lambda) failing(f func(op string) *sqssim.Fault) {
	if f == nil {
		return
	}
	l.Fail(func(op string) *sqssim.Fault {
		if op == "ReceiveMessage" {
			return nil
		}
		return f(op)
	})
}

// A queue that does not answer costs no more than half of what is left of the
// invocation: the answer counts.
func TestLambdaIsInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stuck := answererFunc(func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})
		proc, err := functions.New(syncs(func(string) error { return refused(store.Unavailable) }), functions.Options{Bucket: "shop", Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		h := s3.New(proc, sqs.NewBatches(stuck, sqs.Options{}))
		doc, err := json.Marshal(events.SQSEvent{Records: []events.SQSMessage{{MessageId: "m", ReceiptHandle: "r", Body: notification("a"), EventSource: "aws:sqs", EventSourceARN: queueARN}}})
		if err != nil {
			t.Fatal(err)
		}
		for limit, want := range map[time.Duration]time.Duration{time.Minute: 2 * time.Second, time.Second: time.Second / 2} {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			began := time.Now()
			out, err := h.Invoke(ctx, doc)
			cancel()
			if took := time.Since(began); err != nil || !strings.Contains(string(out), `"m"`) || took != want {
				t.Errorf("of %s: %s, %v after %s, want %s", limit, out, err, took, want)
			}
		}
	})
}

// answererFunc answers every request so.
type answererFunc func(ctx context.Context) error

func (f answererFunc) ChangeMessageVisibility(ctx context.Context, _ *awssqs.ChangeMessageVisibilityInput, _ ...func(*awssqs.Options)) (*awssqs.ChangeMessageVisibilityOutput, error) {
	return nil, f(ctx)
}

func (f answererFunc) SendMessage(ctx context.Context, _ *awssqs.SendMessageInput, _ ...func(*awssqs.Options)) (*awssqs.SendMessageOutput, error) {
	return nil, f(ctx)
}
