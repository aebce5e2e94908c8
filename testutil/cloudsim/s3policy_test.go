package cloudsim

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

const (
	appRole   = "arn:aws:iam::123456789012:role/app"
	moverRole = "arn:aws:iam::123456789012:role/crossfade"

	// denyWrites leaves writes below p/ to the mover.
	denyWrites = `{"Version":"2012-10-17", "Statement":[
		{"Sid":"Public","Effect":"Allow","Principal":{"Service":"any"},"NotAction":"x","Resource":"y"},
		{"Effect":"Deny","Principal":"*","Action":["s3:PutObject*","s3:DeleteObject*","s3:Replicate*"],
		"Resource":"arn:aws:s3:::b/p/*","Condition":{"ArnNotLike":{"aws:PrincipalArn":["` + moverRole + `"]}}}]}`
)

// s3SDK is the SDK as app or mover uses it.
func s3SDK(url, accessKey string) *s3.Client {
	return s3.New(s3.Options{
		Region: "us-east-1", BaseEndpoint: &url, UsePathStyle: true, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: "secret"}, nil
		}),
	})
}

var policyFace = S3Options{
	Credentials: map[string]string{"APP": "secret", "MOVER": "secret", "ROOT": "secret"},
	Principals:  map[string]string{"APP": appRole, "MOVER": moverRole},
}

