package s3_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/s3"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/storetest"
)

const (
	accessKey = "AKIDEXAMPLE"
	secretKey = "not/a+real=secret"
)

// server is a face with its core.
type server struct {
	core *cloudsim.Core
	rec  *cloudsim.Recorder
	url  string
}

func serve(t testing.TB, opts cloudsim.S3Options) *server {
	t.Helper()
	s := &server{core: cloudsim.NewCore(nil), rec: &cloudsim.Recorder{}}
	if opts.Recorder == nil {
		opts.Recorder = s.rec
	}
	if opts.Credentials == nil {
		opts.Credentials = map[string]string{accessKey: secretKey}
	}
	url, stop := cloudsim.Serve(cloudsim.NewS3(s.core, opts))
	t.Cleanup(stop)
	s.url = url
	return s
}

// client is an SDK client as a user's program would make it.
func (s *server) client(fns ...func(*awss3.Options)) *awss3.Client {
	return awss3.New(awss3.Options{
		Region: "us-east-1", BaseEndpoint: &s.url, UsePathStyle: true,
		HTTPClient:                                &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}},
		RequestChecksumCalculation:                aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation:                aws.ResponseChecksumValidationWhenRequired,
		DisableLogOutputChecksumValidationSkipped: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, nil
		}),
	}, fns...)
}

const partBytes = 5 << 20

func (s *server) store(bucket string, fns ...func(*awss3.Options)) *s3.Store {
	return s3.New(s.client(fns...), bucket, "", s3.Options{PartBytes: partBytes, SmallBytes: 1 << 20})
}

// The suite uploads hundreds of bodies in parts, so they are small there.
const (
	suiteSmall = 64 << 10
	suitePart  = 128 << 10
)

// listKeys is what tests of paging store where pages are short.
const listKeys = 100

// shortPages makes the service list in pages of few keys, or uploads.
func shortPages(o *awss3.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("ShortPages",
			func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
				switch list := in.Parameters.(type) {
				case *awss3.ListObjectsV2Input:
					list.MaxKeys = aws.Int32(listKeys / 7)
				case *awss3.ListMultipartUploadsInput:
					if list.MaxUploads == nil {
						list.MaxUploads = aws.Int32(listKeys / 7)
					}
				}
				return next.HandleInitialize(ctx, in)
			}), middleware.Before)
	})
}

func harness(s *server, versioned bool, fns ...func(*awss3.Options)) storetest.Harness {
	return storetest.Harness{
		New: func(t *testing.T) store.Store {
			name := "b" + time.Now().Format("150405.000000000")
			s.core.CreateBucket(name, versioned)
			return s3.New(s.client(fns...), name, "", s3.Options{PartBytes: suitePart, SmallBytes: suiteSmall})
		},
		FoldsMetadataCase: true,
		VersionsRecur:     !versioned,
		MultipartSize:     4*suitePart + 12345,
		Sizes:             []int64{suiteSmall - 1, suiteSmall, suiteSmall + 1, suitePart, suitePart + 1},
		BigSize:           4 << 20, // 32 parts
		MaxReaders:        8,
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, versioned := range map[string]bool{"Plain": false, "Versioned": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, cloudsim.S3Options{MinPartBytes: suitePart})
			h := harness(s, versioned)
			if versioned {
				h = harness(s, versioned, shortPages)
				h.ListKeys = listKeys
				h.Known = map[string]string{
					"Update/Conditions": "conditions of S3 compare the ETag alone, which stands still when only attributes change",
				}
			}
			storetest.Run(t, h)
		})
	}
}

func TestConformanceInterop(t *testing.T) {
	t.Parallel()
	s := serve(t, cloudsim.S3Options{Interop: true})
	h := harness(s, false)
	h.VersionsRecur = false
	h.BadKey = func(key string) bool {
		return strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r == 0xFFFE || r == 0xFFFF })
	}
	h.ListKeys = listKeys
	h.New = func(t *testing.T) store.Store {
		name := "b" + time.Now().Format("150405.000000000")
		s.core.CreateBucket(name, false)
		return s3.New(s.client(s3.Interoperable, shortPages), name, "", s3.Options{SmallBytes: suiteSmall, Interop: true})
	}
	storetest.Run(t, h)
}
