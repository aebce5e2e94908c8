package cloudsim_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/azblob"
	"github.com/crossfade-io/crossfade/store/gcs"
	"github.com/crossfade-io/crossfade/store/s3"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// faultStores open crossfade's driver of each cloud on a face with faults,
// through a client that tries a request three times.
var faultStores = map[string]func(t *testing.T, core *cloudsim.Core, f *cloudsim.Faults) store.Store{
	"s3":    openFaultS3,
	"gcs":   openFaultGCS,
	"azure": openFaultAzure,
}

// serveFaults registers the server's end before the release of what hangs.
func serveFaults(t *testing.T, face http.Handler, f *cloudsim.Faults) string {
	t.Helper()
	url, stop := cloudsim.Serve(face)
	t.Cleanup(stop)
	f.Check(t)
	return url
}

func openFaultS3(t *testing.T, core *cloudsim.Core, f *cloudsim.Faults) store.Store {
	t.Helper()
	url := serveFaults(t, cloudsim.NewS3(core, cloudsim.S3Options{Faults: f, MinPartBytes: 1}), f)
	client := awss3.New(awss3.Options{
		Region: "us-east-1", BaseEndpoint: &url, UsePathStyle: true,
		HTTPClient:                                &http.Client{Transport: &http.Transport{DisableCompression: true}},
		RequestChecksumCalculation:                aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation:                aws.ResponseChecksumValidationWhenRequired,
		DisableLogOutputChecksumValidationSkipped: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "example"}, nil
		}),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = 3, time.Millisecond }),
	})
	return s3.New(client, "bucket", "", s3.Options{SmallBytes: faultSmall, PartBytes: faultPart})
}

