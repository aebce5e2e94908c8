package token_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/crossfade-io/crossfade/store/token"
)

func TestScrub(t *testing.T) {
	t.Parallel()
	const jwt = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJodHRwczovL2FjY291bnRzIn0.c2lnbmF0dXJl"
	for in, want := range map[string]string{
		"": "",
		"Not authorized to perform sts:AssumeRoleWithWebIdentity":                        "Not authorized to perform sts:AssumeRoleWithWebIdentity",
		"AADSTS700213: No record for subject '" + jwt + "'.\r\nTrace ID:\t0":             "AADSTS700213: No record for subject '[redacted]'. Trace ID: 0",
		"the token " + jwt[:30] + " is cut":                                              "the token [redacted] is cut",
		"Bearer ya29.a0Ab_Cd-Ef.gh is expired":                                           "Bearer [redacted] is expired",
		"//iam.googleapis.com/projects/123456789/locations/global/workloadIdentityPools": "//iam.googleapis.com/projects/123456789/locations/global/workloadIdentityPools",
		"arn:aws:iam::123456789012:role/service-role/crossfade-replicate-photos":         "arn:aws:iam::123456789012:role/service-role/crossfade-replicate-photos",
		"application aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeee1 of 11111111-2222-3333":         "application aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeee1 of 11111111-2222-3333",
		"https://0a1b2c3d-0000-1111-2222-333344445555.tokens.sts.global.api.aws":         "https://0a1b2c3d-0000-1111-2222-333344445555.tokens.sts.global.api.aws",
		"\x1b[31mred\x00":        "[31mred",
		"the secret s3cr%t here": "the secret [redacted] here",
		"as s3cr%25t in a query": "as [redacted] in a query",
	} {
		if got := token.Scrub(in, "s3cr%t", ""); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got := token.Scrub(strings.Repeat("ü ", 1000)); len(got) > 410 || !strings.HasSuffix(got, "…") {
		t.Errorf("%d bytes", len(got))
	}
}

// Of random bytes, in the encodings that tokens have, and as a query repeats
// them, no piece survives.
func TestScrubHidesTokens(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		raw := make([]byte, rapid.IntRange(64, 400).Draw(t, "length"))
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		for i := range raw {
			raw[i] = byte(random.Uint32())
		}
		secret := rapid.SampledFrom([]func([]byte) string{
			base64.StdEncoding.EncodeToString, base64.URLEncoding.EncodeToString, base64.RawURLEncoding.EncodeToString, hex.EncodeToString,
			func(b []byte) string { return url.QueryEscape(base64.StdEncoding.EncodeToString(b)) },
			func(b []byte) string {
				half := base64.RawURLEncoding.EncodeToString(b[:len(b)/2])
				return "eyJ" + half + "." + half + "." + base64.RawURLEncoding.EncodeToString(b[len(b)/2:])
			},
		}).Draw(t, "encoding")(raw)
		around := rapid.SampledFrom([]string{"you sent %s.", "'%s'", `{"subject_token":"%s"}`, "Token=%s&x", "(%s)"}).Draw(t, "around")
		scrubbed := token.Scrub(fmt.Sprintf(around, secret))
		for i := 0; i+12 <= len(secret); i++ {
			if piece := secret[i : i+12]; strings.Contains(scrubbed, piece) {
				t.Fatalf("%q of %q is left in %q", piece, secret, scrubbed)
			}
		}
	})
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"error":"invalid_grant","error_description":"no such\nprovider"}`:                     "status 403, invalid_grant, no such provider",
		`{"error":{"code":403,"status":"PERMISSION_DENIED","message":"denied on the account"}}`: "status 403, PERMISSION_DENIED, denied on the account",
		`{"error":"invalid_client"}`:                       "status 403, invalid_client",
		`{"error":7}`:                                      "status 403",
		`{"message":"eyJhbGciOiJSUzI1NiJ9.e30.x"}`:         "status 403",
		`<html>eyJhbGciOiJSUzI1NiJ9.e30.x</html>`:          "status 403",
		`{"error":"x","error_description":"header-value"}`: "status 403, x, [redacted]",
		`{"error":"unauthorized","error_description":"eyJhbGciOiJSUzI1NiJ9.e30.x of ya29.secret rejected"}`: "status 403, unauthorized, [redacted] of [redacted] rejected",
		``: "status 403",
	} {
		if got := token.Answer(403, []byte(body), "header-value"); got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
}

func TestKeysTellNothing(t *testing.T) {
	t.Parallel()
	k := token.Keys{AccessKeyID: "AKIA", SecretAccessKey: "secret", SessionToken: "session", Region: "r"}
	if got := fmt.Sprintf("%v %+v %#v %s %q", k, k, k, k, &k); strings.Contains(got, "secret") || strings.Contains(got, "session") {
		t.Error(got)
	}
}