// TestS3PolicyEnforced tries every kind of write with the SDK.
func TestS3PolicyEnforced(t *testing.T) {
	t.Parallel()
	core := NewCore(nil)
	core.CreateBucket("b", false)
	v := core.CreateBucket("v", true)
	url, stop := Serve(NewS3(core, policyFace))
	t.Cleanup(stop)
	ctx, b := t.Context(), aws.String("b")
	app, mover, root := s3SDK(url, "APP"), s3SDK(url, "MOVER"), s3SDK(url, "ROOT")
	put := func(c *s3.Client, bucket, key string) error {
		_, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader("x")})
		return err
	}
	for _, key := range []string{"p/k", "q"} {
		if err := put(app, "b", key); err != nil {
			t.Fatal(err)
		}
	}
	begun, err := app.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: b, Key: aws.String("p/m")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mover.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: b, Policy: aws.String(denyWrites)}); err != nil {
		t.Fatal(err)
	}
	if got, err := app.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: b}); err != nil || *got.Policy != denyWrites {
		t.Errorf("the policy comes back as %q, %v", aws.ToString(got.Policy), err)
	}

	key, source := aws.String("p/k"), aws.String("b/q")
	for name, call := range map[string]func(c *s3.Client) error{
		"PutObject": func(c *s3.Client) error { return put(c, "b", "p/k") },
		"CopyObject": func(c *s3.Client) error {
			_, err := c.CopyObject(ctx, &s3.CopyObjectInput{Bucket: b, Key: key, CopySource: source})
			return err
		},
		"CreateMultipartUpload": func(c *s3.Client) error {
			_, err := c.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: b, Key: key})
			return err
		},
		"UploadPart": func(c *s3.Client) error {
			_, err := c.UploadPart(ctx, &s3.UploadPartInput{Bucket: b, Key: aws.String("p/m"), UploadId: begun.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("x")})
			return err
		},
		"UploadPartCopy": func(c *s3.Client) error {
			_, err := c.UploadPartCopy(ctx, &s3.UploadPartCopyInput{Bucket: b, Key: aws.String("p/m"), UploadId: begun.UploadId, PartNumber: aws.Int32(2), CopySource: source})
			return err
		},
		"CompleteMultipartUpload": func(c *s3.Client) error {
			_, err := c.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: b, Key: aws.String("p/m"), UploadId: begun.UploadId})
			return err
		},
		"DeleteObject": func(c *s3.Client) error {
			_, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: b, Key: key})
			return err
		},
	} {
		for who, c := range map[string]*s3.Client{"app": app, "root": root} {
			if err := call(c); s3Code(err) != "AccessDenied" {
				t.Errorf("%s by %s: %v", name, who, err)
			}
		}
		// Its own error, if any, is another: the upload has no parts.
		if err := call(mover); s3Code(err) == "AccessDenied" || err != nil && name != "CompleteMultipartUpload" {
			t.Errorf("%s by the mover: %v", name, err)
		}
		if err := put(mover, "b", "p/k"); err != nil {
			t.Fatal(err)
		}
	}
	out, err := app.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: b, Delete: &types.Delete{Objects: []types.ObjectIdentifier{
		{Key: aws.String("p/k")}, {Key: aws.String("q")}, {Key: aws.String("p/k"), VersionId: aws.String("null")},
	}}})
	if err != nil || len(out.Deleted) != 1 || len(out.Errors) != 2 || *out.Errors[0].Key != "p/k" || *out.Errors[0].Code != "AccessDenied" {
		t.Errorf("DeleteObjects: %+v, %v", out, err)
	}
	if core.Bucket("b").Get("p/k") == nil || core.Bucket("b").Get("q") != nil {
		t.Error("DeleteObjects deleted others than those outside of the prefix")
	}
	// What reads, what ends an upload, and what is elsewhere still passes.
	_, getErr := app.GetObject(ctx, &s3.GetObjectInput{Bucket: b, Key: key})
	_, listErr := app.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: b})
	_, abortErr := app.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: b, Key: aws.String("p/m"), UploadId: begun.UploadId})
	if err := errors.Join(getErr, listErr, abortErr, put(app, "b", "p"), put(app, "v", "p/k")); err != nil {
		t.Error(err)
	}

	// By another account, or of a version, and without credentials.
	versions := `{"Statement":{"Effect":"Deny","Principal":{"AWS":["123456789012"]},"Action":"s3:DeleteObjectVersion","Resource":"arn:aws:s3:::v/*"}}`
	if _, err := root.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: aws.String("v"), Policy: &versions}); err != nil {
		t.Fatal(err)
	}
	del := func(c *s3.Client) error {
		_, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String("v"), Key: key, VersionId: aws.String(v.versions("", "")[0].VersionID())})
		return err
	}
	if err := del(app); s3Code(err) != "AccessDenied" || !strings.Contains(err.Error(), appRole+" is not authorized to perform: s3:DeleteObjectVersion") {
		t.Errorf("deleting a version: %v", err)
	}
	out, err = app.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: aws.String("v"), Delete: &types.Delete{Objects: []types.ObjectIdentifier{
		{Key: key}, {Key: key, VersionId: aws.String(v.versions("", "")[0].VersionID())},
	}}})
	if err != nil || len(out.Deleted) != 1 || len(out.Errors) != 1 || aws.ToString(out.Errors[0].VersionId) == "" {
		t.Errorf("DeleteObjects of a version: %+v, %v", out, err)
	}
	if err := del(root); err != nil {
		t.Errorf("deleting a version by another account: %v", err)
	}

	if _, err := mover.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: b}); err != nil {
		t.Fatal(err)
	}
	if err := put(app, "b", "p/k"); err != nil {
		t.Errorf("without a policy: %v", err)
	}
	if _, err := app.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: b}); s3Code(err) != "NoSuchBucketPolicy" {
		t.Errorf("no policy: %v", err)
	}
}

func s3Code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

// TestS3PolicySource: to copy needs to read the source, and a root user is not
// locked out.
func TestS3PolicySource(t *testing.T) {
	t.Parallel()
	c := newS3Client(t, S3Options{Principals: policyFace.Principals})
	c.want(200, "", "PUT", "/v/k", "x")
	deny := `{"Statement":[{"Effect":"Deny","Principal":"*","Action":"*","Resource":["arn:aws:s3:::v","arn:aws:s3:::v/*"]}]}`
	c.want(204, "", "PUT", "/v?policy", deny, "Content-MD5: "+md5Base64(deny))
	c.want(403, "AccessDenied", "PUT", "/b/k", "", "x-amz-copy-source: /v/k")
	c.want(403, "AccessDenied", "GET", "/v?list-type=2", "")
	c.want(403, "AccessDenied", "GET", "/v?policy", "", credentialOf("APP"))
	c.want(403, "AccessDenied", "DELETE", "/v?policy", "")
	c.want(204, "", "DELETE", "/v?policy", "", credentialOf("ROOT"))
	c.want(200, "", "PUT", "/b/k", "", "x-amz-copy-source: /v/k")
	c.want(501, "NotImplemented", "GET", "/b?policyStatus", "")
	c.want(501, "NotImplemented", "PUT", "/b/k?policy", "")
	c.want(404, "NoSuchBucket", "GET", "/nobucket?policy", "")
}

