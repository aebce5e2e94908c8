package main

import (
	"bytes"
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/functest"
	"github.com/crossfade-io/crossfade/testutil/idsim"
	"github.com/crossfade-io/crossfade/testutil/loopback"
)

// On Azure, without any key: into S3 and into Cloud Storage, with the managed
// identity of the function alone.
func TestKeyless(t *testing.T) {
	t.Parallel()
	token := "managed-identity gave a token for " + idsim.AzureAppURI
	gs := []string{"CROSSFADE_TARGET=gs://copy", "CROSSFADE_GCP_AUDIENCE=" + idsim.Provider, "CROSSFADE_IDENTITY_AUDIENCE=" + idsim.AzureAppURI}
	for _, c := range []struct {
		name  string
		env   []string
		calls []string
	}{
		{"s3", []string{"CROSSFADE_TARGET=s3://copy", "CROSSFADE_AWS_ROLE_ARN=" + idsim.Role, "CROSSFADE_IDENTITY_AUDIENCE=" + idsim.AzureAppURI}, []string{token, "sts gave credentials to crossfade"}},
		{"gs", gs, []string{token, "exchange gave a gcs token"}},
		{
			"gs as a service account, with a user-assigned identity", append(gs, "CROSSFADE_GCP_SERVICE_ACCOUNT="+idsim.ServiceAccount, "AZURE_CLIENT_ID="+idsim.Application),
			[]string{token, "exchange gave a federated token", "impersonation gave a token"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			w := idsim.New(t)
			source := w.Azure.CreateBucket("photos", false)
			s3, gcs := w.S3.CreateBucket("copy", false), w.GCS.CreateBucket("copy", false)
			var doc []byte
			source.Subscribe(func(c cloudsim.Change) { doc, _ = cloudsim.EventGridEvents(c, cloudsim.AzureTopic(idsim.AzureAccount)) })
			if _, err := source.Put(cloudsim.NewObject("k", []byte("body")), cloudsim.Origin{Operation: "PutBlob"}, nil, nil); err != nil {
				t.Fatal(err)
			}
			port := functest.FreePort(t)
			p := functest.Start(t, slices.Concat(w.Env(), w.OnAzure(), []string{"FUNCTIONS_CUSTOMHANDLER_PORT=" + port, "CROSSFADE_SOURCE=az://photos"}, c.env))
			if err := p.Listening(ctx, "127.0.0.1:"+port); err != nil {
				t.Fatal(err)
			}
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://127.0.0.1:"+port+"/api/crossfade", bytes.NewReader(doc))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Aeg-Event-Type", "Notification")
			res, err := loopback.Client().Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			if res.StatusCode != 200 || s3.Get("k") == nil && gcs.Get("k") == nil {
				t.Errorf("status %d, copied: %v", res.StatusCode, s3.Get("k") != nil || gcs.Get("k") != nil)
			}
			calls := slices.DeleteFunc(w.Calls(), func(c string) bool { return strings.Contains(c, "storage.azure.com") }) // of the source
			if got := strings.Join(calls, ", "); got != strings.Join(c.calls, ", ") {
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
	audience := "CROSSFADE_IDENTITY_AUDIENCE=" + idsim.AzureAppURI
	s3 := []string{"CROSSFADE_TARGET=s3://copy", "CROSSFADE_AWS_ROLE_ARN=" + idsim.Role}
	for _, c := range []struct {
		name    string
		env     []string
		service string
		exit    int
		want    string
	}{
		{"by AWS", append(s3, audience), "sts", 1, "denied: the managed identity of this process was refused by AWS STS, for the role " + idsim.Role + " (status 403, "},
		{"by Google", []string{"CROSSFADE_TARGET=gs://copy", "CROSSFADE_GCP_AUDIENCE=" + idsim.Provider, audience}, "exchange", 1, "denied: the managed identity of this process was refused by Google's token service (status 403, "},
		{"by Azure itself", append(s3, audience), "managed-identity", 1, "CROSSFADE_SOURCE: checking az://photos/: check az://photos: denied: "},
		{"no audience", s3, "", 2, "CROSSFADE_IDENTITY_AUDIENCE is not set: set it to the application ID URI"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			w := idsim.New(t)
			w.Azure.CreateBucket("photos", false)
			w.S3.CreateBucket("copy", false)
			w.GCS.CreateBucket("copy", false)
			if c.service != "" {
				w.Refuse(c.service, 403, "AccessDenied")
			}
			p := functest.Start(t, slices.Concat(w.Env(), w.OnAzure(), []string{"CROSSFADE_SOURCE=az://photos"}, c.env))
			if code := p.Exit(ctx, t); code != c.exit {
				t.Errorf("exit code %d, want %d", code, c.exit)
			}
			if !strings.Contains(p.Stderr(), c.want) {
				t.Errorf("standard error %q, want %q", p.Stderr(), c.want)
			}
			for line := range strings.Lines(p.Stderr()) { // one for each store
				if !strings.HasPrefix(line, "crossfade-eventgrid: ") {
					t.Errorf("line %q", line)
				}
			}
			if leak := w.Leak(p.Stderr() + strings.Join(p.Stdout(), "\n")); leak != "" {
				t.Errorf("a secret is told: %s", leak)
			}
		})
	}
}
