package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/crossfade-io/crossfade/config"
)

// newBacklog returns what asks how many events wait in the queue of a migration,
// or nil where its file names none.
func newBacklog(ctx context.Context, b *config.Backlog) (func(context.Context) (int64, error), error) {
	if b == nil {
		return nil, nil
	}
	ask, field := func(ctx context.Context) (int64, error) { return commandBacklog(ctx, b.Command) }, "backlog.command"
	if b.SQS != "" {
		field = "backlog.sqs"
		client, err := newSQS(ctx, field, b.SQS)
		if err != nil {
			return nil, err
		}
		ask = func(ctx context.Context) (int64, error) { return sqsBacklog(ctx, client, b.SQS) }
	}
	return func(ctx context.Context) (int64, error) {
		timed, cancel := context.WithTimeout(ctx, b.Timeout)
		defer cancel()
		n, err := ask(timed)
		if err != nil && ctx.Err() == nil && timed.Err() != nil {
			err = fmt.Errorf("no answer within backlog.timeout (%s)", b.Timeout)
		}
		if err != nil {
			return 0, fmt.Errorf("%s: asking the queue how many events wait: %w", field, err)
		}
		return n, nil
	}, nil
}

// newSQS returns a client for the server that a queue's URL names, which stands in
// that field of the file.
func newSQS(ctx context.Context, field, queue string) (*sqs.Client, error) {
	u, err := url.Parse(queue)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("%s is no URL such as https://sqs.eu-central-1.amazonaws.com/123456789012/crossfade", field)
	}
	var opts []func(*awsconfig.LoadOptions) error
	if region := queueRegion(u.Hostname()); region != "" {
		opts = append(opts, awsconfig.WithRegion(region))
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("%s: reading the AWS configuration: %w", field, err)
	}
	return sqs.NewFromConfig(cfg, func(o *sqs.Options) {
		o.BaseEndpoint = aws.String(u.Scheme + "://" + u.Host)
		o.Region = cmp.Or(o.Region, "us-east-1") // what servers other than AWS usually take
	}), nil
}

// queueRegion is the region in the name of a server of SQS, of either form; ""
// for other servers.
func queueRegion(host string) string {
	labels := strings.Split(host, ".")
	switch {
	case !strings.Contains(host, ".amazonaws.com"):
		return ""
	case labels[0] == "sqs" || labels[0] == "sqs-fips":
		return labels[1]
	case labels[1] == "queue":
		return labels[0]
	default:
		return ""
	}
}

// sqsCounts are the messages that wait, are in work, and are not yet to be seen.
// AWS counts each within about a minute: a cutover does not rely on them alone.
var sqsCounts = []types.QueueAttributeName{
	types.QueueAttributeNameApproximateNumberOfMessages,
	types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
	types.QueueAttributeNameApproximateNumberOfMessagesDelayed,
}

func sqsBacklog(ctx context.Context, client *sqs.Client, queue string) (int64, error) {
	out, err := client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &queue, AttributeNames: sqsCounts})
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, name := range sqsCounts {
		n, err := strconv.ParseInt(out.Attributes[string(name)], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("the answer has no number for %s", name)
		}
		sum += n
	}
	return sum, nil
}

// maxBacklogOutput bounds what a command may print, in bytes.
const maxBacklogOutput = 64

// commandBacklog runs the user's command, which prints one number. What it prints
// to standard error is nobody's to repeat: it may hold a secret.
func commandBacklog(ctx context.Context, command []config.Secret) (int64, error) {
	argv := config.Argv(command)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...) //nolint:gosec // the user's own command, of the user's own file
	cmd.WaitDelay = time.Second                           // for children that keep its output open
	out := &head{most: maxBacklogOutput}
	cmd.Stdout = out
	if err := cmd.Run(); err != nil {
		if _, ended := errors.AsType[*exec.ExitError](err); ended {
			return 0, fmt.Errorf("%s ended with %w: it must print one whole number and exit 0", command[0], err)
		}
		return 0, fmt.Errorf("%s could not be run: %w", command[0], reason(err))
	}
	n, err := strconv.ParseInt(strings.TrimSpace(out.b.String()), 10, 64)
	if err != nil || n < 0 || out.more {
		return 0, fmt.Errorf("%s printed %q: it must print one whole number", command[0], out.b.String())
	}
	return n, nil
}

// reason takes the program's name, in which the environment may be filled in,
// out of an error.
func reason(err error) error {
	if e, ok := errors.AsType[*exec.Error](err); ok {
		return e.Err
	}
	return errors.Unwrap(err)
}

// head keeps the first bytes that are written to it.
type head struct {
	b    bytes.Buffer
	most int
	more bool
}

func (h *head) Write(p []byte) (int, error) {
	room := max(h.most-h.b.Len(), 0)
	h.more = h.more || len(p) > room
	h.b.Write(p[:min(room, len(p))])
	return len(p), nil
}
