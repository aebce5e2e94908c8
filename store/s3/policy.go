package s3

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/crossfade-io/crossfade/store"
)

const (
	// maxPolicyBytes is what S3 holds, blanks between its tokens not counted
	// ("Bucket policies"). What it returns can be longer, for it names
	// principals in full.
	maxPolicyBytes  = 20 << 10
	maxPolicyAnswer = 1 << 20

	// settleReads is how often a policy is read after it was written, until it
	// is the new one; absentReads how often before a rule is taken to be absent.
	// S3 promises configurations of buckets only in time ("Amazon S3 data
	// consistency model"). The pause between reads begins with policyPause and
	// doubles.
	settleReads = 6
	absentReads = 3
	policyPause = 100 * time.Millisecond

	denyOp  = "deny writes"
	allowOp = "allow writes"
)

var _ store.WriteDenier = (*Store)(nil)

// DenyWrites adds to the bucket policy a statement that denies deniedActions
// below the prefix to everyone whose aws:PrincipalArn is not in except: ARNs of
// IAM roles and users; one of a role's session stands for the role. Every other
// byte of the policy is kept. It needs s3:GetBucketPolicy and s3:PutBucketPolicy.
//
// S3 binds a write of a policy to no condition. What someone else writes after
// ours is found, by reading the policy back, and reported; what someone writes
// between our read and our write, one request apart, is lost, and cannot be
// noticed. Nobody else should edit the bucket's policy then.
func (s *Store) DenyWrites(ctx context.Context, id string, except []string) error {
	const op = denyOp
	if err := s.mayHavePolicy(op, id); err != nil {
		return err
	}
	r := rule{id: id, partition: partitionOf(s.client.Options().Region), bucket: s.bucket, prefix: s.prefix}
	var err error
	if r.except, err = excepted(r.partition, except); err != nil {
		return s.errorf(op, "", store.Invalid, "%w", err)
	}
	before, err := s.policy(ctx, op)
	if err != nil {
		return err
	}
	after, err := addRule(before, r)
	if err != nil {
		return s.notEdited(op, err)
	}
	if after == before {
		return nil
	}
	if n := compactLen(after); n > maxPolicyBytes {
		return s.errorf(op, "", store.TooLarge, "with the statement of the freeze the bucket policy has %d bytes, and S3 holds %d: shorten it, or %s", n, maxPolicyBytes, remedy(op))
	}
	return s.replacePolicy(ctx, op, before, after)
}

// AllowWrites takes the statement out again, with DeleteBucketPolicy where no
// other is left, which needs s3:DeleteBucketPolicy.
func (s *Store) AllowWrites(ctx context.Context, id string) error {
	const op = allowOp
	if err := s.mayHavePolicy(op, id); err != nil {
		return err
	}
	for n := range absentReads {
		if err := s.pause(ctx, op, n); err != nil {
			return err
		}
		before, err := s.policy(ctx, op)
		if err != nil {
			return err
		}
		after, err := removeRule(before, rule{id: id}.sid())
		if err != nil {
			return s.notEdited(op, err)
		}
		if after != before {
			return s.replacePolicy(ctx, op, before, after)
		}
	}
	return nil
}

// mayHavePolicy refuses what cannot be without asking the service.
func (s *Store) mayHavePolicy(op, id string) error {
	switch {
	case id == "":
		return s.errorf(op, "", store.Invalid, "the rule has no id: name the migration")
	case s.opts.Interop:
		return s.errorf(op, "", store.Invalid, "Cloud Storage has no bucket policies in interoperability mode: %s", remedy(denyOp))
	case strings.HasSuffix(s.bucket, "--x-s3"):
		return s.errorf(op, "", store.Invalid, "the policy of a directory bucket cannot deny writes to objects: %s", remedy(denyOp))
	}
	return nil
}

// policy is the bucket's, or "" where it has none.
func (s *Store) policy(ctx context.Context, op string) (string, error) {
	out, err := s.client.GetBucketPolicy(ctx, &s3.GetBucketPolicyInput{Bucket: &s.bucket}, s.with(s3.WithAPIOptions(bounded))...)
	switch {
	case errorCode(err) == "NoSuchBucketPolicy":
		return "", nil
	case err != nil:
		return "", s.policyError(op, "s3:GetBucketPolicy", err)
	case out.Policy == nil:
		return "", s.notEdited(op, errors.New("the answer is empty"))
	case len(*out.Policy) > maxPolicyAnswer:
		return "", s.notEdited(op, fmt.Errorf("it has more than %d bytes", maxPolicyAnswer))
	}
	return *out.Policy, nil
}

