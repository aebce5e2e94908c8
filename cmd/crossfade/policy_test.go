package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/crossfade-io/crossfade/cutover/report"
	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/testutil/demoapp"
	"github.com/crossfade-io/crossfade/testutil/functest"
)

// A policy of the source's bucket freezes an application that knows nothing of it
// until the switch hook, and protects the old side afterwards. What the policy said
// before it says in the end.
func TestFreezeByPolicy(t *testing.T) {
	w := newWorld(t)
	profiles := filepath.Join(w.dir, "credentials")
	text := fmt.Sprintf("[app]\naws_access_key_id = %s\naws_secret_access_key = %s\n", functest.AppKey, functest.AppSecret)
	if err := os.WriteFile(profiles, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", profiles)
	w.declare(fmt.Sprintf("{mode: s3-policy, except: [%q], probe: \"s3://source?profile=app\"}", functest.Role))

	cfg, err := awsconfig.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	admin := awss3.NewFromConfig(cfg, func(o *awss3.Options) { o.UsePathStyle = true })
	const before = `{"Version":"2012-10-17","Statement":[{"Sid":"Theirs","Effect":"Deny","Principal":"*","Action":"s3:PutObjectAcl","Resource":"arn:aws:s3:::source/*"}]}`
	if _, err := admin.PutBucketPolicy(t.Context(), &awss3.PutBucketPolicyInput{Bucket: aws.String("source"), Policy: aws.String(before)}); err != nil {
		t.Fatal(err)
	}
	policy := func() string {
		t.Helper()
		out, err := admin.GetBucketPolicy(t.Context(), &awss3.GetBucketPolicyInput{Bucket: aws.String("source")})
		if err != nil {
			t.Fatal(err)
		}
		return *out.Policy
	}

	w.want(exitDone, "init", "-f", w.file)
	w.deploy()
	stop := w.write()
	w.want(exitDone, "backfill", "-f", w.file, "-q")
	stdout, _ := w.want(exitDone, "cutover", "-f", w.file, "--yes", "--json", "--report", w.dir)
	r, err := report.Parse([]byte(stdout))
	if err != nil || r.Outcome != report.Switched || r.Freeze == nil || r.Freeze.Mode != report.FreezeS3Policy || r.Freeze.Seconds <= 0 {
		t.Fatalf("%v\n%s", err, stdout)
	}
	w.at(demoapp.Target, control.Reversed)
	w.says(policy(), "CrossfadeFreeze", `"Theirs"`, functest.Role)
	client := w.ends[control.Source].client
	if err := client.Put(t.Context(), "late", []byte("late"), demoapp.Attrs{}); err == nil {
		t.Error("the application can still write to the old side")
	}
	w.check(stop, demoapp.Target)
	// Nothing freezes a target that is no S3: the application has to rest.
	w.want(exitDone, "rollback", "-f", w.file, "--yes", "--report", w.dir)
	w.at(demoapp.Source, control.Following)
	if got := policy(); got != before {
		t.Errorf("the policy was %s\nand is  %s", before, got)
	}

	// One that stops half way leaves nothing denied.
	ctx, interrupt := context.WithCancel(t.Context())
	w.env.stepped = func(step string) {
		if step == "policy:after" {
			interrupt()
		}
	}
	if code, stdout, stderr := w.runContext(ctx, "cutover", "-f", w.file, "--yes", "--report", w.dir); code != exitIncomplete {
		t.Fatalf("exit %d\n%s%s", code, stdout, stderr)
	}
	w.at(demoapp.Source, control.Following)
	if got := policy(); got != before {
		t.Errorf("after the abort the policy is %s", got)
	}
	if err := client.Put(t.Context(), "goes on", []byte("x"), demoapp.Attrs{}); err != nil {
		t.Error(err)
	}
}
