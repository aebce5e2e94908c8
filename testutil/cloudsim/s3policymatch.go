package cloudsim

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// s3Pattern is a string with wildcards: * for any characters, ? for one.
type s3Pattern []s3Glyph

// s3Glyph is a character, or what stands for some.
type s3Glyph struct {
	r    rune
	kind s3GlyphKind
}

type s3GlyphKind uint8

const (
	s3One s3GlyphKind = iota // r
	s3Any                    // one character
	s3Run                    // any number of characters
)

// newS3Pattern reads a pattern. With variables ${*}, ${?} and ${$} are the
// characters themselves, and others are not implemented ("IAM policy elements:
// Variables and tags").
func newS3Pattern(s string, variables bool) (p s3Pattern, err error) {
	for len(s) > 0 {
		if variables && strings.HasPrefix(s, "${") {
			if len(s) < 4 || s[3] != '}' || !strings.ContainsRune("*?$", rune(s[2])) {
				return nil, s3MalformedPolicy("policy variables are not implemented, but for ${*}, ${?} and ${$}")
			}
			p = append(p, s3Glyph{r: rune(s[2])})
			s = s[4:]
			continue
		}
		r, n := utf8.DecodeRuneInString(s)
		s = s[n:]
		switch r {
		case '*':
			p = append(p, s3Glyph{kind: s3Run})
		case '?':
			p = append(p, s3Glyph{kind: s3Any})
		default:
			p = append(p, s3Glyph{r: r})
		}
	}
	return p, nil
}

// s3Literal is a pattern that only s matches.
func s3Literal(s string) (p s3Pattern) {
	for _, r := range s {
		p = append(p, s3Glyph{r: r})
	}
	return p
}

func (p s3Pattern) match(s string) bool {
	text := []rune(s)
	star, back := -1, 0 // the last * and where its run ends
	i, j := 0, 0
	for j < len(text) {
		switch {
		case i < len(p) && p[i].kind == s3Run:
			star, back = i, j
			i++
		case i < len(p) && (p[i].kind == s3Any || p[i].r == text[j]):
			i++
			j++
		case star >= 0:
			back++
			i, j = star+1, back
		default:
			return false
		}
	}
	for i < len(p) && p[i].kind == s3Run {
		i++
	}
	return i == len(p)
}

// Actions of S3 that apply to objects, and some that apply to buckets ("Actions,
// resources, and condition keys for Amazon S3").
var (
	s3ObjectActions = strings.Fields(`AbortMultipartUpload BypassGovernanceRetention DeleteObject DeleteObjectTagging
		DeleteObjectVersion DeleteObjectVersionTagging GetObject GetObjectAcl GetObjectAttributes GetObjectLegalHold
		GetObjectRetention GetObjectTagging GetObjectTorrent GetObjectVersion GetObjectVersionAcl GetObjectVersionAttributes
		GetObjectVersionForReplication GetObjectVersionTagging GetObjectVersionTorrent InitiateReplication
		ListMultipartUploadParts ObjectOwnerOverrideToBucketOwner PutObject PutObjectAcl PutObjectLegalHold PutObjectRetention
		PutObjectTagging PutObjectVersionAcl PutObjectVersionTagging ReplicateDelete ReplicateObject ReplicateTags RestoreObject`)
	s3BucketActions = strings.Fields(`CreateBucket DeleteBucket DeleteBucketPolicy GetBucketLocation GetBucketPolicy
		GetBucketVersioning GetLifecycleConfiguration ListBucket ListBucketMultipartUploads ListBucketVersions
		PutBucketPolicy PutBucketVersioning PutLifecycleConfiguration`)
)

// s3CheckAction refuses an action that there is not, or that applies to none of
// the resources, as S3 does.
func s3CheckAction(p s3Pattern, resources []string, bucket string) error {
	is := func(action string) bool { return p.match("s3:" + strings.ToLower(action)) }
	onObjects, onBucket := slices.ContainsFunc(s3ObjectActions, is), slices.ContainsFunc(s3BucketActions, is)
	if !onObjects && !onBucket {
		return s3MalformedPolicy("Policy has invalid action")
	}
	for _, r := range resources {
		ofBucket := !strings.HasPrefix(r, bucket+"/")
		if onObjects && r != bucket || onBucket && ofBucket {
			return nil
		}
	}
	return s3MalformedPolicy("Action does not apply to any resource(s) in statement")
}
