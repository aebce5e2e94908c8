package s3_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/s3"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// environment is that of a machine without any AWS configuration.
func environment(t *testing.T, vars map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); strings.HasPrefix(name, "AWS_") {
			t.Setenv(name, "")
		}
	}
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "config"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(dir, "credentials"))
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for k, v := range vars {
		t.Setenv(k, v)
	}
}

func open(t *testing.T, raw string) (store.Store, error) {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return s3.Open(t.Context(), u)
}

func TestOpenRefuses(t *testing.T) {
	environment(t, map[string]string{"AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey})
	for raw, want := range map[string]string{
		"s3://b?regoin=x":                           `unknown query parameter "regoin": known are endpoint, keys, path_style, profile, region`,
		"s3://b":                                    "no region: set AWS_REGION, or write s3://b?region=REGION",
		"s3:///x":                                   "names no bucket",
		"s3://b?endpoint=host:9":                    "endpoint is no URL",
		"s3://b?endpoint=https://user:pass@host":    "endpoint is no URL",
		"s3://b?region=r&path_style=maybe":          `path_style="maybe" is neither true nor false`,
		"s3://b--use1-az4--x-s3?region=us-east-1":   "directory buckets",
		"s3://b?region=us-east-1&profile=not-there": "not-there",
		"s3://b?region=r&profile=p&keys=GCS":        "both profile and keys are given",
		"s3://b?region=r&keys=AKIAsecret/key":       "keys is the beginning of the names of two variables",
		"s3://b?region=r&keys=NOT_SET":              "keys=NOT_SET, but NOT_SET_ACCESS_KEY_ID is not set",
	} {
		_, err := open(t, raw)
		if err == nil || !strings.Contains(err.Error(), want) || store.KindOf(err) != store.Invalid {
			t.Errorf("%s: %v, want %q", raw, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "pass") && strings.Contains(raw, "user:pass") {
			t.Errorf("%s: the error repeats the password", raw)
		}
	}
}

// TestOpenWorks goes through each way to name a server.
func TestOpenWorks(t *testing.T) {
	srv := serve(t, cloudsim.S3Options{})
	b := srv.core.CreateBucket("b", false)
	keys := map[string]string{"AWS_ACCESS_KEY_ID": accessKey, "AWS_SECRET_ACCESS_KEY": secretKey}
	for name, tc := range map[string]struct {
		raw string
		env map[string]string
	}{
		"query":       {"s3://b/dir?endpoint=" + srv.url + "&region=us-east-1", keys},
		"no region":   {"s3://b/dir?endpoint=" + srv.url, keys},
		"service env": {"s3://b/dir/", map[string]string{"AWS_ENDPOINT_URL_S3": srv.url}},
		"global env":  {"s3://b/dir", map[string]string{"AWS_ENDPOINT_URL": srv.url, "AWS_REGION": "us-east-1"}},
		"profile":     {"s3://b/dir?profile=p", nil},
		"keys": {"s3://b/dir?keys=OTHER&region=us-east-1&endpoint=" + srv.url, map[string]string{
			"OTHER_ACCESS_KEY_ID": accessKey, "OTHER_SECRET_ACCESS_KEY": secretKey, "AWS_ACCESS_KEY_ID": "theirs", "AWS_SECRET_ACCESS_KEY": "theirs", "AWS_SESSION_TOKEN": "theirs",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			environment(t, keys)
			for k, v := range tc.env {
				t.Setenv(k, v)
			}
			if name == "profile" {
				t.Setenv("AWS_ACCESS_KEY_ID", "")
				t.Setenv("AWS_SECRET_ACCESS_KEY", "")
				config := "[profile p]\nregion = us-east-1\nendpoint_url = " + srv.url + "\naws_access_key_id = " + accessKey + "\naws_secret_access_key = " + secretKey + "\n"
				if err := os.WriteFile(os.Getenv("AWS_CONFIG_FILE"), []byte(config), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			s, err := open(t, tc.raw)
			if err != nil {
				t.Fatal(err)
			}
			c, ok := store.As[store.Checker](s)
			if !ok || c.Check(t.Context()) != nil {
				t.Errorf("check: %v", c.Check(t.Context()))
			}
			if _, err := s.Put(t.Context(), name, store.Bytes("x"), store.PutOptions{If: store.IfAbsent()}); err != nil || b.Get("dir/"+name) == nil {
				t.Errorf("put: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestCheckAdvises wants one line that says what to do.
func TestCheckAdvises(t *testing.T) {
	srv := serve(t, cloudsim.S3Options{Region: "eu-west-1"})
	srv.core.CreateBucket("b", false)
	moved := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("x-amz-bucket-region", "eu-central-1")
		w.WriteHeader(http.StatusMovedPermanently)
		w.Write([]byte("<Error><Code>PermanentRedirect</Code><Message>m</Message></Error>"))
	}))
	t.Cleanup(moved.Close)
	refused := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		w.Write([]byte("<Error><Code>AccessDenied</Code><Message>m</Message></Error>"))
	}))
	t.Cleanup(refused.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for name, tc := range map[string]struct {
		raw, secret string
		want        string
		kind        store.Kind
	}{
		"no bucket":    {"s3://nobucket?region=eu-west-1&endpoint=" + srv.url, secretKey, "there is no bucket nobucket", store.Unavailable},
		"wrong secret": {"s3://b?region=eu-west-1&endpoint=" + srv.url, "wrong", "the credentials are not accepted", store.Denied},
		"wrong region": {"s3://b?region=eu-west-2&endpoint=" + srv.url, secretKey, "the bucket is in another region", store.Denied},
		"moved":        {"s3://b?region=eu-west-2&endpoint=" + moved.URL, secretKey, "write s3://b?region=eu-central-1", store.Unavailable},
		"refused":      {"s3://b?region=eu-west-2&endpoint=" + refused.URL, secretKey, "s3:ListBucket", store.Denied},
		"no server":    {"s3://b?region=eu-west-2&endpoint=" + gone.URL, secretKey, "cannot be reached", store.Unavailable},
		"none at all":  {"s3://b?region=eu-west-1&endpoint=" + srv.url, "", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE", store.Denied},
	} {
		t.Run(name, func(t *testing.T) {
			environment(t, map[string]string{"AWS_MAX_ATTEMPTS": "1"})
			if tc.secret != "" {
				t.Setenv("AWS_ACCESS_KEY_ID", accessKey)
				t.Setenv("AWS_SECRET_ACCESS_KEY", tc.secret)
			}
			s, err := open(t, tc.raw)
			if err != nil {
				t.Fatal(err)
			}
			c, _ := store.As[store.Checker](s)
			err = c.Check(t.Context())
			e, ok := errors.AsType[*store.Error](err)
			if !ok || e.Kind != tc.kind || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%v, want %v %q", err, tc.kind, tc.want)
			}
		})
	}
}
