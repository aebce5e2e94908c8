package s3_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/paced"
	"github.com/crossfade-io/crossfade/store/retry"
	"github.com/crossfade-io/crossfade/store/s3"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/loopback"
)

const (
	appKey    = "AKIDAPPLICATION"
	moverRole = "arn:aws:iam::123456789012:role/move/crossfade"
	appRole   = "arn:aws:iam::123456789012:role/app"
	existing  = `{"Version":"2008-10-17", "Statement":[ {"Sid":"Read","Effect":"Allow","Principal":{"AWS":["` + appRole + `"]},"Action":["s3:GetObject"],"Resource":["arn:aws:s3:::b/*"]} ]}`
)

// policyServer has bucket b, an application and a migration.
func policyServer(t testing.TB, opts cloudsim.S3Options) *server {
	t.Helper()
	opts.Credentials = map[string]string{accessKey: secretKey, appKey: secretKey}
	opts.Principals = map[string]string{accessKey: moverRole, appKey: appRole}
	opts.MinPartBytes = suitePart
	s := serve(t, opts)
	s.core.CreateBucket("b", true)
	return s
}

// as is the store of the keys below prefix for an access key. It waits for
// nothing, and counts how often it should have.
func (s *server) as(key, prefix string, waits *atomic.Int64, fns ...func(*awss3.Options)) *s3.Store {
	fns = append(fns, func(o *awss3.Options) {
		o.Retryer = aws.NopRetryer{}
		o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: key, SecretAccessKey: secretKey}, nil
		})
	})
	return s3.New(s.client(fns...), "b", prefix, s3.Options{SmallBytes: suiteSmall, PartBytes: suitePart, Sleep: func(ctx context.Context, _ time.Duration) error {
		if waits != nil {
			waits.Add(1)
		}
		return ctx.Err()
	}})
}

