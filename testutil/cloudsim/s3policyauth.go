package cloudsim

import (
	"fmt"
	"net/http"
	"strings"
)

// s3Root is the principal of access keys that S3Options.Principals does not
// name.
const s3Root = "arn:aws:iam::111122223333:root"

// principal is whose request q is, "" for anonymous ones. Where signatures are
// not checked it is who the request says it is.
func (f *s3Face) principal(q *s3Request) string {
	credential := q.query.Get("X-Amz-Credential")
	if _, rest, ok := strings.Cut(q.sent.Get("Authorization"), "Credential="); ok {
		credential = rest
	}
	key, _, ok := strings.Cut(credential, "/")
	if !ok {
		return ""
	}
	if arn := f.opts.Principals[key]; arn != "" {
		return arn
	}
	return s3Root
}

// s3Permissions are the actions that an operation needs of its key, or, without
// one, of its bucket ("Required permissions for Amazon S3 API operations").
func s3Permissions(q *s3Request) []string {
	versioned := func(action string) []string {
		if q.query.Has("versionId") {
			action += "Version"
		}
		return []string{"s3:" + action}
	}
	switch q.op {
	case "GetObject", "HeadObject":
		return versioned("GetObject")
	case "DeleteObject":
		return versioned("DeleteObject")
	case "PutObject", "CopyObject", "CreateMultipartUpload":
		actions := []string{"s3:PutObject"}
		if q.Header.Get("x-amz-tagging") != "" {
			actions = append(actions, "s3:PutObjectTagging")
		}
		return actions
	case "UploadPart", "UploadPartCopy", "CompleteMultipartUpload":
		return []string{"s3:PutObject"}
	case "ListParts":
		return []string{"s3:ListMultipartUploadParts"}
	case "ListObjectsV2", "HeadBucket":
		return []string{"s3:ListBucket"}
	case "ListObjectVersions":
		return []string{"s3:ListBucketVersions"}
	case "ListMultipartUploads":
		return []string{"s3:ListBucketMultipartUploads"}
	case "AbortMultipartUpload", "GetBucketLocation", "GetBucketVersioning",
		"GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy":
		return []string{"s3:" + q.op}
	case "DeleteObjects":
		return []string{} // for each key
	}
	return nil
}

// authorize refuses q where a statement of its bucket's policy denies what it
// needs. Nothing else is asked for: everyone may do what no policy denies.
func (f *s3Face) authorize(q *s3Request) error {
	forPolicy := strings.HasSuffix(q.op, "BucketPolicy")
	q.denies = f.policies.inForce(q.bucketName, f.core.now(), forPolicy)
	if len(q.denies) == 0 {
		return nil
	}
	q.principal = f.principal(q)
	if forPolicy && strings.HasSuffix(q.principal, ":root") {
		return nil // cannot be locked out
	}
	actions := s3Permissions(q)
	if actions == nil {
		return s3Fail(http.StatusNotImplemented, "NotImplemented", "What "+q.op+" needs of a bucket policy is not implemented")
	}
	for _, a := range actions {
		if err := f.mayAct(q, a, q.key); err != nil {
			return err
		}
	}
	return nil
}

// mayAct refuses an action on a key of q's bucket, or on the bucket.
func (f *s3Face) mayAct(q *s3Request, action, key string) error {
	resource := "arn:" + s3Partition(f.opts.Region) + ":s3:::" + q.bucketName
	if key != "" {
		resource += "/" + key
	}
	for _, d := range q.denies {
		if !d.matches(q.principal, action, resource) {
			continue
		}
		if q.principal == "" {
			return s3Fail(http.StatusForbidden, "AccessDenied", "Access Denied")
		}
		return s3Fail(http.StatusForbidden, "AccessDenied", fmt.Sprintf(
			"User: %s is not authorized to perform: %s on resource: %q with an explicit deny in a resource-based policy", q.principal, action, resource))
	}
	return nil
}

// mayCopy refuses the source of a copy. from is q for the source's bucket.
func (f *s3Face) mayCopy(from *s3Request, key, versionID string) error {
	from.denies = f.policies.inForce(from.bucketName, f.core.now(), true)
	from.principal = f.principal(from)
	action := "s3:GetObject"
	if versionID != "" {
		action = "s3:GetObjectVersion"
	}
	return f.mayAct(from, action, key)
}
