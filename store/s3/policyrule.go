package s3

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	sidPrefix = "CrossfadeFreeze"

	// policyVersion is the one whose policies know variables, such as ${*}.
	policyVersion = "2012-10-17"
)

// deniedActions are those that change what is read of an object, or take it
// away: its bytes, metadata, tags, ACL and locks, and replication into the
// bucket by S3 itself. PutObject covers copies and uploads in parts. S3 refuses a
// policy with an action that it does not know, and partitions learn of new ones
// at different times: hence the wildcards. Aborting uploads and restoring from an
// archive stay allowed ("Actions, resources, and condition keys for Amazon S3").
var deniedActions = []string{"s3:PutObject*", "s3:DeleteObject*", "s3:Replicate*"}

// rule is what DenyWrites adds to a policy.
type rule struct {
	id        string
	partition string
	bucket    string
	prefix    string
	except    []string // ARNs, or patterns of them
}

// sid is the rule's name: a Sid may have letters and digits only.
func (r rule) sid() string {
	sum := sha256.Sum256([]byte(r.id))
	return sidPrefix + hex.EncodeToString(sum[:16])
}

// statement is the rule in a policy of that version; only as for onlySuffix. A
// request without a principal, an anonymous one or an AWS service's own, has no
// aws:PrincipalArn, and a negated condition then holds: it is refused too.
func (r rule) statement(version string, only bool) (string, error) {
	resource, err := r.resource(version)
	if err != nil {
		return "", err
	}
	sid := r.sid()
	if only {
		sid += onlySuffix
	}
	b, err := json.Marshal(struct {
		Sid, Effect, Principal string
		Action                 []string
		Resource               string
		Condition              map[string]map[string][]string
	}{
		sid, "Deny", "*", deniedActions, resource,
		map[string]map[string][]string{"ArnNotLike": {"aws:PrincipalArn": r.except}},
	})
	return string(b), err
}

// resource is all keys below the prefix.
func (r rule) resource(version string) (string, error) {
	prefix := r.prefix
	if strings.ContainsAny(prefix, "*?") || strings.Contains(prefix, "${") {
		if version != policyVersion {
			return "", fmt.Errorf("the prefix %q has a character that is a wildcard in policies, and only Version %s, which the bucket's policy is not, can name it: set its Version, or freeze by a hook", prefix, policyVersion)
		}
		prefix = strings.NewReplacer("*", "${*}", "?", "${?}", "$", "${$}").Replace(prefix)
	}
	return "arn:" + r.partition + ":s3:::" + r.bucket + "/" + prefix + "*", nil
}

// partitionOf is that of a region ("AWS partitions").
func partitionOf(region string) string {
	for _, p := range [][2]string{
		{"cn-", "aws-cn"},
		{"us-gov-", "aws-us-gov"},
		{"us-iso-", "aws-iso"},
		{"us-isob-", "aws-iso-b"},
		{"eu-isoe-", "aws-iso-e"},
		{"us-isof-", "aws-iso-f"},
		{"eusc-", "aws-eusc"},
	} {
		if strings.HasPrefix(region, p[0]) {
			return p[1]
		}
	}
	return "aws"
}

// excepted is the values of aws:PrincipalArn that the principals have.
func excepted(partition string, principals []string) (arns []string, err error) {
	if len(principals) == 0 {
		return nil, errors.New("no principal is excepted, so that the migration's own writes would be refused too: name the ARN of its role")
	}
	for _, p := range principals {
		parts := strings.SplitN(p, ":", 6)
		if len(parts) != 6 || parts[0] != "arn" || parts[3] != "" || !isAccount(parts[4]) || strings.ContainsFunc(p, notInARN) {
			return nil, errNoPrincipal(p)
		}
		if parts[1] != partition {
			return nil, fmt.Errorf("the excepted principal %q is of the partition %s, and the bucket of %s: check the ARN and the bucket's region", p, parts[1], partition)
		}
		kind, name, _ := strings.Cut(parts[5], "/")
		switch service := parts[2]; {
		case service == "iam" && parts[5] == "root",
			service == "iam" && (kind == "role" || kind == "user") && name != "",
			service == "sts" && kind == "federated-user" && name != "":
			arns = append(arns, p)
		case service == "sts" && kind == "assumed-role":
			// As GetCallerIdentity says it: without the role's path, which
			// aws:PrincipalArn has. No two roles of an account share a name.
			role, session, _ := strings.Cut(name, "/")
			if role == "" || session == "" {
				return nil, errNoPrincipal(p)
			}
			of := "arn:" + partition + ":iam::" + parts[4] + ":role/"
			arns = append(arns, of+role, of+"*/"+role)
		default:
			return nil, errNoPrincipal(p)
		}
	}
	slices.Sort(arns)
	return slices.Compact(arns), nil
}

func errNoPrincipal(p string) error {
	return fmt.Errorf("the excepted principal %q is no ARN of an IAM role or user without wildcards, such as arn:aws:iam::123456789012:role/crossfade", p)
}

func isAccount(s string) bool {
	return len(s) == 12 && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}

// notInARN reports what no name has, and what a condition takes for a pattern.
func notInARN(r rune) bool { return r <= ' ' || r > '~' || r == '*' || r == '?' || r == '$' }