// credentialOf is a header that names an access key to a face that checks none.
func credentialOf(accessKey string) string {
	return "Authorization: AWS4-HMAC-SHA256 Credential=" + accessKey + "/20260102/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=x"
}

// TestS3PolicyMalformed: what could not be enforced is not accepted.
func TestS3PolicyMalformed(t *testing.T) {
	t.Parallel()
	c := newS3Client(t, S3Options{})
	put := func(status int, code, policy string) s3Answer {
		t.Helper()
		return c.want(status, code, "PUT", "/b?policy", policy, "Content-MD5: "+md5Base64(policy))
	}
	const old = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"}]}`
	put(204, "", old)
	c.want(400, "InvalidRequest", "PUT", "/b?policy", denyWrites)
	c.want(400, "BadDigest", "PUT", "/b?policy", denyWrites, "Content-MD5: "+md5Base64("x"))
	for _, edit := range [][2]string{
		{`"*","Action":["s3:PutObject*"`, `"*","Action":["s3:PutObjekt*"`},
		{`"s3:Replicate*"`, `"s3:ListBucket"`},
		{`"Principal":"*"`, `"Principal":"everyone"`},
		{`"Principal":"*"`, `"Principal":{"Federated":"x"}`},
		{`"Principal":"*"`, `"Principal":{"AWS":"arn:aws:iam::123456789012:role/*"}`},
		{`"Principal":"*"`, `"Principal":{"AWS":[]}`},
		{`"Principal":"*"`, `"NotPrincipal":{"AWS":"` + appRole + `"}`},
		{`"Principal":"*",`, ``},
		{`"Effect":"Deny"`, `"Effect":"deny"`},
		{`"Effect":"Deny"`, `"Effect":"Deny","Comment":"x"`},
		{`b/p/*`, `other/p/*`},
		{`b/p/*`, `b/${aws:username}/*`},
		{`arn:aws:s3:::b/p/*`, `arn:aws-cn:s3:::b/p/*`},
		{`"Resource":"arn:aws:s3:::b/p/*"`, `"NotResource":"arn:aws:s3:::b/p/*"`},
		{`ArnNotLike`, `ArnNotLikeIfExists`},
		{`ArnNotLike`, `IpAddress`},
		{`aws:PrincipalArn`, `aws:SourceIp`},
		{`["` + moverRole + `"]`, `["crossfade"]`},
		{`["` + moverRole + `"]`, `[7]`},
		{`2012-10-17`, `2026-01-01`},
		{`"Version"`, `"Ver":1,"Version"`},
		{`"Statement":[`, `"Statement":["x",`},
		{`"Statement":[`, `"Stmt":[`},
		{`]}`, `]`},
	} {
		bad := strings.Replace(denyWrites, edit[0], edit[1], 1)
		if bad == denyWrites {
			t.Fatalf("%s is not in the policy", edit[0])
		}
		put(400, "MalformedPolicy", bad)
	}
	put(400, "MalformedPolicy", `{"Version":"2012-10-17","Statement":[]}`)
	put(400, "MalformedPolicy", strings.Replace(old, "s3:GetObject", strings.Repeat("x", s3MaxPolicy), 1))
	put(204, "", strings.Replace(old, "{", "{"+strings.Repeat(" ", s3MaxPolicy), 1))
	put(204, "", old)
	if a := c.do("GET", "/b?policy", ""); a.body != old {
		t.Errorf("a refused policy was stored: %s", a.body)
	}
}

