package s3_test

import (
	"net/url"
	"testing"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/s3"
)

func TestConditionsInDoubt(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL_S3", "")
	t.Setenv("AWS_ENDPOINT_URL", "")
	for query, want := range map[string]bool{
		"region=eu-central-1": false,
		"region=eu-central-1&endpoint=https://s3.dualstack.eu-central-1.amazonaws.com": false,
		"region=eu-central-1&endpoint=https://storage.googleapis.com":                  false,
		"region=eu-central-1&endpoint=http://127.0.0.1:9000":                           true,
		"region=eu-central-1&endpoint=https://amazonaws.com.example.org":               true,
	} {
		s, err := s3.Open(t.Context(), &url.URL{Scheme: "s3", Host: "bucket", RawQuery: query})
		if err != nil {
			t.Fatal(err)
		}
		doubt, ok := store.As[store.ConditionsInDoubt](s)
		if !ok || doubt.ConditionsInDoubt() != want {
			t.Errorf("%s: in doubt %v, want %v", query, !want, want)
		}
	}
}
