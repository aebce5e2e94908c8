package s3

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"github.com/crossfade-io/crossfade/functions"
)

// invocation is what S3 Batch Operations invokes a function with: Amazon S3
// user guide, "Invoke AWS Lambda function". The job's arguments of schema 2.0
// are not used: they cannot change what is replicated.
type invocation struct {
	SchemaVersion string            `json:"invocationSchemaVersion"`
	ID            string            `json:"invocationId"`
	Tasks         []json.RawMessage `json:"tasks"`
}

// task is one object of a job's manifest. The version that a manifest may name
// does not count: Sync copies the current one.
type task struct {
	ID        string          `json:"taskId"`
	Key       string          `json:"s3Key"`
	VersionID json.RawMessage `json:"s3VersionId"` // null where the manifest has none
	BucketARN string          `json:"s3BucketArn"` // of schema 1.0
	Bucket    string          `json:"s3Bucket"`    // of schema 2.0
}

// isTasks reports whether payload is from S3 Batch Operations.
func isTasks(payload []byte) bool {
	var d document
	return json.Unmarshal(payload, &d) == nil && len(d.Records) == 0 && d.DetailType == nil && d.Tasks != nil
}

// tasks answers an invocation of S3 Batch Operations, each task for itself. An
// error fails the invocation: a task that cannot be named cannot be answered.
func (h *Handler) tasks(ctx context.Context, payload []byte) (*events.S3BatchJobResponse, error) {
	var v invocation
	if err := json.Unmarshal(payload, &v); err != nil {
		return nil, fmt.Errorf("the S3 Batch Operations invocation cannot be read: %w", err)
	}
	if len(v.Tasks) == 0 {
		return nil, errors.New("the S3 Batch Operations invocation has no tasks")
	}
	ids := make([]string, len(v.Tasks))
	end := make([]int, len(v.Tasks)) // of each task's events in all
	var all []functions.Event
	for i, raw := range v.Tasks {
		var t task
		err := json.Unmarshal(raw, &t) // reads on behind a member of another type
		if t.ID == "" {
			return nil, errors.New("the S3 Batch Operations invocation has a task without taskId")
		}
		ids[i] = t.ID
		if err != nil {
			all = append(all, functions.Event{ID: t.ID, Source: service, Malformed: fmt.Errorf("not a task: %w", err)})
		} else {
			all = append(all, t.events(v.SchemaVersion)...)
		}
		end[i] = len(all)
	}
	verdicts := h.proc.Process(ctx, all)
	res := &events.S3BatchJobResponse{
		InvocationSchemaVersion: v.SchemaVersion,
		TreatMissingKeysAs:      resultTemporary, // there are none
		InvocationID:            v.ID,
	}
	for i, start := 0, 0; i < len(ids); i, start = i+1, end[i] {
		res.Results = append(res.Results, result(ids[i], all[start:end[i]], verdicts[start:end[i]]))
	}
	return res, nil
}

// The result codes of S3 Batch Operations.
const (
	resultSucceeded = "Succeeded"
	resultTemporary = "TemporaryFailure"
	resultPermanent = "PermanentFailure"
)

// result translates the verdicts on the events of one task.
func result(id string, of []functions.Event, verdicts []functions.Verdict) events.S3BatchJobResult {
	v := functions.Worst(verdicts...)
	r := events.S3BatchJobResult{TaskID: id, ResultString: v.Reason}
	switch v.Outcome {
	case functions.Ack:
		r.ResultCode, r.ResultString = resultSucceeded, verdicts[0].Reason
	case functions.Retry:
		r.ResultCode = resultTemporary
	default:
		r.ResultCode = resultPermanent
		for _, e := range of { // the job's report is where someone will look
			if err := e.Checked().Malformed; err != nil {
				r.ResultString += ": " + functions.LogText(err.Error())
				break
			}
		}
	}
	return r
}

// events returns what a task asks for.
func (t *task) events(schema string) []functions.Event {
	e := functions.Event{ID: t.ID, Source: service, Type: "BatchOperations", Bucket: t.Bucket}
	if version := strings.Trim(string(t.VersionID), `"`); version != "null" {
		e.Version = version
	}
	switch major(schema) {
	case "1":
		e.Bucket, e.Malformed = bucketOf(t.BucketARN)
	case "2":
	default:
		e.Malformed = fmt.Errorf("invocation schema version %q is not 1.0 or 2.0", schema)
	}
	if e.Malformed != nil {
		return []functions.Event{e}
	}
	// Keys stand in the manifest, and here, URL-encoded. Whether a plus is one,
	// or a space, depends on what wrote the manifest: both are looked at.
	key, err := url.PathUnescape(t.Key)
	if err != nil {
		e.Malformed = fmt.Errorf("the key is not URL-encoded: %w", err)
		return []functions.Event{e}
	}
	e.Key = key
	events := []functions.Event{e.Checked()}
	if spaced, err := url.QueryUnescape(t.Key); err == nil && spaced != key {
		e.Key = spaced
		events = append(events, e.Checked())
	}
	return events
}

// bucketOf takes the bucket's name from its ARN, arn:aws:s3:::NAME; the user
// guide has one with a region and an account too.
func bucketOf(arn string) (string, error) {
	parts := strings.SplitN(arn, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[2] != "s3" || strings.ContainsAny(parts[5], ":/") {
		return "", fmt.Errorf("s3BucketArn %q is not the ARN of a bucket", arn)
	}
	return parts[5], nil
}
