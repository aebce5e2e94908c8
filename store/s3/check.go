package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/token"
)

// Check lists one key: that needs credentials, the bucket and s3:ListBucket,
// without which S3 would answer 403 for keys that are not there, and no delete
// could ever be decided.
func (s *Store) Check(ctx context.Context) error {
	_, err := s.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: given(s.prefix), MaxKeys: aws.Int32(1)}, s.always...)
	if err == nil {
		return nil
	}
	kind, after := classify(err)
	return &store.Error{Op: "check", Store: s.name, Kind: kind, RetryAfter: after, Err: s.advise(kind, err)}
}

// advise says what to do about the error of a Check.
func (s *Store) advise(kind store.Kind, err error) error {
	if t, ok := errors.AsType[*token.Error](err); ok {
		return t
	}
	if c, ok := errors.AsType[*credentialsError](err); ok {
		return s.adviseLogin(c)
	}
	code := errorCode(err)
	region := ""
	if r, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && r.Response != nil {
		region = r.Response.Header.Get("x-amz-bucket-region")
		if code == "" && r.HTTPStatusCode() == http.StatusMovedPermanently {
			code = "PermanentRedirect"
		}
	}
	switch {
	case code == "NoSuchBucket":
		return fmt.Errorf("there is no bucket %s: check its name and the endpoint, or create it (%w)", s.bucket, err)
	case code == "PermanentRedirect", code == "AuthorizationHeaderMalformed", code == "IllegalLocationConstraintException":
		if region != "" {
			return fmt.Errorf("the bucket is in another region: write s3://%s?region=%s (%w)", s.bucket, region, err)
		}
		return fmt.Errorf("the bucket is in another region: set AWS_REGION to it, or write ?region= (%w)", err)
	case s.as != "" && kind == store.Denied && code != "RequestTimeTooSkewed":
		return fmt.Errorf("not permitted: %s needs s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and s3:DeleteObject on its objects (%w)", s.as, err)
	case code == "InvalidAccessKeyId", code == "SignatureDoesNotMatch", code == "ExpiredToken", code == "InvalidToken":
		return fmt.Errorf("the credentials are not accepted: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN (%w)", err)
	case code == "RequestTimeTooSkewed":
		return fmt.Errorf("the clock of this machine is wrong: set it (%w)", err)
	case kind == store.Denied:
		return fmt.Errorf("not permitted: the credentials need s3:ListBucket on the bucket, and s3:GetObject, s3:PutObject and s3:DeleteObject on its objects (%w)", err)
	case kind == store.Unavailable && code == "":
		return fmt.Errorf("the service cannot be reached: check the endpoint, the region and the network (%w)", err)
	}
	return err
}

// adviseLogin tells a role that refuses from credentials that there are none of.
func (s *Store) adviseLogin(c *credentialsError) error {
	if c.kind() != store.Denied {
		return fmt.Errorf("AWS STS gives no answer of use now (%w)", c)
	}
	if op, ok := errors.AsType[*smithy.OperationError](c.err); ok && op.ServiceID == "STS" {
		return fmt.Errorf("AWS STS does not give credentials of the role: check AWS_ROLE_ARN, its trust policy and the token of AWS_WEB_IDENTITY_TOKEN_FILE, or the role of the profile (%w)", c)
	}
	return fmt.Errorf("no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or run where a role is attached (%w)", c)
}
