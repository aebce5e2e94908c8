package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/functest"
	"github.com/crossfade-io/crossfade/testutil/idsim"
	"github.com/crossfade-io/crossfade/testutil/lambdaapi"
)

// configuration is what gcloud iam workload-identity-pools create-cred-config
// --aws writes.
func configuration(t *testing.T, account string) string {
	t.Helper()
	doc := map[string]any{
		"type": "external_account", "universe_domain": "googleapis.com",
		"audience": "//iam.googleapis.com/" + idsim.Provider, "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
		"token_url": "https://sts.googleapis.com/v1/token",
		"credential_source": map[string]any{
			"environment_id": "aws1", "region_url": "http://169.254.169.254/latest/meta-data/placement/availability-zone",
			"url":                            "http://169.254.169.254/latest/meta-data/iam/security-credentials",
			"regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
		},
	}
	if account != "" {
		doc["service_account_impersonation_url"] = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/" + account + ":generateAccessToken"
	}
	b, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "gcp.json")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// On Lambda, without any key: into Cloud Storage and into Azure, with the role of
// the function alone.
func TestKeyless(t *testing.T) {
	t.Parallel()
	azure := []string{"CROSSFADE_TARGET=az://copy", "AZURE_TENANT_ID=" + idsim.Tenant, "AZURE_CLIENT_ID=" + idsim.Application}
	for _, c := range []struct {
		name  string
		env   []string
		calls []string
	}{
		{"gs", []string{"CROSSFADE_TARGET=gs://copy", "CROSSFADE_GCP_AUDIENCE=" + idsim.Provider}, []string{"exchange gave a gcs token"}},
		{
			"gs as a service account",
			[]string{"CROSSFADE_TARGET=gs://copy", "CROSSFADE_GCP_AUDIENCE=//iam.googleapis.com/" + idsim.Provider, "CROSSFADE_GCP_SERVICE_ACCOUNT=" + idsim.ServiceAccount},
			[]string{"exchange gave a federated token", "impersonation gave a token"},
		},
		{"gs by a file", []string{"CROSSFADE_TARGET=gs://copy", "GOOGLE_APPLICATION_CREDENTIALS=" + configuration(t, "")}, []string{"exchange gave a gcs token"}},
		{
			"gs by a file, as a service account",
			[]string{"CROSSFADE_TARGET=gs://copy", "GOOGLE_APPLICATION_CREDENTIALS=" + configuration(t, idsim.ServiceAccount)},
			[]string{"exchange gave a federated token", "impersonation gave a token"},
		},
		{"az", azure, []string{"token gave one to " + idsim.OwnRole, "entra gave a token"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			w := idsim.New(t)
			source := w.S3.CreateBucket("photos", false)
			gcs, az := w.GCS.CreateBucket("copy", false), w.Azure.CreateBucket("copy", false)
			var doc []byte
			source.Subscribe(func(c cloudsim.Change) { doc, _ = cloudsim.S3Notification(c) })
			o := cloudsim.NewObject("k", []byte("body"))
			if _, err := source.Put(o, cloudsim.Origin{Operation: "PutObject"}, nil, nil); err != nil {
				t.Fatal(err)
			}
			lambda := lambdaapi.New(lambdaapi.Options{})
			api := lambda.NewEnvironment()
			t.Cleanup(api.Close)
			p := functest.Start(t, slices.Concat(w.Env(), w.OnAWS(), api.Env(), []string{"CROSSFADE_SOURCE=s3://photos", "GOOGLE_SDK_GO_LOGGING_LEVEL=debug", "AZURE_SDK_GO_LOGGING=all"}, c.env))
			if answer, err := lambda.Invoke(ctx, doc); err != nil || answer.Failed {
				t.Fatalf("%s, %v", answer.Payload, err)
			}
			if gcs.Get("k") == nil && az.Get("k") == nil {
				t.Error("not copied")
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
	gs := []string{"CROSSFADE_TARGET=gs://copy", "CROSSFADE_GCP_AUDIENCE=" + idsim.Provider, "CROSSFADE_GCP_SERVICE_ACCOUNT=" + idsim.ServiceAccount}
	az := []string{"CROSSFADE_TARGET=az://copy", "AZURE_TENANT_ID=" + idsim.Tenant, "AZURE_CLIENT_ID=" + idsim.Application}
	for _, c := range []struct {
		name    string
		env     []string
		service string
		code    string
		exit    int
		want    []string
	}{
		{"by Google", gs, "exchange", "invalid_grant", 1, []string{"CROSSFADE_TARGET: checking gs://copy/: check gs://copy: denied: the AWS role of this process was refused by Google's token service (status 403, invalid_grant, ", "CROSSFADE_GCP_AUDIENCE must name the provider"}},
		{"as the service account", gs, "impersonation", "PERMISSION_DENIED", 1, []string{"refused by the service account it is to act as (status 403, PERMISSION_DENIED, ", "roles/iam.workloadIdentityUser on " + idsim.ServiceAccount}},
		{"by the file", []string{"CROSSFADE_TARGET=gs://copy", "GOOGLE_APPLICATION_CREDENTIALS=" + configuration(t, "")}, "exchange", "invalid_grant", 1, []string{"the identity of GOOGLE_APPLICATION_CREDENTIALS was refused by Google's token service"}},
		{"by AWS itself", az, "token", "OutboundWebIdentityFederationDisabledException", 1, []string{"denied: the AWS role of this process was refused by AWS STS (GetWebIdentityToken) (status 403, OutboundWeb", "aws iam enable-outbound-web-identity-federation"}},
		{"by Entra", az, "entra", "invalid_client", 1, []string{"denied: the AWS role of this process was refused by Microsoft Entra ID (status 403, invalid_client, ", "needs a federated credential with the issuer and the subject of this identity"}},
		{"half of Azure's", az[:2], "", "", 1, []string{"AZURE_CLIENT_ID is not set, but AZURE_TENANT_ID is"}},
		{"a role", append(gs, "CROSSFADE_AWS_ROLE_ARN="+idsim.Role), "", "", 2, []string{"CROSSFADE_AWS_ROLE_ARN is set, but this process has an identity of AWS already"}},
		{"no provider", []string{"CROSSFADE_TARGET=gs://copy", "CROSSFADE_GCP_SERVICE_ACCOUNT=" + idsim.ServiceAccount}, "", "", 2, []string{"CROSSFADE_GCP_SERVICE_ACCOUNT is set without CROSSFADE_GCP_AUDIENCE"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			w := idsim.New(t)
			w.S3.CreateBucket("photos", false)
			w.GCS.CreateBucket("copy", false)
			w.Azure.CreateBucket("copy", false)
			if c.service != "" {
				w.Refuse(c.service, 403, c.code)
			}
			p := functest.Start(t, slices.Concat(w.Env(), w.OnAWS(), []string{"AWS_LAMBDA_RUNTIME_API=127.0.0.1:1", "CROSSFADE_SOURCE=s3://photos"}, c.env))
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
