package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The clouds whose identity a process may have.
const (
	AWS    = "aws"
	Google = "google"
	Azure  = "azure"
)

// Identity is how a process without keys logs in to the stores of the other
// clouds: by the identity that the cloud it runs on gives it. Its zero value
// leaves everything to the default credentials of the SDKs.
type Identity struct {
	Cloud    string // AWS, Google, Azure or "": CROSSFADE_IDENTITY, or the platform's
	Audience string // CROSSFADE_IDENTITY_AUDIENCE: whom its tokens are for; "" for the default

	AWSRole           string // CROSSFADE_AWS_ROLE_ARN: to assume for s3:// stores
	GCPAudience       string // CROSSFADE_GCP_AUDIENCE, as //iam.googleapis.com/…: the provider that lets it in to gs:// stores
	GCPServiceAccount string // CROSSFADE_GCP_SERVICE_ACCOUNT: to act as there; "" for the federated principal itself
}

const (
	envIdentity          = envPrefix + "IDENTITY"
	envIdentityAudience  = envPrefix + "IDENTITY_AUDIENCE"
	envAWSRole           = envPrefix + "AWS_ROLE_ARN"
	envGCPAudience       = envPrefix + "GCP_AUDIENCE"
	envGCPServiceAccount = envPrefix + "GCP_SERVICE_ACCOUNT"
)

// identityVariables are those that IdentityFromEnv reads.
func identityVariables() []string {
	return []string{envIdentity, envIdentityAudience, envAWSRole, envGCPAudience, envGCPServiceAccount}
}

const (
	iamHost         = "//iam.googleapis.com/"
	rolePattern     = `^arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+$`
	providerPattern = `^projects/[0-9]+/locations/global/workloadIdentityPools/[a-z0-9-]+/providers/[a-z0-9-]+$`
	accountPattern  = `^[a-z0-9-]+@[a-z0-9.-]+\.gserviceaccount\.com$`
)

// IdentityFromEnv reads the identity. platform is the cloud that the program can
// only run on, "" where it may be any. All that is wrong or contradictory is
// returned, one line each.
func IdentityFromEnv(lookup func(string) (string, bool), platform string) (Identity, error) {
	get := func(name string) string {
		v, _ := lookup(name)
		return strings.TrimSpace(v)
	}
	id := Identity{
		Cloud:             get(envIdentity),
		Audience:          get(envIdentityAudience),
		AWSRole:           get(envAWSRole),
		GCPServiceAccount: get(envGCPServiceAccount),
	}
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	switch {
	case id.Cloud == "":
		if id.Cloud = platform; platform == "" {
			for _, name := range identityVariables()[1:] {
				if get(name) != "" {
					fail("%s is set without %s: set that to the cloud whose identity this process has, aws, google or azure", name, envIdentity)
				}
			}
		}
	case !slices.Contains([]string{AWS, Google, Azure}, id.Cloud):
		fail("%s: %q is no identity: write aws, google or azure, the cloud that this process runs on", envIdentity, id.Cloud)
	case platform != "" && id.Cloud != platform:
		fail("%s is %s, but this function has the identity of %s: remove the variable", envIdentity, id.Cloud, platform)
		id.Cloud = platform // for the rest
	}
	if id.AWSRole != "" {
		errs = append(errs, id.checkRole(get)...)
	}
	if provider := get(envGCPAudience); provider != "" {
		id.GCPAudience = iamHost + strings.TrimPrefix(strings.TrimPrefix(provider, "https:"), iamHost)
		errs = append(errs, id.checkProvider(provider, get)...)
	}
	switch {
	case id.GCPServiceAccount == "":
	case get(envGCPAudience) == "":
		fail("%s is set without %s: set that to the provider of the workload identity pool, or remove this", envGCPServiceAccount, envGCPAudience)
	case !regexp.MustCompile(accountPattern).MatchString(id.GCPServiceAccount):
		fail("%s: %q is no service account: write its address, such as name@project.iam.gserviceaccount.com", envGCPServiceAccount, id.GCPServiceAccount)
	}
	if id.Cloud == Azure && id.Audience == "" && (id.AWSRole != "" || id.GCPAudience != "") {
		fail("%s is not set: set it to the application ID URI (api://…) for which the managed identity asks its tokens, and which the other cloud expects", envIdentityAudience)
	}
	return id, errors.Join(errs...)
}

func (id *Identity) checkRole(get func(string) string) (errs []error) {
	if !regexp.MustCompile(rolePattern).MatchString(id.AWSRole) {
		errs = append(errs, fmt.Errorf("%s: %q is no role: write its ARN, such as arn:aws:iam::123456789012:role/crossfade", envAWSRole, id.AWSRole))
	}
	if id.Cloud == AWS {
		errs = append(errs, fmt.Errorf("%s is set, but this process has an identity of AWS already: remove the variable, and permit its own role what it needs", envAWSRole))
	}
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE"} {
		if id.Cloud != AWS && get(name) != "" {
			errs = append(errs, fmt.Errorf("both %s and %s are set: remove the one whose credentials are not to be used", envAWSRole, name))
		}
	}
	return errs
}

func (id *Identity) checkProvider(given string, get func(string) string) (errs []error) {
	if !regexp.MustCompile(providerPattern).MatchString(strings.TrimPrefix(id.GCPAudience, iamHost)) {
		errs = append(errs, fmt.Errorf("%s: %q is no provider of a workload identity pool: write projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER, with the project's number", envGCPAudience, given))
	}
	if id.Cloud == Google {
		errs = append(errs, fmt.Errorf("%s is set, but this process has an identity of Google already: remove the variable, and grant its own service account what it needs", envGCPAudience))
	}
	if get("GOOGLE_APPLICATION_CREDENTIALS") != "" {
		errs = append(errs, fmt.Errorf("both %s and GOOGLE_APPLICATION_CREDENTIALS are set: remove the one whose credentials are not to be used", envGCPAudience))
	}
	return errs
}
