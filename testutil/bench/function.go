package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"time"

	"cloud.google.com/go/storage"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"google.golang.org/api/option"

	"github.com/crossfade-io/crossfade/functions"
	fs3 "github.com/crossfade-io/crossfade/functions/s3"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/gcs"
	cs3 "github.com/crossfade-io/crossfade/store/s3"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/loopback"
	"github.com/crossfade-io/crossfade/testutil/servers"
)

// sourceObjects are copied round and round: to the target, each is new once.
const sourceObjects = 50_000

// functionRates compares one S3 function, one event at a time and in batches
// from a queue, with a loop that GETs and PUTs by the plain SDKs, both from
// cloudsim's S3 face to its S3 and GCS faces with new objects of 4 KiB.
func functionRates(ctx context.Context, d time.Duration) ([]rate, error) {
	var all []rate
	for _, target := range []string{"S3", "GCS"} {
		b, err := newFunctionBench(ctx)
		if err != nil {
			return nil, err
		}
		rates, err := b.rates(ctx, d, target)
		if err := errors.Join(err, b.close()); err != nil {
			return nil, fmt.Errorf("to %s: %w", target, err)
		}
		all = append(all, rates...)
	}
	return all, nil
}

// functionBench is a source and a target of each kind.
type functionBench struct {
	s3URL, gcsURL string
	s3            *s3.Client
	gcs           *storage.Client
	stops         []func() error
}

func newFunctionBench(ctx context.Context) (*functionBench, error) {
	core := cloudsim.NewCore(nil)
	source := core.CreateBucket("source", false)
	body := bytes.Repeat([]byte("4 KiB..."), 512)
	for i := range sourceObjects {
		o := cloudsim.NewObject(key(i), body)
		o.ContentType, o.ETag = "application/octet-stream", hex.EncodeToString(o.MD5)
		if _, err := source.Put(o, cloudsim.Origin{}, nil, nil); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{"function", "loop", "batch"} {
		core.CreateBucket(name, false)
	}
	b := &functionBench{}
	serve := func(h http.Handler) string {
		base, stop := cloudsim.Serve(h)
		b.stops = append(b.stops, func() error { stop(); return nil })
		return base
	}
	b.s3URL = serve(cloudsim.NewS3(core, cloudsim.S3Options{}))
	b.gcsURL = serve(cloudsim.NewGCS(core, cloudsim.GCSOptions{}))
	b.s3 = s3Client(b.s3URL, loopback.Client())
	for k, v := range map[string]string{
		"AWS_ACCESS_KEY_ID": servers.S3AccessKey, "AWS_SECRET_ACCESS_KEY": servers.S3SecretKey,
		"AWS_REGION": servers.S3Region, "AWS_ENDPOINT_URL_S3": b.s3URL, "STORAGE_EMULATOR_HOST": b.gcsURL,
	} {
		if err := os.Setenv(k, v); err != nil {
			return nil, err
		}
	}
	var err error
	if b.gcs, err = storage.NewClient(ctx, option.WithoutAuthentication(), option.WithEndpoint(b.gcsURL+"/storage/v1/")); err != nil {
		return nil, err
	}
	b.stops = append(b.stops, b.gcs.Close)
	return b, nil
}

func (b *functionBench) close() error {
	var errs []error
	for i := len(b.stops) - 1; i >= 0; i-- {
		errs = append(errs, b.stops[i]())
	}
	return errors.Join(errs...)
}

func (b *functionBench) rates(ctx context.Context, d time.Duration, target string) ([]rate, error) {
	put := map[string]func(context.Context, string, string, []byte) error{"S3": b.putS3, "GCS": b.putGCS}[target]
	plain := func(ctx context.Context, i int) (int, error) {
		r, err := b.s3.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("source"), Key: aws.String(key(i % sourceObjects))})
		if err != nil {
			return 0, err
		}
		body, err := io.ReadAll(r.Body)
		if err := errors.Join(err, r.Body.Close()); err != nil {
			return 0, err
		}
		return 1, put(ctx, "loop", key(i), body)
	}
	var all []rate
	add := func(name string, workers int, op func(context.Context, int) (int, error)) error {
		r, err := loop(ctx, name+", S3 to "+target, d, workers, op)
		all = append(all, r)
		return err
	}
	if err := add("plain loop of GET and PUT", 1, plain); err != nil {
		return nil, err
	}
	single, err := b.handler(ctx, target, "function")
	if err != nil {
		return nil, err
	}
	if err := add("function, one event an invocation", 1, func(ctx context.Context, i int) (int, error) {
		if i >= sourceObjects {
			return 0, errors.New("all source objects are used up: measure for less time")
		}
		_, err := single.Invoke(ctx, notification(i))
		return 1, err
	}); err != nil {
		return nil, err
	}
	if err := add("plain loop of GET and PUT, 10 at once", 10, plain); err != nil {
		return nil, err
	}
	batches, err := b.handler(ctx, target, "batch")
	if err != nil {
		return nil, err
	}
	return all, add("function, batches of 10 from SQS", 1, func(ctx context.Context, i int) (int, error) {
		if (i+1)*10 > sourceObjects {
			return 0, errors.New("all source objects are used up: measure for less time")
		}
		answer, err := batches.Invoke(ctx, sqsBatch(i*10, 10))
		if err == nil && !bytes.Contains(answer, []byte(`"batchItemFailures":[]`)) {
			err = fmt.Errorf("not all done: %s", answer)
		}
		return 10, err
	})
}

