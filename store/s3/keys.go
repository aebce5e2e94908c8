package s3

import (
	"fmt"
	"regexp"
)

// The ends of the variables that the parameter keys names.
const (
	keyID        = "_ACCESS_KEY_ID"
	secretKey    = "_SECRET_ACCESS_KEY"
	sessionToken = "_SESSION_TOKEN"
)

// checkKeys refuses a name of keys that there are none of. On Lambda the AWS_
// variables hold the role of the function, whatever else the target takes.
func (p params) checkKeys(lookup func(string) (string, bool)) error {
	switch {
	case p.keys == "":
		return nil
	case p.profile != "":
		return fmt.Errorf("both profile and keys are given: remove the one whose credentials are not to be used")
	case !regexp.MustCompile(`^[A-Z][A-Z0-9_]*$`).MatchString(p.keys):
		return fmt.Errorf("keys is the beginning of the names of two variables, such as GCS for GCS%s and GCS%s", keyID, secretKey)
	}
	for _, end := range []string{keyID, secretKey} {
		if v, _ := lookup(p.keys + end); v == "" {
			return fmt.Errorf("keys=%s, but %s%s is not set: set it, or correct the name", p.keys, p.keys, end)
		}
	}
	return nil
}
