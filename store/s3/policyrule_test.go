package s3

import (
	"slices"
	"strings"
	"testing"
)

func TestExcepted(t *testing.T) {
	t.Parallel()
	const role = "arn:aws:iam::123456789012:role/"
	for _, tc := range []struct{ given, want []string }{
		{[]string{role + "b", role + "path/a", role + "b"}, []string{role + "b", role + "path/a"}},
		{[]string{"arn:aws:iam::123456789012:root"}, []string{"arn:aws:iam::123456789012:root"}},
		{[]string{"arn:aws:iam::123456789012:user/u+=,.@-_"}, []string{"arn:aws:iam::123456789012:user/u+=,.@-_"}},
		{[]string{"arn:aws:sts::123456789012:federated-user/f"}, []string{"arn:aws:sts::123456789012:federated-user/f"}},
		{[]string{"arn:aws:sts::123456789012:assumed-role/r/i-0"}, []string{role + "*/r", role + "r"}},
	} {
		got, err := excepted("aws", tc.given)
		if err != nil || !slices.Equal(got, tc.want) {
			t.Errorf("%q: %q, %v", tc.given, got, err)
		}
	}
	for _, p := range []string{
		"", "*", "crossfade", "123456789012", role + "*", role + "a?", role + "${aws:username}", role, role + "a b", role + "\u00fc", role + "a\n",
		"arn:aws:iam::*:role/r", "arn:aws:iam::12345678901x:role/r", "arn:aws:iam:us-east-1:123456789012:role/r", "arn:aws:iam::123456789012:group/g",
		"arn:aws:iam::123456789012:root/x", "arn:aws:sts::123456789012:assumed-role/r", "arn:aws:sts::123456789012:assumed-role/r/", "arn:aws:s3:::b",
		"arn:aws:iam::123456789012:assumed-role/r/s", "arn:aws:sts::123456789012:role/r",
	} {
		if got, err := excepted("aws", []string{role + "r", p}); err == nil || !strings.Contains(err.Error(), "such as arn:aws:iam::") {
			t.Errorf("%q: %q, %v", p, got, err)
		}
	}
	if _, err := excepted("aws-cn", []string{role + "r"}); err == nil || !strings.Contains(err.Error(), "of the partition aws, and the bucket of aws-cn") {
		t.Errorf("another partition: %v", err)
	}
	if _, err := excepted("aws", nil); err == nil || !strings.Contains(err.Error(), "name the ARN") {
		t.Errorf("none: %v", err)
	}
}

func TestPartition(t *testing.T) {
	t.Parallel()
	for region, want := range map[string]string{
		"": "aws", "us-east-1": "aws", "cn-north-1": "aws-cn", "us-gov-west-1": "aws-us-gov", "us-iso-east-1": "aws-iso",
		"us-isob-east-1": "aws-iso-b", "eu-isoe-west-1": "aws-iso-e", "us-isof-south-1": "aws-iso-f", "eusc-de-east-1": "aws-eusc",
	} {
		if got := partitionOf(region); got != want {
			t.Errorf("%s: %s, want %s", region, got, want)
		}
	}
}

// Wildcards in a prefix are named so that no other key is denied.
func TestResource(t *testing.T) {
	t.Parallel()
	for prefix, want := range map[string]string{
		"": "b/*", "a/": "b/a/*", "a*b?/": "b/a${*}b${?}/*", "$/": "b/$/*", "${x}/": "b/${$}{x}/*",
	} {
		r := someRule("m")
		r.prefix = prefix
		if got, err := r.resource(policyVersion); err != nil || got != "arn:aws:s3:::"+want {
			t.Errorf("%s: %s, %v", prefix, got, err)
		}
		if got, err := r.resource("2008-10-17"); (err == nil) != (prefix == "" || prefix == "a/" || prefix == "$/") {
			t.Errorf("%s without variables: %s, %v", prefix, got, err)
		}
	}
}
