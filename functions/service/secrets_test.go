package service_test

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/service"
)

const secret = "hunter2hunter2hunter2"

// However a start or a Sync fails, and whatever is wrong with the environment,
// nothing of a credential is said.
func TestSecretsAreNotTold(t *testing.T) { // not parallel: it sets the environment
	key := base64.StdEncoding.EncodeToString([]byte(secret))
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		// Services name what they were sent; none of it is to be repeated.
		w.Write([]byte("<Error><Code>AccessDenied</Code><Message>no</Message><Token-0>" + secret + "</Token-0><URL>" + r.URL.String() + "</URL></Error>"))
	}))
	defer refusing.Close()
	host := strings.TrimPrefix(refusing.URL, "http://")
	file := filepath.Join(t.TempDir(), "credentials.json")
	if err := os.WriteFile(file, []byte(`{"type":"service_account","private_key":"`+secret+`","client_email":"x@y","token_uri":"http://`+host+`/token"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(t.TempDir(), "broken.json")
	if err := os.WriteFile(broken, []byte(`{"type":"authorized_user","refresh_token":"`+secret+``), 0o600); err != nil {
		t.Fatal(err)
	}
	base := []string{
		"HOME=" + t.TempDir(), "AWS_EC2_METADATA_DISABLED=true", "AWS_REGION=us-east-1", "AWS_MAX_ATTEMPTS=1",
		"AWS_ACCESS_KEY_ID=AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY=" + secret, "AWS_SESSION_TOKEN=" + secret, "AWS_ENDPOINT_URL_S3=" + refusing.URL,
		"STORAGE_EMULATOR_HOST=" + refusing.URL, "GOOGLE_APPLICATION_CREDENTIALS=" + file, "AZURE_STORAGE_ACCOUNT=", "AZURE_STORAGE_KEY=", "AZURE_STORAGE_SAS_TOKEN=",
		"AZURE_STORAGE_CONNECTION_STRING=BlobEndpoint=" + refusing.URL + "/acct;SharedAccessSignature=sv=2024-01-01&sig=" + secret,
	}
	for _, c := range []struct {
		name, source, target string
		environ              []string
	}{
		{"denied by S3", "s3://photos", "gs://copy", nil},
		{"denied by GCS", "gs://photos", "s3://copy", nil},
		{"denied by Azure, with a signature", "az://photos", "s3://copy", nil},
		{"denied by Azure, with a key", "az://photos", "s3://copy", []string{"AZURE_STORAGE_CONNECTION_STRING=DefaultEndpointsProtocol=http;AccountName=acct;AccountKey=" + key + ";BlobEndpoint=" + refusing.URL + "/acct"}},
		{"no S3 there", "s3://photos", "gs://copy", []string{"AWS_ENDPOINT_URL_S3=http://127.0.0.1:1"}},
		{"no GCS there", "gs://photos", "s3://copy", []string{"STORAGE_EMULATOR_HOST=http://127.0.0.1:1"}},
		{"no Azure there", "az://photos", "s3://copy", []string{"AZURE_STORAGE_CONNECTION_STRING=BlobEndpoint=http://127.0.0.1:1/acct;SharedAccessSignature=sv=2024-01-01&sig=" + secret}},
		{"S3 endpoint with a password", "s3://photos", "gs://copy", []string{"AWS_ENDPOINT_URL_S3=http://user:" + secret + "@127.0.0.1:1"}},
		{"S3 endpoint that is none", "s3://photos", "gs://copy", []string{"AWS_ENDPOINT_URL_S3=http://user:" + secret + "@127.0.0.1:x/%zz"}},
		{"GCS endpoint with a password", "gs://photos", "s3://copy", []string{"STORAGE_EMULATOR_HOST=http://user:" + secret + "@127.0.0.1:1"}},
		{"GCS endpoint that is none", "gs://photos", "s3://copy", []string{"STORAGE_EMULATOR_HOST=http://user:" + secret + "@%zz"}},
		{"a key that is none", "gs://photos", "s3://copy", []string{"STORAGE_EMULATOR_HOST="}},
		{"a broken file", "gs://photos", "s3://copy", []string{"STORAGE_EMULATOR_HOST=", "GOOGLE_APPLICATION_CREDENTIALS=" + broken}},
		{"a connection string that is none", "az://photos", "s3://copy", []string{"AZURE_STORAGE_CONNECTION_STRING=" + secret}},
		{"a connection string cut short", "az://photos", "s3://copy", []string{"AZURE_STORAGE_CONNECTION_STRING=AccountName=acct;AccountKey=" + secret + "!"}},
		{"an account key that is none", "az://photos", "s3://copy", []string{"AZURE_STORAGE_CONNECTION_STRING=", "AZURE_STORAGE_ACCOUNT=acct", "AZURE_STORAGE_KEY=" + secret + "!"}},
		{"a signature that is none", "az://photos", "s3://copy", []string{"AZURE_STORAGE_CONNECTION_STRING=", "AZURE_STORAGE_ACCOUNT=acct", "AZURE_STORAGE_SAS_TOKEN=" + secret}},
		{"a signature in the URL", "https://acct.blob.core.windows.net/photos?sv=1&sig=" + secret, "s3://copy", nil},
		{"a password in the URL", "s3://key:" + secret + "@photos", "gs://copy", nil},
		{"a password in an endpoint", "s3://photos?endpoint=http://u:" + secret + "@h", "gs://copy", nil},
		{"a parameter that is none", "s3://photos?secret=" + secret, "gs://copy", nil},
		{"no scheme", "acct.blob.core.windows.net/photos?sig=" + secret, "gs://copy", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			setenv(t, base)
			setenv(t, c.environ)
			environ := []string{"CROSSFADE_SOURCE=" + c.source, "CROSSFADE_TARGET=" + c.target, "CROSSFADE_LOG_LEVEL=debug"}
			scheme, _, _ := strings.Cut(c.source, "://")
			if scheme == "https" {
				scheme = "az"
			}
			var said bytes.Buffer
			svc, err := service.Start(t.Context(), service.Setup{
				Scheme: scheme, Openers: drivers, Environ: environ, Out: &said, Now: time.Now, Timeout: 5 * time.Second,
				Lookup: func(name string) (string, bool) {
					for _, e := range environ {
						if n, v, _ := strings.Cut(e, "="); n == name {
							return v, true
						}
					}
					return "", false
				},
			})
			if err == nil {
				svc.Processor.Process(t.Context(), []functions.Event{{Bucket: "photos", Key: "k"}})
				svc.Close()
			} else if code := service.Exit(&said, "crossfade", err); code != 1 && code != 2 {
				t.Errorf("exit code %d", code)
			}
			if text := said.String(); text == "" || strings.Contains(text, secret) || strings.Contains(text, key) || strings.Contains(text, "hunter2") {
				t.Errorf("said %s", text)
			}
		})
	}
}
