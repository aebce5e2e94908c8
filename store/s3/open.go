package s3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/crossfade-io/crossfade/store"
)

const (
	googleHost = "storage.googleapis.com"

	// partAttempts at each part of a large upload and at its completion, with
	// the SDK's backoff between them, unless AWS_MAX_ATTEMPTS or the profile says
	// otherwise. Nobody else repeats those without the whole upload.
	partAttempts = 3

	// idle connections kept to one host; the SDK's 10 would make a backfill
	// with more workers connect again for most of its requests.
	idleConnections = 256
)

// Open opens s3://bucket/prefix. A prefix that is not empty ends in "/", which
// is added where it is missing. Query parameters, each overriding the
// environment and the profile:
//
//	region      such as eu-central-1; required on AWS where neither AWS_REGION
//	            nor the profile has one
//	endpoint    URL of a server other than AWS
//	path_style  true or false; by default true where there is an endpoint
//	profile     of the AWS configuration files
//	keys        NAME: credentials are in NAME_ACCESS_KEY_ID, NAME_SECRET_ACCESS_KEY
//	            and NAME_SESSION_TOKEN, for a store that takes others than the
//	            process has in the AWS_ variables
//
// Endpoint https://storage.googleapis.com means Cloud Storage with HMAC keys in
// AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or where keys says.
//
// Requests are not repeated by the SDK, for that is package retry's part: both
// would multiply their attempts. Only the parts of large uploads are.
//
// Nothing is asked of the bucket yet: see Check.
func Open(ctx context.Context, u *url.URL) (store.Store, error) { return open(ctx, u, Identity{}) }

func open(ctx context.Context, u *url.URL, id Identity) (store.Store, error) {
	prefix := strings.TrimPrefix(u.Path, "/")
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	fail := func(format string, args ...any) (store.Store, error) {
		return nil, &store.Error{Op: "open", Store: "s3://" + u.Host, Kind: store.Invalid, Err: fmt.Errorf(format, args...)}
	}
	if u.Host == "" {
		return fail("the URL names no bucket: write s3://bucket/prefix")
	}
	if strings.HasSuffix(u.Host, "--x-s3") {
		return fail("directory buckets list in no order, which crossfade needs: use a general purpose bucket")
	}
	p, err := readParams(u)
	if err != nil {
		return fail("%w", err)
	}
	if p.profile != "" || p.keys != "" {
		id = Identity{} // what the URL says goes before the environment
	}
	cfg, err := p.load(ctx, id)
	if err != nil {
		return fail("reading the AWS configuration: %w", err)
	}
	base := s3.NewFromConfig(cfg, p.apply).Options()
	if base.BaseEndpoint != nil && !plainEndpoint(*base.BaseEndpoint) {
		// The SDK would quote it, with the password that may be in it.
		return fail("the endpoint of the environment or profile (AWS_ENDPOINT_URL_S3) is no URL such as https://host:port, without credentials and query")
	}
	interop := onGoogle(base.BaseEndpoint)
	if interop && id.Role != "" {
		return fail("Cloud Storage in interoperability mode takes HMAC keys and no role: write gs://%s, or &keys=NAME with the keys in NAME_ACCESS_KEY_ID and NAME_SECRET_ACCESS_KEY", u.Host)
	}
	if cfg.Region == "" && base.BaseEndpoint == nil {
		return fail("no region: set AWS_REGION, or write s3://%s?region=REGION", u.Host)
	}
	client := s3.NewFromConfig(cfg, p.apply, func(o *s3.Options) {
		o.Retryer = skewOnly()
		switch {
		case interop:
			Interoperable(o)
			o.Region = "auto"
		case o.Region == "":
			o.Region = "us-east-1" // what servers other than AWS usually take
		}
	})
	s := New(client, u.Host, prefix, Options{Interop: interop, PartRetryer: partRetryer(cfg.RetryMaxAttempts)})
	if id.Role != "" {
		s.as = id.whose()
	}
	return s, nil
}

