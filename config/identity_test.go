package config

import (
	"strings"
	"testing"
)

const (
	testRole     = "arn:aws:iam::123456789012:role/path/crossfade"
	testProvider = "projects/123/locations/global/workloadIdentityPools/pool/providers/aws"
	testAccount  = "crossfade@example.iam.gserviceaccount.com"
)

func TestIdentityFromEnv(t *testing.T) {
	t.Parallel()
	type env map[string]string
	for _, c := range []struct {
		name     string
		platform string
		env      env
		want     Identity
		errs     []string // a part of each line
	}{
		{"nothing", "", nil, Identity{}, nil},
		{"nothing, on a platform", AWS, nil, Identity{Cloud: AWS}, nil},
		{
			"on AWS", AWS,
			env{"CROSSFADE_GCP_AUDIENCE": " " + testProvider + " ", "CROSSFADE_GCP_SERVICE_ACCOUNT": testAccount},
			Identity{Cloud: AWS, GCPAudience: "//iam.googleapis.com/" + testProvider, GCPServiceAccount: testAccount},
			nil,
		},
		{
			"the provider as an audience", "",
			env{"CROSSFADE_IDENTITY": "aws", "CROSSFADE_GCP_AUDIENCE": "//iam.googleapis.com/" + testProvider},
			Identity{Cloud: AWS, GCPAudience: "//iam.googleapis.com/" + testProvider},
			nil,
		},
		{
			"the provider as a URL", AWS,
			env{"CROSSFADE_GCP_AUDIENCE": "https://iam.googleapis.com/" + testProvider},
			Identity{Cloud: AWS, GCPAudience: "//iam.googleapis.com/" + testProvider},
			nil,
		},
		{"on Google", Google, env{"CROSSFADE_IDENTITY": "google", "CROSSFADE_AWS_ROLE_ARN": testRole}, Identity{Cloud: Google, AWSRole: testRole}, nil},
		{
			"on Azure", Azure,
			env{"CROSSFADE_AWS_ROLE_ARN": testRole, "CROSSFADE_IDENTITY_AUDIENCE": "api://x"},
			Identity{Cloud: Azure, AWSRole: testRole, Audience: "api://x"},
			nil,
		},
		{"keys of its own, on AWS", AWS, env{"AWS_ACCESS_KEY_ID": "x", "CROSSFADE_GCP_AUDIENCE": testProvider}, Identity{Cloud: AWS, GCPAudience: "//iam.googleapis.com/" + testProvider}, nil},

		{"no such cloud", "", env{"CROSSFADE_IDENTITY": "gcp"}, Identity{}, []string{`CROSSFADE_IDENTITY: "gcp" is no identity: write aws, google or azure`}},
		{"another cloud", AWS, env{"CROSSFADE_IDENTITY": "azure"}, Identity{}, []string{"CROSSFADE_IDENTITY is azure, but this function has the identity of aws: remove"}},
		{"whose", "", env{"CROSSFADE_GCP_AUDIENCE": testProvider}, Identity{}, []string{"CROSSFADE_GCP_AUDIENCE is set without CROSSFADE_IDENTITY"}},
		{"whose audience", "", env{"CROSSFADE_IDENTITY_AUDIENCE": "x"}, Identity{}, []string{"CROSSFADE_IDENTITY_AUDIENCE is set without CROSSFADE_IDENTITY"}},
		{"a role's name", Google, env{"CROSSFADE_AWS_ROLE_ARN": "crossfade"}, Identity{}, []string{`CROSSFADE_AWS_ROLE_ARN: "crossfade" is no role`}},
		{"a role's session", Google, env{"CROSSFADE_AWS_ROLE_ARN": "arn:aws:sts::123456789012:assumed-role/x/y"}, Identity{}, []string{"is no role"}},
		{"a role on AWS", AWS, env{"CROSSFADE_AWS_ROLE_ARN": testRole}, Identity{}, []string{"CROSSFADE_AWS_ROLE_ARN is set, but this process has an identity of AWS already"}},
		{"a role and keys", Google, env{"CROSSFADE_AWS_ROLE_ARN": testRole, "AWS_ACCESS_KEY_ID": "x"}, Identity{}, []string{"both CROSSFADE_AWS_ROLE_ARN and AWS_ACCESS_KEY_ID are set"}},
		{"a role and a file", Google, env{"CROSSFADE_AWS_ROLE_ARN": testRole, "AWS_WEB_IDENTITY_TOKEN_FILE": "/x"}, Identity{}, []string{"both CROSSFADE_AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE are set"}},
		{"a project's id", AWS, env{"CROSSFADE_GCP_AUDIENCE": strings.Replace(testProvider, "123", "example", 1)}, Identity{}, []string{"is no provider of a workload identity pool: write projects/NUMBER/"}},
		{"a provider on Google", Google, env{"CROSSFADE_GCP_AUDIENCE": testProvider}, Identity{}, []string{"CROSSFADE_GCP_AUDIENCE is set, but this process has an identity of Google already"}},
		{"a provider and a file", AWS, env{"CROSSFADE_GCP_AUDIENCE": testProvider, "GOOGLE_APPLICATION_CREDENTIALS": "/x"}, Identity{}, []string{"both CROSSFADE_GCP_AUDIENCE and GOOGLE_APPLICATION_CREDENTIALS are set"}},
		{"an account alone", AWS, env{"CROSSFADE_GCP_SERVICE_ACCOUNT": testAccount}, Identity{}, []string{"CROSSFADE_GCP_SERVICE_ACCOUNT is set without CROSSFADE_GCP_AUDIENCE"}},
		{"an account's path", AWS, env{"CROSSFADE_GCP_AUDIENCE": testProvider, "CROSSFADE_GCP_SERVICE_ACCOUNT": "x/../y@a.gserviceaccount.com"}, Identity{}, []string{"is no service account: write its address"}},
		{"no audience", Azure, env{"CROSSFADE_GCP_AUDIENCE": testProvider}, Identity{}, []string{"CROSSFADE_IDENTITY_AUDIENCE is not set: set it to the application ID URI"}},
		{
			"all of it", "",
			env{"CROSSFADE_AWS_ROLE_ARN": "x", "CROSSFADE_GCP_SERVICE_ACCOUNT": "y"},
			Identity{},
			[]string{"CROSSFADE_AWS_ROLE_ARN is set without", "CROSSFADE_GCP_SERVICE_ACCOUNT is set without CROSSFADE_IDENTITY", `"x" is no role`, "CROSSFADE_GCP_SERVICE_ACCOUNT is set without CROSSFADE_GCP_AUDIENCE"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := IdentityFromEnv(func(name string) (string, bool) { v, ok := c.env[name]; return v, ok }, c.platform)
			if c.errs == nil {
				if err != nil || got != c.want {
					t.Errorf("%+v, %v; want %+v", got, err, c.want)
				}
				return
			}
			if err == nil {
				t.Fatalf("accepted as %+v", got)
			}
			lines := strings.Split(err.Error(), "\n")
			if len(lines) != len(c.errs) {
				t.Fatalf("%d lines, want %d: %q", len(lines), len(c.errs), lines)
			}
			for i, want := range c.errs {
				if !strings.Contains(lines[i], want) {
					t.Errorf("line %d: %q, want %q", i, lines[i], want)
				}
			}
		})
	}
}

// The variables of the identity are known to the functions' configuration.
func TestFromEnvKnowsIdentity(t *testing.T) {
	t.Parallel()
	env := map[string]string{"CROSSFADE_SOURCE": "s3://photos", "CROSSFADE_TARGET": "gs://copy"}
	var environ []string
	for _, name := range identityVariables() {
		environ = append(environ, name+"=x")
	}
	lookup := func(name string) (string, bool) { v, ok := env[name]; return v, ok }
	if _, err := FromEnv(lookup, environ); err != nil {
		t.Error(err)
	}
	if _, err := FromEnv(lookup, []string{"CROSSFADE_AWS_ROLE=x"}); err == nil || !strings.Contains(err.Error(), "did you mean CROSSFADE_AWS_ROLE_ARN?") {
		t.Error(err)
	}
}
