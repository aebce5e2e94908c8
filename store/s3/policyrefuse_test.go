package s3_test

import (
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/s3"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// TestPolicyRefused: what the service says is told with what to do, and nothing
// is written that rests on a policy that was not understood.
func TestPolicyRefused(t *testing.T) {
	t.Parallel()
	code := func(c string) string { return `<Error><Code>` + c + `</Code><Message>m</Message></Error>` }
	none := answers{404, http.Header{}, code("NoSuchBucketPolicy")}
	ours := answers{200, http.Header{}, ""}
	srv := policyServer(t, cloudsim.S3Options{})
	if err := srv.as(accessKey, "", nil).DenyWrites(t.Context(), "m", []string{moverRole}); err != nil {
		t.Fatal(err)
	}
	ours.body = srv.getPolicy(t)
	two := ours
	two.body = strings.Replace(ours.body, "[{", `[{"Sid":"A"},{`, 1)
	large := strings.Replace(existing, "s3:GetObject", strings.Repeat("x", 20<<10), 1)
	for name, tc := range map[string]struct {
		get, write answers
		allow      bool
		kind       store.Kind
		want       string
	}{
		"malformed":        {answers{200, nil, `{"Statement":[`}, answers{}, false, store.Invalid, "cannot be edited, and was left as it is: it is no JSON object"},
		"malformed, allow": {answers{200, nil, `<html></html>`}, answers{}, true, store.Invalid, "look at it, or take the statement CrossfadeFreeze… out of it by hand"},
		"empty":            {answers{200, nil, ``}, answers{}, false, store.Invalid, "the answer is empty"},
		"too long":         {answers{200, nil, `{"Statement":[],"Id":"` + strings.Repeat("x", 1<<20) + `"}`}, answers{}, true, store.Invalid, "more than 1048576 bytes"},
		"full":             {answers{200, nil, large}, answers{}, false, store.TooLarge, "S3 holds 20480: shorten it, or freeze by a hook"},
		"closed":           {answers{405, nil, code("MethodNotAllowed")}, answers{}, false, store.Invalid, "the account that owns the bucket"},
		"not implemented":  {answers{501, nil, ""}, answers{}, false, store.Invalid, "has no bucket policies: freeze by a hook instead (mode hook)"},
		"no bucket":        {answers{404, nil, code("NoSuchBucket")}, answers{}, false, store.Unavailable, "there is no bucket b"},
		"not found":        {answers{404, nil, ""}, answers{}, true, store.Unknown, "allow writes s3://b: unknown"},
		"busy":             {answers{503, nil, code("SlowDown")}, answers{}, false, store.Throttled, "deny writes s3://b: throttled"},
		"denied":           {answers{403, nil, code("AccessDenied")}, answers{}, false, store.Denied, "need s3:GetBucketPolicy on"},
		"no key":           {answers{403, nil, code("InvalidAccessKeyId")}, answers{}, false, store.Denied, "the credentials are not accepted"},
		"write denied":     {none, answers{403, nil, code("AccessDenied")}, false, store.Denied, "need s3:PutBucketPolicy on"},
		"delete denied":    {ours, answers{403, nil, code("AccessDenied")}, true, store.Denied, "need s3:DeleteBucketPolicy on"},
		"no longer taken":  {two, answers{400, nil, code("MalformedPolicy")}, true, store.Invalid, "or take the statement CrossfadeFreeze… out of it by hand"},
		"not understood":   {none, answers{400, nil, code("MalformedPolicy")}, false, store.Invalid, "may have been deleted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			writes := 0
			st := srv.as(accessKey, "", nil, func(o *awss3.Options) {
				o.HTTPClient = doer(func(r *http.Request) (*http.Response, error) {
					a := tc.get
					if r.Method != http.MethodGet {
						writes++
						a = tc.write
					}
					if a.header == nil {
						a.header = http.Header{}
					}
					return a.Do(r)
				})
			})
			var err error
			if tc.allow {
				err = st.AllowWrites(t.Context(), "m")
			} else {
				err = st.DenyWrites(t.Context(), "m", []string{moverRole})
			}
			if err == nil || store.KindOf(err) != tc.kind || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want %s with %q", err, tc.kind, tc.want)
			}
			if (writes > 0) != (tc.write.status != 0) {
				t.Errorf("%d writes", writes)
			}
		})
	}
}

// endless is an answer that promises more than any memory has.
type endless struct{ read *atomic.Int64 }

func (e endless) Read(p []byte) (int, error) {
	e.read.Add(int64(len(p)))
	return copy(p, strings.Repeat(" ", len(p))), nil
}

func (endless) Close() error { return nil }

func TestPolicyBounded(t *testing.T) {
	t.Parallel()
	srv := policyServer(t, cloudsim.S3Options{})
	var read atomic.Int64
	st := srv.as(accessKey, "", nil, func(o *awss3.Options) {
		o.HTTPClient = doer(func(r *http.Request) (*http.Response, error) {
			h := http.Header{"Content-Length": {strconv.Itoa(1 << 50)}}
			return &http.Response{StatusCode: 200, Header: h, Request: r, Body: endless{&read}, ContentLength: 1 << 50}, nil
		})
	})
	err := st.DenyWrites(t.Context(), "m", []string{moverRole})
	if store.KindOf(err) != store.Invalid || !strings.Contains(err.Error(), "more than") || read.Load() > 4<<20 {
		t.Errorf("%v after %d bytes", err, read.Load())
	}
}

// TestPolicyArguments: what cannot be is refused before anything is asked.
func TestPolicyArguments(t *testing.T) {
	t.Parallel()
	srv := policyServer(t, cloudsim.S3Options{})
	except := []string{moverRole}
	for name, tc := range map[string]struct {
		st     *s3.Store
		id     string
		except []string
		want   string
	}{
		"no id":       {srv.store("b"), "", except, "name the migration"},
		"nobody":      {srv.store("b"), "m", nil, "name the ARN of its role"},
		"everybody":   {srv.store("b"), "m", []string{"*"}, `"*" is no ARN`},
		"directory":   {srv.store("b--use1-az4--x-s3"), "m", except, "directory bucket"},
		"interop":     {s3.New(srv.client(s3.Interoperable), "b", "", s3.Options{Interop: true}), "m", except, "interoperability mode: freeze by a hook"},
		"wild prefix": {srv.as(accessKey, "a*/", nil), "m", except, ""},
	} {
		srv.rec.Keep()
		if name == "wild prefix" {
			srv.setPolicy(t, existing)
			tc.want = "only Version 2012-10-17"
		}
		err := tc.st.DenyWrites(t.Context(), tc.id, tc.except)
		if store.KindOf(err) != store.Invalid || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
		if c := srv.rec.Counts(); name != "wild prefix" && len(c) != 0 || c["PutBucketPolicy"] > 1 {
			t.Errorf("%s: %v", name, c)
		}
	}
	if err := srv.store("b").AllowWrites(t.Context(), ""); store.KindOf(err) != store.Invalid {
		t.Errorf("no id: %v", err)
	}
}