// skewOnly repeats a request once, if it was refused because this machine's clock
// is wrong: the SDK then knows by how much.
func skewOnly() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = 2
		o.Retryables = []retry.IsErrorRetryable{retry.NoRetryCanceledError{}, retry.RetryableError{}}
		o.RateLimiter = ratelimit.None
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
	})
}

// partRetryer is the SDK's usual one. configured is what the environment or the
// profile says, or 0.
func partRetryer(configured int) aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = cmp.Or(configured, partAttempts)
		o.MaxBackoff = 5 * time.Second
	})
}

// params are the query parameters of a URL.
type params struct {
	region, endpoint, profile, keys string
	pathStyle                       *bool
}

func readParams(u *url.URL) (p params, err error) {
	query, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return p, errors.New("the query of the URL is malformed")
	}
	for name, values := range query {
		v := values[len(values)-1]
		switch name {
		case "region":
			p.region = v
		case "profile":
			p.profile = v
		case "keys":
			p.keys = v
		case "endpoint":
			if !plainEndpoint(v) {
				return p, errors.New("endpoint is no URL such as https://host:port, without credentials and query")
			}
			p.endpoint = v
		case "path_style":
			b, err := strconv.ParseBool(v)
			if err != nil {
				return p, fmt.Errorf("path_style=%q is neither true nor false", v)
			}
			p.pathStyle = &b
		default:
			return p, fmt.Errorf("unknown query parameter %q: known are endpoint, keys, path_style, profile, region", name)
		}
	}
	return p, p.checkKeys(os.LookupEnv)
}

func (p params) load(ctx context.Context, id Identity) (aws.Config, error) {
	opts := []func(*config.LoadOptions) error{
		config.WithHTTPClient(awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConnsPerHost, t.MaxIdleConns = idleConnections, idleConnections
			t.DisableCompression = true // stored bytes, whatever their encoding
		})),
	}
	if p.region != "" {
		opts = append(opts, config.WithRegion(p.region))
	}
	if p.profile != "" {
		opts = append(opts, config.WithSharedConfigProfile(p.profile))
	}
	cfg, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return cfg, err
	}
	switch {
	case p.keys != "":
		cfg.Credentials = credentials.NewStaticCredentialsProvider(os.Getenv(p.keys+keyID), os.Getenv(p.keys+secretKey), os.Getenv(p.keys+sessionToken))
	case id.Role != "":
		cfg.Credentials = id.provider(cfg)
	}
	if cfg.Credentials != nil {
		cfg.Credentials = marked{cfg.Credentials}
	}
	return cfg, nil
}

// apply sets what the driver wants of every client. Checksums are those that it
// computes itself: the SDK's own would hash a second time, and in trailers that
// some servers do not know.
func (p params) apply(o *s3.Options) {
	if p.endpoint != "" {
		o.BaseEndpoint = &p.endpoint
	}
	o.UsePathStyle = o.UsePathStyle || o.BaseEndpoint != nil
	if p.pathStyle != nil {
		o.UsePathStyle = *p.pathStyle
	}
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	o.DisableLogOutputChecksumValidationSkipped = true
}

func plainEndpoint(v string) bool {
	e, err := url.Parse(v)
	return err == nil && (e.Scheme == "http" || e.Scheme == "https") && e.Host != "" && e.User == nil && e.RawQuery == ""
}

func onGoogle(endpoint *string) bool {
	if endpoint == nil {
		return false
	}
	u, err := url.Parse(*endpoint)
	if err != nil {
		return false
	}
	host := strings.ToLower(u.Hostname())
	return host == googleHost || strings.HasSuffix(host, "."+googleHost)
}

// marked marks failures to get credentials.
type marked struct{ aws.CredentialsProvider }

func (c marked) Retrieve(ctx context.Context) (aws.Credentials, error) {
	v, err := c.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return v, &credentialsError{err}
	}
	return v, nil
}
