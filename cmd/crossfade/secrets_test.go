package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// Whatever fails, the command line repeats no credential, on neither stream, at
// any level.
func TestSecretsAreNotTold(t *testing.T) { // not parallel: it sets the environment
	const secret = "hunter2hunter2hunter2"
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		w.Write([]byte("<Error><Code>AccessDenied</Code><Message>no</Message><URL>" + r.URL.String() + "</URL></Error>"))
	}))
	defer refusing.Close()
	for name, value := range map[string]string{
		"HOME": t.TempDir(), "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
		"AWS_SECRET_ACCESS_KEY": secret, "AWS_SESSION_TOKEN": secret, "AWS_ENDPOINT_URL_S3": refusing.URL, "STORAGE_EMULATOR_HOST": refusing.URL,
		"AZURE_STORAGE_CONNECTION_STRING": "BlobEndpoint=" + refusing.URL + "/acct;SharedAccessSignature=sv=2024-01-01&sig=" + secret,
	} {
		t.Setenv(name, value)
	}
	for _, args := range [][]string{
		{"s3://bucket", "gs://bucket"},
		{"gs://bucket", "az://bucket"},
		{"az://bucket", "s3://bucket"},
		{"az://bucket?sv=1&sig=" + secret, "s3://bucket"},
		{"https://acct.blob.core.windows.net/bucket?sig=" + secret, "s3://bucket"},
		{"acct.blob.core.windows.net/bucket?sig=" + secret, "s3://bucket"},
		{"s3://key:" + secret + "@bucket", "gs://bucket"},
		{"s3://key:" + secret + "#x@bucket", "gs://bucket"},
		{"s3://bucket?endpoint=http://u:" + secret + "@h", "gs://bucket"},
		{"s3://bucket?token=" + secret, "gs://bucket"},
		{"s3://bucket", "gs://bucket?token=" + secret},
		{"file:///nowhere?token=" + secret, "gs://bucket"},
	} {
		for _, verb := range []string{"backfill", "verify", "sync"} {
			line := append([]string{verb, "--log-level", "debug"}, args...)
			if verb == "sync" {
				line = append(line, "k")
			}
			c := newCLI(t)
			c.env.openers = drivers()
			code, stdout, stderr := c.run(line...)
			if code == exitDone || stderr == "" || strings.Contains(stdout+stderr, "hunter2") {
				t.Errorf("%q: exit %d, out %q, err %q", line, code, stdout, stderr)
			}
		}
	}
}
