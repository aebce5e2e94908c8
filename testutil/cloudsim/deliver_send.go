package cloudsim

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // SQS sends the MD5 of a body along
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
)

// PostEach sends every message by a POST of its own, as push subscriptions do.
// Any 2xx acknowledges it. header, which may be nil, adds what differs between
// deliveries of one message.
func PostEach(client *http.Client, url string, header func(Message) http.Header) Sender {
	return func(ctx context.Context, batch []Message) []error {
		errs := make([]error, len(batch))
		for i, m := range batch {
			h := http.Header{}
			maps.Copy(h, m.Header)
			if header != nil {
				maps.Copy(h, header(m))
			}
			_, _, errs[i] = postDocument(ctx, client, url, h, m.Body)
		}
		return errs
	}
}

// InvokeWithSQS sends batches to a function through Lambda's Invoke API, in the
// document that an SQS event source mapping with ReportBatchItemFailures sends,
// and judges the answer as it does (Lambda developer guide, "Handling errors
// for an SQS event source"): an empty answer is a complete success; a function
// error, or an answer that is not understood or names an unknown message, fails
// the whole batch.
func InvokeWithSQS(client *http.Client, url, queueARN string) Sender {
	return func(ctx context.Context, batch []Message) []error {
		errs := make([]error, len(batch))
		fail := func(err error) []error {
			for i := range errs {
				errs[i] = err
			}
			return errs
		}
		body, err := json.Marshal(sqsEvent(batch, queueARN))
		if err != nil {
			return fail(err)
		}
		header, answer, err := postDocument(ctx, client, url, http.Header{"Content-Type": {"application/json"}}, body)
		if err != nil {
			return fail(err)
		}
		if name := header.Get("X-Amz-Function-Error"); name != "" {
			return fail(fmt.Errorf("function error %s: %s", name, briefly(answer)))
		}
		failed, err := batchFailures(answer)
		if err != nil {
			return fail(err)
		}
		for i, m := range batch {
			if failed[m.ID] {
				errs[i] = fmt.Errorf("the function reported a failure of message %s", m.ID)
				delete(failed, m.ID)
			}
		}
		if len(failed) > 0 {
			return fail(fmt.Errorf("the function reported %d messages that were not in the batch", len(failed)))
		}
		return errs
	}
}

type sqsRecord struct {
	MessageID         string            `json:"messageId"`
	ReceiptHandle     string            `json:"receiptHandle"`
	Body              string            `json:"body"`
	Attributes        map[string]string `json:"attributes"`
	MessageAttributes struct{}          `json:"messageAttributes"`
	MD5OfBody         string            `json:"md5OfBody"`
	EventSource       string            `json:"eventSource"`
	EventSourceARN    string            `json:"eventSourceARN"`
	AWSRegion         string            `json:"awsRegion"`
}

func sqsEvent(batch []Message, queueARN string) any {
	records := make([]sqsRecord, len(batch))
	for i, m := range batch {
		sum := md5.Sum(m.Body) //nolint:gosec // see the import
		records[i] = sqsRecord{
			MessageID:     m.ID,
			ReceiptHandle: strconv.FormatUint(m.receipt, 36),
			Body:          string(m.Body),
			Attributes: map[string]string{
				"ApproximateReceiveCount": strconv.Itoa(m.Receives),
				"SentTimestamp":           strconv.FormatInt(m.Committed.UnixMilli(), 10),
				"SenderId":                "AIDAEXAMPLE",
			},
			MD5OfBody:      hex.EncodeToString(sum[:]),
			EventSource:    "aws:sqs",
			EventSourceARN: queueARN,
			AWSRegion:      "us-east-1",
		}
	}
	return map[string]any{"Records": records}
}

func batchFailures(answer []byte) (map[string]bool, error) {
	var r struct {
		BatchItemFailures []struct {
			ItemIdentifier *string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if len(bytes.TrimSpace(answer)) > 0 {
		if err := json.Unmarshal(answer, &r); err != nil {
			return nil, fmt.Errorf("the function's answer is not understood: %w", err)
		}
	}
	failed := map[string]bool{}
	for _, f := range r.BatchItemFailures {
		if f.ItemIdentifier == nil || *f.ItemIdentifier == "" {
			return nil, fmt.Errorf("the function's answer names a failure without its message: %s", briefly(answer))
		}
		failed[*f.ItemIdentifier] = true
	}
	return failed, nil
}

// postDocument returns the headers and body of a 2xx answer, or an error.
func postDocument(ctx context.Context, client *http.Client, url string, header http.Header, body []byte) (http.Header, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	maps.Copy(req.Header, header)
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil {
		return nil, nil, err
	}
	if resp.StatusCode/100 != 2 {
		return nil, nil, fmt.Errorf("status %d: %s", resp.StatusCode, briefly(answer))
	}
	return resp.Header, answer, nil
}

func briefly(b []byte) string {
	const most = 200
	b = bytes.TrimSpace(b)
	if len(b) > most {
		b = append(b[:most:most], "..."...)
	}
	return strconv.Quote(string(b))
}
