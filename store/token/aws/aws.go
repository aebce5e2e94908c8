// Package aws is the identity of a process on AWS: a Lambda function, an ECS task,
// an EC2 instance.
package aws

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/token"
)

const (
	algorithm = "RS256" // the one that Microsoft Entra takes
	lifetime  = 5 * time.Minute

	defaultRegion = "us-east-1" // every region has an STS
)

// Source is the role of this process, by the default credentials of the SDK.
type Source struct {
	mu     sync.Mutex
	config *aws.Config
}

var (
	_ token.Source    = (*Source)(nil)
	_ token.KeySource = (*Source)(nil)
)

// New asks nobody yet.
func New() *Source { return &Source{} }

func (s *Source) String() string { return "the AWS role of this process" }

// Token asks STS for a token of the role by GetWebIdentityToken: outbound identity
// federation must be enabled in the account, whose own issuer it then names; the
// subject is the ARN of the role. It lasts five minutes.
func (s *Source) Token(ctx context.Context, audience string) (string, error) {
	cfg, err := s.load(ctx)
	if err != nil {
		return "", err
	}
	if _, err := s.Keys(ctx); err != nil {
		return "", err // none is not the same as refused
	}
	cfg.Region = cmp.Or(cfg.Region, defaultRegion)
	out, err := sts.NewFromConfig(cfg).GetWebIdentityToken(ctx, &sts.GetWebIdentityTokenInput{
		Audience:         []string{audience},
		SigningAlgorithm: aws.String(algorithm),
		DurationSeconds:  aws.Int32(int32(lifetime / time.Second)),
	})
	if err != nil {
		if token.Ended(ctx, err) {
			return "", err
		}
		return "", s.fail(stsService, err)
	}
	if aws.ToString(out.WebIdentityToken) == "" {
		return "", &token.Error{Identity: s.String(), Service: stsService, Answer: "an empty answer", Kind: store.Unavailable}
	}
	return *out.WebIdentityToken, nil
}

// Keys returns the credentials of the role.
func (s *Source) Keys(ctx context.Context) (token.Keys, error) {
	cfg, err := s.load(ctx)
	if err != nil {
		return token.Keys{}, err
	}
	c, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		if token.Ended(ctx, err) {
			return token.Keys{}, err
		}
		return token.Keys{}, s.fail(chain, err)
	}
	return token.Keys{
		AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken,
		Region: cmp.Or(cfg.Region, defaultRegion), // any will do: it is where Google has the signature verified
	}, nil
}

func (s *Source) load(ctx context.Context) (aws.Config, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.config == nil {
		cfg, err := config.LoadDefaultConfig(ctx)
		if err != nil {
			return cfg, s.fail(chain, err)
		}
		s.config = &cfg
	}
	return *s.config, nil
}

const (
	chain      = "the credentials that the AWS SDK looks for"
	stsService = "AWS STS (GetWebIdentityToken)"
)

// fail words an error of the SDK; what it says may quote what was sent.
func (s *Source) fail(service string, err error) error {
	out := &token.Error{
		Identity: s.String(), Service: service, Kind: store.Denied, Err: err, Answer: "there are none",
		Check: "run where a role is attached, or set AWS_PROFILE",
	}
	if service == stsService {
		out.Kind, out.Answer = store.Unavailable, "it cannot be reached"
	}
	if e, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && e.Response != nil {
		out.Kind, out.Answer = token.KindOf(e.HTTPStatusCode()), fmt.Sprintf("status %d", e.HTTPStatusCode())
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		out.Answer += ", " + token.Scrub(api.ErrorCode()+": "+api.ErrorMessage())
		out.Check = "its role must be permitted sts:GetWebIdentityToken"
		if api.ErrorCode() == "OutboundWebIdentityFederationDisabledException" || api.ErrorCode() == "OutboundWebIdentityFederationDisabled" {
			out.Check = "enable outbound identity federation in the AWS account (aws iam enable-outbound-web-identity-federation)"
		}
	}
	return out
}
