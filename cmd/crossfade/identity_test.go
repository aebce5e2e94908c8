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
)

// The command line on each cloud, and on Kubernetes, without any key.
func TestKeyless(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		from, to string
		env      func(*testing.T, *idsim.World) []string
		calls    []string // in any order
	}{
		{"on AWS, to Google", "s3", "gs", func(_ *testing.T, w *idsim.World) []string {
			return append(w.OnAWS(), "CROSSFADE_IDENTITY=aws", "CROSSFADE_GCP_AUDIENCE="+idsim.Provider)
		}, []string{"exchange gave a gcs token"}},
		{"on AWS, to Azure", "s3", "az", func(_ *testing.T, w *idsim.World) []string {
			return append(w.OnAWS(), "CROSSFADE_IDENTITY=aws", "AZURE_TENANT_ID="+idsim.Tenant, "AZURE_CLIENT_ID="+idsim.Application)
		}, []string{"entra gave a token", "token gave one to " + idsim.OwnRole}},
		{"on Google, to AWS", "gs", "s3", func(_ *testing.T, w *idsim.World) []string {
			return append(w.OnGoogle(), "CROSSFADE_IDENTITY=google", "CROSSFADE_AWS_ROLE_ARN="+idsim.Role)
		}, []string{"metadata gave a token for sts.amazonaws.com", "sts gave credentials to crossfade"}},
		{"on Google, between the others", "s3", "az", func(_ *testing.T, w *idsim.World) []string {
			return append(w.OnGoogle(), "CROSSFADE_IDENTITY=google", "CROSSFADE_AWS_ROLE_ARN="+idsim.Role, "AZURE_TENANT_ID="+idsim.Tenant, "AZURE_CLIENT_ID="+idsim.Application)
		}, []string{"entra gave a token", "metadata gave a token for api://AzureADTokenExchange", "metadata gave a token for sts.amazonaws.com", "sts gave credentials to crossfade"}},
		{"on Azure, to Google", "az", "gs", func(_ *testing.T, w *idsim.World) []string {
			return append(w.OnAzure(), "CROSSFADE_IDENTITY=azure", "CROSSFADE_GCP_AUDIENCE="+idsim.Provider, "CROSSFADE_IDENTITY_AUDIENCE="+idsim.AzureAppURI)
		}, []string{"exchange gave a gcs token", "managed-identity gave a token for " + idsim.AzureAppURI, "managed-identity gave a token for https://storage.azure.com"}},
		{"on Kubernetes, from AWS to Azure", "s3", "az", func(t *testing.T, w *idsim.World) []string {
			return []string{
				"AWS_ROLE_ARN=" + idsim.Role, "AWS_WEB_IDENTITY_TOKEN_FILE=" + w.Kubernetes(t, "sts.amazonaws.com"), "AWS_ROLE_SESSION_NAME=pod",
				"AZURE_TENANT_ID=" + idsim.Tenant, "AZURE_CLIENT_ID=" + idsim.Application, "AZURE_FEDERATED_TOKEN_FILE=" + w.Kubernetes(t, "api://AzureADTokenExchange"),
			}
		}, []string{"entra gave a token", "sts gave credentials to pod"}},
		{"on Kubernetes, from AWS to Google", "s3", "gs", func(t *testing.T, w *idsim.World) []string {
			return []string{
				"AWS_ROLE_ARN=" + idsim.Role, "AWS_WEB_IDENTITY_TOKEN_FILE=" + w.Kubernetes(t, "sts.amazonaws.com"), "AWS_ROLE_SESSION_NAME=pod",
				"GOOGLE_APPLICATION_CREDENTIALS=" + kubernetesConfiguration(t, w),
			}
		}, []string{"exchange gave a gcs token", "sts gave credentials to pod"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			w := idsim.New(t)
			cores := map[string]*cloudsim.Core{"s3": w.S3, "gs": w.GCS, "az": w.Azure}
			if _, err := cores[c.from].CreateBucket("photos", false).Put(cloudsim.NewObject("k", []byte("body")), cloudsim.Origin{}, nil, nil); err != nil {
				t.Fatal(err)
			}
			target := cores[c.to].CreateBucket("copy", false)
			p := functest.Start(t, slices.Concat(w.Env(), c.env(t, w)), "sync", c.from+"://photos", c.to+"://copy", "k")
			if code := p.Exit(ctx, t); code != 0 || target.Get("k") == nil {
				t.Errorf("exit code %d, copied: %v", code, target.Get("k") != nil)
			}
			calls := w.Calls()
			slices.Sort(calls)
			if got := slices.Compact(calls); !slices.Equal(got, c.calls) {
				t.Errorf("calls: %q", got)
			}
			if leak := w.Leak(p.Stderr() + strings.Join(p.Stdout(), "\n")); leak != "" {
				t.Errorf("a secret is told: %s", leak)
			}
		})
	}
}