func openFaultGCS(t *testing.T, core *cloudsim.Core, f *cloudsim.Faults) store.Store {
	t.Helper()
	url := serveFaults(t, cloudsim.NewGCS(core, cloudsim.GCSOptions{Faults: f}), f)
	client, err := gcs.NewClient(t.Context(), gcs.ClientOptions{Endpoint: url, Anonymous: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return gcs.New(client, "bucket", "", gcs.Options{
		SmallBytes: faultSmall, ChunkSize: faultPart, ReadSize: faultPart, Attempts: 3, Backoff: time.Millisecond,
	})
}

func openFaultAzure(t *testing.T, core *cloudsim.Core, f *cloudsim.Faults) store.Store {
	t.Helper()
	url := serveFaults(t, cloudsim.NewAzure(core, cloudsim.AzureOptions{Faults: f, PageSize: 1000}), f)
	opts := azblob.ClientOptions()
	opts.Retry.MaxRetries, opts.Retry.RetryDelay, opts.Retry.MaxRetryDelay = 2, time.Millisecond, time.Millisecond
	client, err := container.NewClientFromConnectionString(cloudsim.AzureConnectionString(url, "", ""), "bucket", opts)
	if err != nil {
		t.Fatal(err)
	}
	return azblob.New(client, "", azblob.Options{SinglePut: faultSmall, BlockSize: faultPart})
}

const (
	faultSmall = 100_000
	faultPart  = 256 << 10
)

var (
	faultBefore = strings.Repeat("before ", 1000)
	faultAfter  = strings.Repeat("after! ", 1100)
	faultLarge  = strings.Repeat("large! ", 100_000)
)

// faultOp is an operation on the key "k", which holds faultBefore of version v.
type faultOp struct {
	name  string
	class string // of the request that fails
	run   func(ctx context.Context, s store.Store, v store.Version) error
	after string // what "k" holds when it was done; "" where it is gone
}

// errChanged is a read that ended well with other bytes than there are.
var errChanged = errors.New("a success with a partial or changed content")

var faultOps = []faultOp{
	{"head", cloudsim.ClassHead, func(ctx context.Context, s store.Store, _ store.Version) error {
		o, err := s.Head(ctx, "k")
		if err == nil && o.Size != int64(len(faultBefore)) {
			return errChanged
		}
		return err
	}, faultBefore},
	{"open", cloudsim.ClassRead, func(ctx context.Context, s store.Store, _ store.Version) error {
		return faultRead(ctx, s, store.ReadOptions{})
	}, faultBefore},
	{"open pinned", cloudsim.ClassRead, func(ctx context.Context, s store.Store, v store.Version) error {
		return faultRead(ctx, s, store.ReadOptions{Version: v})
	}, faultBefore},
	{"put", cloudsim.ClassWrite, func(ctx context.Context, s store.Store, _ store.Version) error {
		_, err := s.Put(ctx, "k", store.Bytes(faultAfter), store.PutOptions{})
		return err
	}, faultAfter},
	{"put if match", cloudsim.ClassWrite, func(ctx context.Context, s store.Store, v store.Version) error {
		_, err := s.Put(ctx, "k", store.Bytes(faultAfter), store.PutOptions{If: store.IfMatch(v)})
		return err
	}, faultAfter},
	{"put large", cloudsim.ClassWrite, func(ctx context.Context, s store.Store, _ store.Version) error {
		_, err := s.Put(ctx, "k", store.Bytes(faultLarge), store.PutOptions{})
		return err
	}, faultLarge},
	{"delete", cloudsim.ClassDelete, func(ctx context.Context, s store.Store, _ store.Version) error {
		return s.Delete(ctx, "k", store.Condition{})
	}, ""},
	{"delete if match", cloudsim.ClassDelete, func(ctx context.Context, s store.Store, v store.Version) error {
		return s.Delete(ctx, "k", store.IfMatch(v))
	}, ""},
	{"list", cloudsim.ClassList, func(ctx context.Context, s store.Store, _ store.Version) error {
		n := 0
		for _, err := range s.List(ctx, store.ListOptions{}) {
			if err != nil {
				return err
			}
			n++
		}
		if n != 2 {
			return errChanged
		}
		return nil
	}, faultBefore},
}

func faultRead(ctx context.Context, s store.Store, opts store.ReadOptions) error {
	r, err := s.Open(ctx, "k", opts)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	sums := store.NewHasher(r.Checksums) // as Sync does: not every driver reads on them
	sums.Write(b)
	switch err := sums.Verify(int64(len(b))); {
	case err != nil:
		return &store.Error{Kind: store.Corrupt, Err: err}
	case string(b) != faultBefore || r.Size != int64(len(b)):
		return errChanged
	}
	return nil
}

// faultKinds say what a driver may make of a fault that does not pass. Unknown
// is what a client's own time-out is.
var faultKinds = map[cloudsim.FaultKind][]store.Kind{
	cloudsim.Throttle:     {store.Throttled},
	cloudsim.ServerError:  {store.Unavailable},
	cloudsim.ResetBefore:  {store.Unavailable},
	cloudsim.ResetAfter:   {store.Unavailable},
	cloudsim.HangBefore:   {store.Unknown, store.Unavailable},
	cloudsim.HangAfter:    {store.Unknown, store.Unavailable},
	cloudsim.StallBody:    {store.Unknown, store.Unavailable},
	cloudsim.CutBody:      {store.Unavailable, store.Corrupt, store.Unknown},
	cloudsim.CorruptRead:  {store.Corrupt},
	cloudsim.WrongLength:  {store.Corrupt},
	cloudsim.CorruptWrite: {store.Corrupt},
	cloudsim.Expired:      {store.Denied},
	cloudsim.Denied:       {store.Denied},
	cloudsim.Archived:     {store.Archived},
}

// expected is what may come of op when each of its requests meets kind.
func (op faultOp) expected(cloud string, kind cloudsim.FaultKind) []store.Kind {
	want := faultKinds[kind]
	lostReply := kind == cloudsim.ResetAfter || kind == cloudsim.HangAfter
	switch {
	case cloud == "s3" && op.class == cloudsim.ClassHead && kind == cloudsim.Throttle:
		return []store.Kind{store.Unavailable} // an answer to HEAD has no body, so no code
	case cloud == "s3" && op.class == cloudsim.ClassHead && kind == cloudsim.Expired:
		return []store.Kind{store.Unknown} // a bare 400
	case lostReply && op.class == cloudsim.ClassDelete:
		return append([]store.Kind{store.NotFound, store.Precondition}, want...) // its own work, at a second try
	case lostReply && op.name == "put if match":
		return append([]store.Kind{store.Precondition}, want...)
	}
	return want
}

// TestFaultsAndDrivers: whatever befalls the requests of an operation, the
// driver succeeds, or says what Kind of failure it was; it never takes a failure
// for an absence, and never hands out or leaves behind a part or a change of an
// object.
func TestFaultsAndDrivers(t *testing.T) {
	t.Parallel()
	kinds := append(cloudsim.PassingFaults(), cloudsim.Archived)
	for cloud := range faultStores {
		for _, kind := range kinds {
			for _, op := range faultOps {
				if !kind.Concerns(op.class) || cloud == "gcs" && kind == cloudsim.Archived {
					continue
				}
				t.Run(strings.Join([]string{cloud, string(kind), op.name, "once"}, "/"), func(t *testing.T) {
					t.Parallel()
					op.test(t, cloud, kind, 1)
				})
				if kind == cloudsim.SlowBody {
					continue // no failure
				}
				t.Run(strings.Join([]string{cloud, string(kind), op.name, "always"}, "/"), func(t *testing.T) {
					t.Parallel()
					op.test(t, cloud, kind, cloudsim.Always)
				})
			}
		}
	}
}

func (op faultOp) test(t *testing.T, cloud string, kind cloudsim.FaultKind, times int) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // what goes on trying has to be found
	defer cancel()
	rule := cloudsim.FaultRule{Kind: kind, Op: op.class, Times: times, RetryAfter: -1}
	switch kind {
	case cloudsim.HangBefore, cloudsim.HangAfter, cloudsim.StallBody:
		if times == 1 {
			rule.Delay = 20 * time.Millisecond
			break
		}
		rule.Happened = cancel // the client gives up
	}
	core := cloudsim.NewCore(nil)
	bucket := core.CreateBucket("bucket", false)
	clean := faultStores[cloud](t, core, cloudsim.NewFaults(nil))
	if _, err := clean.Put(t.Context(), "l", store.Bytes(faultBefore), store.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	old, err := clean.Put(t.Context(), "k", store.Bytes(faultBefore), store.PutOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := faultStores[cloud](t, core, cloudsim.NewFaults(nil, rule))

	err = op.run(ctx, s, old.Version)
	want := op.expected(cloud, kind)
	switch got := store.KindOf(err); {
	case errors.Is(err, errChanged):
		t.Error(err)
	case err == nil && times == cloudsim.Always:
		t.Error("it succeeded")
	case err != nil && !slices.Contains(want, got):
		t.Errorf("Kind %s, want one of %s: %v", got, want, err)
	}
	got := ""
	if o := bucket.Get("k"); o != nil {
		got = string(o.Body)
	}
	done := kind == cloudsim.ResetAfter || kind == cloudsim.HangAfter // though an error tells nothing of it
	if got != op.after && (err == nil || got != faultBefore) || err != nil && !done && got != faultBefore {
		t.Errorf("after %v the object holds %d bytes: %.10q", err, len(got), got)
	}
}
