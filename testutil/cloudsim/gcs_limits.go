package cloudsim

import (
	"strings"
	"unicode/utf8"
)

// The limits of Cloud Storage ("Quotas & limits", "Object names").
const (
	gcsMaxName     = 1024
	gcsMaxMetadata = 8 << 10
)

func gcsCheckName(name string) error {
	switch {
	case name == "":
		return gcsFail(400, "required", "InvalidArgument", "Required")
	case len(name) > gcsMaxName:
		return gcsInvalid("The maximum object name length is %d characters, but got a name with %d characters.", gcsMaxName, len(name))
	case !utf8.ValidString(name):
		return gcsInvalid("The object's name is not valid UTF-8.")
	case strings.ContainsAny(name, "\r\n"):
		return gcsInvalid("Disallowed unicode characters present in object name.")
	case name == "." || name == "..":
		return gcsInvalid("Invalid object name: '%s'", name)
	case strings.HasPrefix(name, ".well-known/acme-challenge/"):
		return gcsInvalid("Object names starting with .well-known/acme-challenge/ are not allowed.")
	}
	return nil
}

func gcsCheckMetadata(m map[string]string) error {
	total := 0
	for k, v := range m {
		if k == "" {
			return gcsInvalid("A key of the metadata is empty.")
		}
		if !utf8.ValidString(k) || !utf8.ValidString(v) {
			return gcsInvalid("The metadata are not valid UTF-8.")
		}
		total += len(k) + len(v)
	}
	if total > gcsMaxMetadata {
		return gcsInvalid("The total size of the metadata, %d bytes, exceeds the limit of %d bytes.", total, gcsMaxMetadata)
	}
	return nil
}

// gcsCheckBucket knows the rules for names without dots ("Bucket names").
func gcsCheckBucket(name string) error {
	ok := len(name) >= 3 && len(name) <= 63 && !strings.HasPrefix(name, "goog")
	for i, c := range []byte(name) {
		alnum := c >= 'a' && c <= 'z' || c >= '0' && c <= '9'
		edge := i == 0 || i == len(name)-1
		ok = ok && (alnum || !edge && (c == '-' || c == '_' || c == '.'))
	}
	if !ok {
		return gcsInvalid("Invalid bucket name: '%s'", name)
	}
	return nil
}