func (b *functionBench) putS3(ctx context.Context, bucket, key string, body []byte) error {
	_, err := b.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(body)})
	return err
}

func (b *functionBench) putGCS(ctx context.Context, bucket, key string, body []byte) error {
	w := b.gcs.Bucket(bucket).Object(key).NewWriter(ctx)
	w.ChunkSize = 0
	if _, err := w.Write(body); err != nil {
		return err
	}
	return w.Close()
}

// handler returns the function as its binary wires it, for one target bucket.
func (b *functionBench) handler(ctx context.Context, target, bucket string) (*fs3.Handler, error) {
	open := func(raw string, o func(context.Context, *url.URL) (store.Store, error)) (store.Store, error) {
		u, err := url.Parse(raw)
		if err != nil {
			return nil, err
		}
		s, err := o(ctx, u)
		if err == nil {
			b.stops = append(b.stops, s.Close)
		}
		return s, err
	}
	src, err := open("s3://source", cs3.Open)
	if err != nil {
		return nil, err
	}
	to := "s3://" + bucket
	opener := cs3.Open
	if target == "GCS" {
		to, opener = "gs://"+bucket, gcs.Open
	}
	dst, err := open(to, opener)
	if err != nil {
		return nil, err
	}
	rep, err := replicate.New(src, dst, replicate.Options{SourceID: "s3://source", TargetID: to, Policy: replicate.Policy{Deletes: true}})
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.NewJSONHandler(io.Discard, nil)) // the line an event is part of the cost
	proc, err := functions.New(rep, functions.Options{Bucket: "source", Now: time.Now, Log: log})
	if err != nil {
		return nil, err
	}
	return fs3.New(proc, nil), nil
}

// notification is the document that S3 sends for a new object.
func notification(i int) []byte {
	return fmt.Appendf(nil, `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-east-1",`+
		`"eventTime":"2026-01-02T03:04:05.000Z","eventName":"ObjectCreated:Put","s3":{"s3SchemaVersion":"1.0",`+
		`"bucket":{"name":"source","arn":"arn:aws:s3:::source"},`+
		`"object":{"key":%q,"size":4096,"eTag":"0","sequencer":"%016X"}}}]}`, url.QueryEscape(key(i)), i+1)
}

// sqsBatch is what Lambda hands on for n messages of a queue.
func sqsBatch(first, n int) []byte {
	type message struct {
		ID     string `json:"messageId"`
		Body   string `json:"body"`
		Source string `json:"eventSource"`
	}
	var batch struct{ Records []message }
	for i := first; i < first+n; i++ {
		batch.Records = append(batch.Records, message{ID: fmt.Sprint(i), Body: string(notification(i)), Source: "aws:sqs"})
	}
	doc, err := json.Marshal(batch)
	if err != nil {
		panic(err) // strings always marshal
	}
	return doc
}