// bounded ends an answer behind maxPolicyAnswer. The SDK makes room for as much
// as Content-Length says, before it reads.
func bounded(stack *middleware.Stack) error {
	return stack.Deserialize.Add(middleware.DeserializeMiddlewareFunc("crossfade.Bounded",
		func(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (middleware.DeserializeOutput, middleware.Metadata, error) {
			out, meta, err := next.HandleDeserialize(ctx, in)
			resp, ok := out.RawResponse.(*smithyhttp.Response)
			if err != nil || !ok || resp.Body == nil {
				return out, meta, err
			}
			body := resp.Body
			resp.Body = struct {
				io.Reader
				io.Closer
			}{io.LimitReader(body, maxPolicyAnswer+1), body}
			if resp.ContentLength > maxPolicyAnswer {
				resp.ContentLength = -1
			}
			return out, meta, nil
		}), middleware.After)
}

// replacePolicy writes after, "" for none, in place of before, and returns once
// S3 shows it.
func (s *Store) replacePolicy(ctx context.Context, op, before, after string) error {
	if err := s.writePolicy(ctx, op, after); err != nil {
		return err
	}
	for n := range settleReads {
		if err := s.pause(ctx, op, n); err != nil {
			return err
		}
		now, err := s.policy(ctx, op)
		switch {
		case err != nil:
			return err
		case samePolicy(now, after):
			return nil
		case !samePolicy(now, before):
			return s.errorf(op, "", store.Precondition, "the bucket policy was changed by someone else at the same moment: see that it has all its statements, keep others from editing it, and try again")
		}
	}
	return s.errorf(op, "", store.Unavailable, "S3 accepted the new bucket policy and still returns the old one: try again")
}

func (s *Store) writePolicy(ctx context.Context, op, text string) error {
	if text == "" {
		if _, err := s.client.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: &s.bucket}, s.always...); err != nil {
			return s.policyError(op, "s3:DeleteBucketPolicy", err)
		}
		return nil
	}
	if _, err := s.client.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &s.bucket, Policy: &text}, s.always...); err != nil {
		return s.policyError(op, "s3:PutBucketPolicy", err)
	}
	return nil
}

// pause waits before the n-th of several reads, the first being 0.
func (s *Store) pause(ctx context.Context, op string, n int) error {
	if n == 0 {
		return nil
	}
	if err := s.opts.Sleep(ctx, policyPause<<(n-1)); err != nil {
		return s.fail(op, "", err)
	}
	return nil
}

// remedy is what is left to do where the policy cannot be changed from here.
func remedy(op string) string {
	if op == allowOp {
		return "take the statement " + sidPrefix + "… out of it by hand"
	}
	return "freeze by a hook instead (mode hook)"
}

// notEdited is for a policy that is there and not understood.
func (s *Store) notEdited(op string, err error) error {
	return s.errorf(op, "", store.Invalid, "the bucket policy cannot be edited, and was left as it is: %w; look at it, or %s", err, remedy(op))
}

// policyError is an error of a request that needs a permission, with what to do.
func (s *Store) policyError(op, permission string, err error) error {
	kind, after := classify(err)
	if kind == store.NotFound {
		kind = store.Unknown // of no key: see headNotFound
	}
	code, status := errorCode(err), 0
	if r, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		status = r.HTTPStatusCode()
	}
	switch {
	case code == "MethodNotAllowed", status == http.StatusMethodNotAllowed:
		// S3 says so to identities of other accounts.
		kind = store.Invalid
		err = fmt.Errorf("the bucket policy is closed to these credentials: use those of the account that owns the bucket, or %s (%w)", remedy(op), err)
	case code == "NotImplemented", status == http.StatusNotImplemented:
		kind = store.Invalid
		err = fmt.Errorf("the server has no bucket policies: %s (%w)", remedy(denyOp), err)
	case code == "MalformedPolicy":
		err = fmt.Errorf("the service does not take the policy: a principal of another statement may have been deleted, or it does not know such statements; mend the policy, or %s (%w)", remedy(op), err)
	case kind == store.Denied && (code == "AccessDenied" || codes[code] == store.Unknown):
		err = fmt.Errorf("not permitted: the credentials need %s on the bucket, and Block Public Access must not refuse its policy (%w)", permission, err)
	default:
		err = s.advise(kind, err)
	}
	return &store.Error{Op: op, Store: s.name, Kind: kind, RetryAfter: after, Err: err}
}

// compactLen is the length without blanks between tokens.
func compactLen(text string) int {
	var b bytes.Buffer
	if json.Compact(&b, []byte(text)) != nil {
		return len(text)
	}
	return b.Len()
}