// kubernetesConfiguration is what gcloud iam workload-identity-pools
// create-cred-config --credential-source-file writes.
func kubernetesConfiguration(t *testing.T, w *idsim.World) string {
	t.Helper()
	audience := "//iam.googleapis.com/" + idsim.Provider
	b, err := json.Marshal(map[string]any{
		"type": "external_account", "universe_domain": "googleapis.com", "audience": audience,
		"subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "token_url": "https://sts.googleapis.com/v1/token",
		"credential_source": map[string]any{"file": w.Kubernetes(t, audience), "format": map[string]string{"type": "text"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "gcp.json")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// What refuses a file's token, or a variable that contradicts another, is told in
// one line; what has no store to open does not mind.
func TestKeylessRefused(t *testing.T) {
	t.Parallel()
	kubernetes := func(t *testing.T, w *idsim.World) []string {
		return []string{
			"AWS_ROLE_ARN=" + idsim.Role, "AWS_WEB_IDENTITY_TOKEN_FILE=" + w.Kubernetes(t, "sts.amazonaws.com"),
			"AZURE_TENANT_ID=" + idsim.Tenant, "AZURE_CLIENT_ID=" + idsim.Application, "AZURE_FEDERATED_TOKEN_FILE=" + w.Kubernetes(t, "api://AzureADTokenExchange"),
		}
	}
	without := func(*testing.T, *idsim.World) []string {
		return []string{"CROSSFADE_AWS_ROLE_ARN=" + idsim.Role}
	}
	for _, c := range []struct {
		name    string
		env     func(*testing.T, *idsim.World) []string
		args    []string
		service string
		exit    int
		want    string
	}{
		{"by AWS", kubernetes, []string{"sync", "s3://photos", "az://copy", "k"}, "sts", 1, "denied: AWS STS does not give credentials of the role: check AWS_ROLE_ARN, its trust policy and the token of AWS_WEB_IDENTITY_TOKEN_FILE"},
		{"by Azure", kubernetes, []string{"sync", "s3://photos", "az://copy", "k"}, "entra", 1, "denied: the application " + idsim.Application + " (by the token of AZURE_FEDERATED_TOKEN_FILE) was refused by Azure"},
		{"whose identity", without, []string{"sync", "gs://photos", "s3://copy", "k"}, "", 2, "CROSSFADE_AWS_ROLE_ARN is set without CROSSFADE_IDENTITY: set that to the cloud whose identity this process has"},
		{"no store", without, []string{"version"}, "", 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			w := idsim.New(t)
			for _, core := range []*cloudsim.Core{w.S3, w.GCS, w.Azure} {
				core.CreateBucket("photos", false)
				core.CreateBucket("copy", false)
			}
			if c.service != "" {
				w.Refuse(c.service, 403, "AccessDenied")
			}
			p := functest.Start(t, slices.Concat(w.Env(), c.env(t, w)), c.args...)
			if code := p.Exit(ctx, t); code != c.exit {
				t.Errorf("exit code %d, want %d", code, c.exit)
			}
			if !strings.Contains(p.Stderr(), c.want) {
				t.Errorf("standard error %q, want %q", p.Stderr(), c.want)
			}
			if leak := w.Leak(p.Stderr() + strings.Join(p.Stdout(), "\n")); leak != "" {
				t.Errorf("a secret is told: %s", leak)
			}
		})
	}
}