// setPolicy puts a policy into b, or deletes it.
func (s *server) setPolicy(t testing.TB, text string) {
	t.Helper()
	var err error
	if text == "" {
		_, err = s.client().DeleteBucketPolicy(t.Context(), &awss3.DeleteBucketPolicyInput{Bucket: aws.String("b")})
	} else {
		_, err = s.client().PutBucketPolicy(t.Context(), &awss3.PutBucketPolicyInput{Bucket: aws.String("b"), Policy: &text})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// getPolicy is b's, or "".
func (s *server) getPolicy(t testing.TB) string {
	t.Helper()
	out, err := s.client().GetBucketPolicy(t.Context(), &awss3.GetBucketPolicyInput{Bucket: aws.String("b")})
	if err != nil {
		if !strings.Contains(err.Error(), "NoSuchBucketPolicy") {
			t.Fatal(err)
		}
		return ""
	}
	return *out.Policy
}

// TestDenyWrites freezes a bucket for its application, and not for the
// migration, through the decorators; whatever its policy was it is again.
func TestDenyWrites(t *testing.T) {
	t.Parallel()
	single := strings.NewReplacer("[ {", "{", "} ]", "}").Replace(existing)
	for name, tc := range map[string]struct{ policy, prefix string }{
		"none":         {"", ""},
		"list":         {existing, "p/"},
		"one":          {single, "p/"},
		"wild prefix":  {strings.Replace(existing, "2008", "2012", 1), "a*${b}?/"},
		"empty prefix": {existing, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if strings.Contains(tc.policy, "2012-10-17") != (name == "wild prefix") {
				t.Fatal("wrong version")
			}
			srv := policyServer(t, cloudsim.S3Options{PolicyLag: cloudsim.S3PolicyLag{Requests: 2}})
			if tc.policy != "" {
				srv.setPolicy(t, tc.policy)
			}
			own, app := srv.as(accessKey, tc.prefix, nil), srv.as(appKey, tc.prefix, nil)
			denier, ok := store.As[store.WriteDenier](paced.New("source", own, paced.Options{Now: time.Now}))
			if !ok {
				t.Fatal("no WriteDenier")
			}
			ctx := t.Context()
			put := func(s store.Store, key string) error {
				_, err := s.Put(ctx, key, store.Bytes("x"), store.PutOptions{})
				return err
			}
			for _, key := range []string{"k", "k2"} {
				if err := put(app, key); err != nil {
					t.Fatal(err)
				}
			}
			if err := denier.DenyWrites(ctx, "shop", []string{moverRole}); err != nil {
				t.Fatal(err)
			}
			// Only a refused write shows that it is in force.
			for n := 1; store.KindOf(put(app, "k")) != store.Denied; n++ {
				if n > 2 {
					t.Fatal("never in force")
				}
			}
			frozen := srv.getPolicy(t)
			srv.rec.Keep()
			if err := denier.DenyWrites(ctx, "shop", []string{moverRole}); err != nil {
				t.Error(err)
			}
			if c := srv.rec.Counts(); len(c) != 1 || c["GetBucketPolicy"] != 1 || srv.getPolicy(t) != frozen {
				t.Errorf("the second time %v, and the policy %s", c, srv.getPolicy(t))
			}

			big := store.Bytes(make([]byte, 3*suitePart))
			_, bigErr := app.Put(ctx, "big", big, store.PutOptions{})
			_, attrErr := app.UpdateMetadata(ctx, "k", store.Attrs{ContentType: "text/plain"}, store.Condition{})
			for what, err := range map[string]error{"put": put(app, "new"), "big": bigErr, "update": attrErr, "delete": app.Delete(ctx, "k", store.Condition{})} {
				if store.KindOf(err) != store.Denied {
					t.Errorf("%s by the application: %v", what, err)
				}
			}
			_, headErr := app.Head(ctx, "k")
			_, bigErr = own.Put(ctx, "big", big, store.PutOptions{})
			_, attrErr = own.UpdateMetadata(ctx, "k", store.Attrs{ContentType: "text/plain"}, store.Condition{})
			if err := errors.Join(headErr, bigErr, attrErr, put(own, store.ControlPrefix+"m/barrier"), own.Delete(ctx, "k2", store.Condition{})); err != nil {
				t.Error(err)
			}
			if tc.prefix != "" {
				for _, key := range []string{"outside", "axx${b}x/k", "a*${b}/k"} {
					if err := put(srv.as(appKey, "", nil), key); err != nil {
						t.Errorf("outside of the prefix: %v", err)
					}
				}
			}

			if err := denier.AllowWrites(ctx, "shop"); err != nil {
				t.Fatal(err)
			}
			for n := 1; put(app, "k") != nil; n++ {
				if n > 2 {
					t.Fatal("never out of force")
				}
			}
			if got := srv.getPolicy(t); got != tc.policy {
				t.Errorf("the policy was %q and is %q", tc.policy, got)
			}
			srv.rec.Keep()
			if err := denier.AllowWrites(ctx, "shop"); err != nil || srv.rec.Counts()["PutBucketPolicy"]+srv.rec.Counts()["DeleteBucketPolicy"] != 0 {
				t.Errorf("the second time: %v after %v", err, srv.rec.Counts())
			}
		})
	}
}

// TestDenyWritesPartition: ARNs are of the partition that the region is in.
func TestDenyWritesPartition(t *testing.T) {
	t.Parallel()
	srv := policyServer(t, cloudsim.S3Options{Region: "cn-north-1"})
	inChina := func(o *awss3.Options) { o.Region = "cn-north-1" }
	role := strings.Replace(moverRole, ":aws:", ":aws-cn:", 1)
	st := srv.as(accessKey, "", nil, inChina)
	if err := st.DenyWrites(t.Context(), "m", []string{role}); err != nil {
		t.Fatal(err)
	}
	if _, err := srv.as(appKey, "", nil, inChina).Put(t.Context(), "k", store.Bytes("x"), store.PutOptions{}); store.KindOf(err) != store.Denied {
		t.Errorf("put: %v", err)
	}
	if err := st.DenyWrites(t.Context(), "m", []string{moverRole}); store.KindOf(err) != store.Invalid || !strings.Contains(err.Error(), "partition aws,") {
		t.Errorf("a principal elsewhere: %v", err)
	}
}

// TestPolicyStale: S3 may return the old policy for a while, before and after.
func TestPolicyStale(t *testing.T) {
	t.Parallel()
	for reads, want := range map[int]store.Kind{0: store.Unknown, 5: store.Unknown, 6: store.Unavailable} {
		srv := policyServer(t, cloudsim.S3Options{PolicyLag: cloudsim.S3PolicyLag{Reads: reads}})
		var waits atomic.Int64
		err := srv.as(accessKey, "", &waits).DenyWrites(t.Context(), "m", []string{moverRole})
		if (err == nil) != (want == store.Unknown) || store.KindOf(err) != want || waits.Load() != int64(min(reads, 5)) {
			t.Errorf("%d stale reads: %v after %d waits", reads, err, waits.Load())
		}
	}

	// A rule that does not show yet must not be left behind.
	srv := policyServer(t, cloudsim.S3Options{})
	if err := srv.as(accessKey, "", nil).DenyWrites(t.Context(), "m", []string{moverRole}); err != nil {
		t.Fatal(err)
	}
	stale := 2
	old := func(o *awss3.Options) {
		o.HTTPClient = doer(func(r *http.Request) (*http.Response, error) {
			if stale--; stale >= 0 {
				return answers{404, http.Header{}, `<Error><Code>NoSuchBucketPolicy</Code></Error>`}.Do(r)
			}
			return loopback.Client().Do(r)
		})
	}
	if err := srv.as(accessKey, "", nil, old).AllowWrites(t.Context(), "m"); err != nil || srv.getPolicy(t) != "" {
		t.Errorf("%v, and the policy is %s", err, srv.getPolicy(t))
	}
}

// TestPolicyRetried: a write whose answer is lost, and one that fails, end as if
// nothing had been.
func TestPolicyRetried(t *testing.T) {
	t.Parallel()
	srv := policyServer(t, cloudsim.S3Options{Faults: cloudsim.NewFaults(nil,
		cloudsim.FaultRule{Kind: cloudsim.ResetAfter, Op: "PutBucketPolicy"},
		cloudsim.FaultRule{Kind: cloudsim.ServerError, Op: "GetBucketPolicy", From: 3},
		cloudsim.FaultRule{Kind: cloudsim.ServerError, Op: "DeleteBucketPolicy"},
	).Check(t)})
	s := retry.New(srv.as(accessKey, "", nil), time.Now, retry.Options{Sleep: func(context.Context, time.Duration) error { return nil }})
	d, _ := store.As[store.WriteDenier](s)
	if err := d.DenyWrites(t.Context(), "m", []string{moverRole}); err != nil {
		t.Error(err)
	}
	if _, err := srv.as(appKey, "", nil).Put(t.Context(), "k", store.Bytes("x"), store.PutOptions{}); store.KindOf(err) != store.Denied {
		t.Errorf("put: %v", err)
	}
	if err := d.AllowWrites(t.Context(), "m"); err != nil || srv.getPolicy(t) != "" {
		t.Errorf("%v, and the policy is %s", err, srv.getPolicy(t))
	}
	if n := s.Stats().Retries; n != 3 {
		t.Errorf("%d retries, want 3", n)
	}
}

// TestPolicyCancelled: a wait ends with its context.
func TestPolicyCancelled(t *testing.T) {
	t.Parallel()
	srv := policyServer(t, cloudsim.S3Options{PolicyLag: cloudsim.S3PolicyLag{Reads: 9}})
	ctx, cancel := context.WithCancel(t.Context())
	reads := 0
	st := srv.as(accessKey, "", nil, func(o *awss3.Options) {
		o.HTTPClient = doer(func(r *http.Request) (*http.Response, error) {
			resp, err := loopback.Client().Do(r)
			if reads++; reads == 3 { // the one after the write
				b, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				resp.Body = io.NopCloser(strings.NewReader(string(b)))
				cancel()
			}
			return resp, err
		})
	})
	if err := st.DenyWrites(ctx, "m", []string{moverRole}); !errors.Is(err, context.Canceled) || reads != 3 {
		t.Errorf("%v after %d requests", err, reads)
	}
}

// TestPolicyChangedMeanwhile: someone else writes a policy between our write and
// the look at it.
func TestPolicyChangedMeanwhile(t *testing.T) {
	t.Parallel()
	for name, theirs := range map[string]string{
		"ours lost":    strings.Replace(existing, "Read", "Theirs", 1),
		"another lost": "",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			srv := policyServer(t, cloudsim.S3Options{})
			srv.setPolicy(t, existing)
			meddle := func(o *awss3.Options) {
				o.HTTPClient = doer(func(r *http.Request) (*http.Response, error) {
					resp, err := loopback.Client().Do(r)
					if r.Method == http.MethodPut {
						srv.setPolicy(t, theirs)
					}
					return resp, err
				})
			}
			srv.rec.Keep()
			err := srv.as(accessKey, "", nil, meddle).DenyWrites(t.Context(), "m", []string{moverRole})
			if store.KindOf(err) != store.Precondition || !strings.Contains(err.Error(), "changed by someone else") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v", err)
			}
			if c := srv.rec.Counts(); c["PutBucketPolicy"]+c["DeleteBucketPolicy"] != 2 || srv.getPolicy(t) != theirs {
				t.Errorf("%v, and the policy is %s", c, srv.getPolicy(t))
			}
			if err := srv.as(accessKey, "", nil).AllowWrites(t.Context(), "m"); err != nil || srv.getPolicy(t) != theirs {
				t.Errorf("%v, and the policy is %s", err, srv.getPolicy(t))
			}
		})
	}
}