// TestS3PolicyMatches goes through principals, wildcards and conditions.
func TestS3PolicyMatches(t *testing.T) {
	t.Parallel()
	const put, key = "s3:PutObject", "arn:aws:s3:::b/p/k"
	session := `{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::b/*","Condition":{`
	for _, tc := range []struct {
		statement string
		principal string
		action    string
		resource  string
		denied    bool
	}{
		{`{"Effect":"Deny","Principal":{"AWS":"*"},"Action":"S3:Put*","Resource":"arn:aws:s3:::b*"}`, "", put, key, true},
		{`{"Effect":"Deny","Principal":{"AWS":"` + appRole + `"},"Action":"*","Resource":"arn:aws:s3:::b/p/?"}`, appRole, put, key, true},
		{`{"Effect":"Deny","Principal":{"AWS":"` + appRole + `"},"Action":"*","Resource":"arn:aws:s3:::b/p/?"}`, moverRole, put, key, false},
		{`{"Effect":"Deny","Principal":{"AWS":"` + appRole + `"},"Action":"*","Resource":"arn:aws:s3:::b/p/?"}`, appRole, put, key + "k", false},
		{`{"Effect":"Deny","Principal":{"AWS":["210987654321","arn:aws:iam::123456789012:root"]},"Action":"s3:*","Resource":"arn:aws:s3:::b/*"}`, "", put, key, false},
		{`{"Effect":"Deny","Principal":{"AWS":["arn:aws:iam::123456789012:root"]},"Action":"s3:*","Resource":"arn:aws:s3:::b/*"}`, appRole, put, key, true},
		{`{"Effect":"Deny","Principal":{"AWS":["arn:aws:iam::123456789012:root"]},"Action":"s3:*","Resource":"arn:aws:s3:::b/*"}`, s3Root, put, key, false},
		{`{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/${*}/*/${?}${$}*"}`, "", put, "arn:aws:s3:::b/*/a/b/?${x", true},
		{`{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/${*}/*/${?}${$}*"}`, "", put, "arn:aws:s3:::b/x/a/b/?${x", false},
		{`{"Effect":"Deny","Principal":"*","Action":["s3:GetObject","s3:DeleteObject"],"Resource":["arn:aws:s3:::b/a","arn:aws:s3:::b/*a*b*c"]}`, "", "s3:DeleteObject", "arn:aws:s3:::b/xaabbc\u00fcc", true},
		{`{"Effect":"Deny","Principal":"*","Action":["s3:GetObject","s3:DeleteObject"],"Resource":"arn:aws:s3:::b/*a*b*c"}`, "", "s3:DeleteObject", "arn:aws:s3:::b/xbca", false},
		{session + `"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/cross*"}}}`, moverRole, put, key, false},
		{session + `"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/cross*"}}}`, appRole, put, key, true},
		{session + `"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::*:role/cross*"}}}`, "", put, key, true},
		{session + `"ArnNotLike":{"aws:PrincipalArn":"arn:aws:*::*:role/crossfade"}}}`, moverRole, put, key, false},
		{session + `"ArnNotLike":{"aws:PrincipalArn":"arn:*::1*2:role:crossfade*"}}}`, moverRole, put, key, true}, // * ends at a colon
		{session + `"ArnNotEquals":{"AWS:principalarn":["` + appRole + `","` + moverRole + `"]}}}`, moverRole, put, key, false},
		{session + `"ArnLike":{"aws:PrincipalArn":"` + appRole + `"}}}`, appRole, put, key, true},
		{session + `"ArnEquals":{"aws:PrincipalArn":"` + appRole + `"}}}`, "", put, key, false},
		{session + `"StringLike":{"aws:PrincipalArn":"arn:*:role/a?p"}}}`, appRole, put, key, true},
		{session + `"StringNotLike":{"aws:PrincipalArn":"arn:*:role/a?p"}}}`, appRole, put, key, false},
		{session + `"StringEquals":{"aws:PrincipalArn":"arn:*"}}}`, appRole, put, key, false},
		{session + `"StringNotEquals":{"aws:PrincipalArn":"` + appRole + `"}}}`, appRole, put, key, false},
		{session + `"StringNotEquals":{"aws:PrincipalArn":"` + appRole + `"},"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::123456789012:*"}}}`, moverRole, put, key, true},
		{session + `"StringNotEquals":{"aws:PrincipalArn":"` + appRole + `"},"ArnLike":{"aws:PrincipalArn":"arn:aws:iam::123456789012:*"}}}`, s3Root, put, key, false},
	} {
		denies, err := s3ReadPolicy([]byte(`{"Version":"2012-10-17","Statement":`+tc.statement+`}`), "arn:aws:s3:::b")
		if err != nil || len(denies) != 1 {
			t.Errorf("%s: %v", tc.statement, err)
			continue
		}
		if denies[0].matches(tc.principal, tc.action, tc.resource) != tc.denied {
			t.Errorf("%s: %q may %s %s", tc.statement, tc.principal, tc.action, tc.resource)
		}
	}
	old, err := s3ReadPolicy([]byte(`{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"arn:aws:s3:::b/${*}"}}`), "arn:aws:s3:::b")
	if err != nil || !old[0].matches("", put, "arn:aws:s3:::b/${x}") {
		t.Errorf("policies of 2008 have no variables: %v", err)
	}
}

