package main

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/functest"
	"github.com/crossfade-io/crossfade/testutil/idsim"
	"github.com/crossfade-io/crossfade/testutil/loopback"
)

// On Cloud Run, without any key: into S3 and into Azure, with the service account
// of the function alone.
func TestKeyless(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		env   []string
		calls []string
	}{
		{"s3", []string{"CROSSFADE_TARGET=s3://copy", "CROSSFADE_AWS_ROLE_ARN=" + idsim.Role}, []string{"metadata gave a token for sts.amazonaws.com", "sts gave credentials to crossfade"}},
		{
			"az",
			[]string{"CROSSFADE_TARGET=az://copy", "AZURE_TENANT_ID=" + idsim.Tenant, "AZURE_CLIENT_ID=" + idsim.Application},
			[]string{"metadata gave a token for api://AzureADTokenExchange", "entra gave a token"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			w := idsim.New(t)
			source := w.GCS.CreateBucket("photos", false)
			s3, az := w.S3.CreateBucket("copy", false), w.Azure.CreateBucket("copy", false)
			var events []cloudsim.GCSEvent
			source.Subscribe(func(c cloudsim.Change) { events = append(events, cloudsim.GCSEvents(c)...) })
			if _, err := source.Put(cloudsim.NewObject("k", []byte("body")), cloudsim.Origin{Operation: "objects.insert"}, nil, nil); err != nil {
				t.Fatal(err)
			}
			port := functest.FreePort(t)
			p := functest.Start(t, slices.Concat(w.Env(), w.OnGoogle(), []string{"PORT=" + port, "LOCAL_ONLY=true", "CROSSFADE_SOURCE=gs://photos"}, c.env))
			if err := p.Listening(ctx, "127.0.0.1:"+port); err != nil {
				t.Fatal(err)
			}
			req, err := events[0].Request(ctx, "http://127.0.0.1:"+port+"/")
			if err != nil {
				t.Fatal(err)
			}
			res, err := loopback.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if res.StatusCode != 200 || s3.Get("k") == nil && az.Get("k") == nil {
				t.Errorf("status %d, copied: %v", res.StatusCode, s3.Get("k") != nil || az.Get("k") != nil)
			}
			if got := strings.Join(w.Calls(), ", "); got != strings.Join(c.calls, ", ") {
				t.Errorf("calls: %s", got)
			}
			if leak := w.Leak(p.Stderr() + strings.Join(p.Stdout(), "\n")); leak != "" {
				t.Errorf("a secret is logged: %s", leak)
			}
		})
	}
}

// A refusal ends the start with one line that says whose identity was refused, by
// whom and what to check, and repeats no token, whatever the services quote.
func TestKeylessRefused(t *testing.T) {
	t.Parallel()
	s3 := []string{"CROSSFADE_TARGET=s3://copy", "CROSSFADE_AWS_ROLE_ARN=" + idsim.Role}
	for _, c := range []struct {
		name    string
		env     []string
		service string
		exit    int
		want    []string
	}{
		{"by AWS", s3, "sts", 1, []string{"CROSSFADE_TARGET: checking s3://copy/: check s3://copy: denied: the Google service account of this process was refused by AWS STS, for the role " + idsim.Role + " (status 403, AccessDenied: ", "the trust policy of the role must let in its issuer, its subject and the audience sts.amazonaws.com"}},
		{"another audience", append(s3, "CROSSFADE_IDENTITY_AUDIENCE=elsewhere"), "", 1, []string{"(status 403, AccessDenied: Not authorized to perform sts:AssumeRoleWithWebIdentity", "and the audience elsewhere"}},
		{"no service account", s3, "metadata", 1, []string{"the Google service account of this process was refused by the metadata server of Google Cloud (status 403)", "with a service account attached"}},
		{"by Entra", []string{"CROSSFADE_TARGET=az://copy", "AZURE_TENANT_ID=" + idsim.Tenant, "AZURE_CLIENT_ID=" + idsim.Application}, "entra", 1, []string{"denied: the Google service account of this process was refused by Microsoft Entra ID (status 403, "}},
		{"keys besides", append(s3, "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=y"), "", 2, []string{"both CROSSFADE_AWS_ROLE_ARN and AWS_ACCESS_KEY_ID are set"}},
		{"interoperability", append(s3[1:], "CROSSFADE_TARGET=s3://copy?endpoint=https://storage.googleapis.com"), "", 1, []string{"takes HMAC keys and no role: write gs://copy"}},
		{"no role", []string{"CROSSFADE_TARGET=s3://copy", "CROSSFADE_AWS_ROLE_ARN=crossfade"}, "", 2, []string{`CROSSFADE_AWS_ROLE_ARN: "crossfade" is no role: write its ARN`}},
		{"another's identity", append(s3, "CROSSFADE_IDENTITY=azure"), "", 2, []string{"CROSSFADE_IDENTITY is azure, but this function has the identity of google"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			w := idsim.New(t)
			w.GCS.CreateBucket("photos", false)
			w.S3.CreateBucket("copy", false)
			w.Azure.CreateBucket("copy", false)
			if c.service != "" {
				w.Refuse(c.service, 403, "AccessDenied")
			}
			p := functest.Start(t, slices.Concat(w.Env(), w.OnGoogle(), []string{"CROSSFADE_SOURCE=gs://photos"}, c.env))
			if code := p.Exit(ctx, t); code != c.exit {
				t.Errorf("exit code %d, want %d", code, c.exit)
			}
			for _, want := range c.want {
				if !strings.Contains(p.Stderr(), want) {
					t.Errorf("standard error %q, want %q", p.Stderr(), want)
				}
			}
			if strings.Count(p.Stderr(), "\n") != 1 {
				t.Errorf("not one line: %q", p.Stderr())
			}
			if leak := w.Leak(p.Stderr() + strings.Join(p.Stdout(), "\n")); leak != "" {
				t.Errorf("a secret is told: %s", leak)
			}
		})
	}
}