// TestS3PolicyLag: the old policy counts until so many requests, or so long,
// after the change.
func TestS3PolicyLag(t *testing.T) {
	t.Parallel()
	now := time.Unix(1767323045, 0)
	clock := atomic.Pointer[time.Time]{}
	clock.Store(&now)
	core := NewCore(func() time.Time { return *clock.Load() })
	core.CreateBucket("b", false)
	url, stop := Serve(NewS3(core, S3Options{PolicyLag: S3PolicyLag{Requests: 2, Time: time.Second, Reads: 1}}))
	t.Cleanup(stop)
	c := &s3Client{t: t, core: core, url: url}
	put := func(status int, code string) {
		t.Helper()
		c.want(status, code, http.MethodPut, "/b/p/k", "x")
	}
	later := func() {
		next := clock.Load().Add(time.Second)
		clock.Store(&next)
	}
	c.want(204, "", "PUT", "/b?policy", denyWrites, "Content-MD5: "+md5Base64(denyWrites))
	c.want(404, "NoSuchBucketPolicy", "GET", "/b?policy", "")
	if a := c.do("GET", "/b?policy", ""); a.body != denyWrites {
		t.Errorf("the second read returns %q", a.body)
	}
	for range 3 {
		put(200, "")
	}
	later()
	put(403, "AccessDenied")

	c.want(204, "", "DELETE", "/b?policy", "")
	later()
	put(403, "AccessDenied")
	// A change in the lag of another does not bring that one into force.
	c.want(204, "", "PUT", "/b?policy", strings.Replace(denyWrites, "/p/", "/q/", 1), "Content-MD5: "+md5Base64(strings.Replace(denyWrites, "/p/", "/q/", 1)))
	later()
	put(403, "AccessDenied")
	put(403, "AccessDenied")
	put(200, "")
}

// FuzzS3Policy: any policy is refused in S3's words or denies the same each
// time, and never what it does not name.
func FuzzS3Policy(f *testing.F) {
	f.Add([]byte(denyWrites), appRole, "p/k")
	f.Add([]byte(`{"Statement":{"Effect":"Deny","Principal":{"AWS":"1"},"Action":"?","Resource":"arn:aws:s3:::b/${"}}`), "a:b:c:d:e:f:g", "**?")
	f.Add([]byte(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"*","Resource":"arn:aws:s3:::b*","Condition":{"ArnLike":{"aws:PrincipalArn":"*:*:*:*:*:*"}}}]}`), "", "\u00fc")
	f.Fuzz(func(t *testing.T, text []byte, principal, key string) {
		denies, err := s3ReadPolicy(text, "arn:aws:s3:::b")
		if err != nil {
			if e, ok := errors.AsType[*s3Error](err); !ok || e.code != "MalformedPolicy" || denies != nil {
				t.Fatalf("%v with %d statements", err, len(denies))
			}
			return
		}
		again, err := s3ReadPolicy(text, "arn:aws:s3:::b")
		if err != nil || len(again) != len(denies) {
			t.Fatalf("read again: %v", err)
		}
		for i, d := range denies {
			if d.matches(principal, "s3:PutObject", "arn:aws:s3:::b/"+key) != again[i].matches(principal, "s3:PutObject", "arn:aws:s3:::b/"+key) {
				t.Fatal("once denied, once not")
			}
			if d.matches(principal, "s3:PutObject", "arn:aws:s3:::other/"+key) && !bytes.Contains(text, []byte("*")) && !bytes.Contains(text, []byte(`\`)) {
				t.Fatalf("%s denies in another bucket", text)
			}
		}
	})
}
