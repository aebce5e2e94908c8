package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/crossfade-io/crossfade/testutil/servers"
)

// seeder fills buckets with the plain SDK.
type seeder struct{ client *s3.Client }

func newSeeder(url string, client *http.Client) *seeder { return &seeder{s3Client(url, client)} }

func s3Client(url string, client *http.Client) *s3.Client {
	return s3.New(s3.Options{
		HTTPClient:   client,
		BaseEndpoint: &url, UsePathStyle: true, Region: servers.S3Region,
		Credentials: credentials.NewStaticCredentialsProvider(servers.S3AccessKey, servers.S3SecretKey, ""),
	})
}

func (s *seeder) create(ctx context.Context, bucket string) error {
	_, err := s.client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &bucket})
	return err
}

// seed stores random bodies, which neither tool nor server can compress, in a
// new bucket.
func (s *seeder) seed(ctx context.Context, bucket string, objects int, size int64) error {
	if err := s.create(ctx, bucket); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	for i := range objects {
		g.Go(func() error {
			_, err := s.client.PutObject(ctx, &s3.PutObjectInput{
				Bucket: &bucket, Key: aws.String(key(i)), Body: &random{seed: uint64(i), size: size},
				ContentLength: &size, ContentType: aws.String("application/octet-stream"),
				Metadata: map[string]string{"origin": "bench"},
			}, s3.WithAPIOptions(v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware))
			return err
		})
	}
	return g.Wait()
}

func key(i int) string { return fmt.Sprintf("dir%02d/object-%06d", i%50, i) }

// random is a seekable body of reproducible bytes that takes no memory. It is
// read from the start in whole words.
type random struct {
	seed uint64
	size int64
	off  int64
	rng  *rand.PCG
}

// Read fills p.
func (r *random) Read(p []byte) (int, error) {
	if r.off >= r.size {
		return 0, io.EOF
	}
	if r.rng == nil {
		r.rng = rand.NewPCG(r.seed, 1)
	}
	p = p[:min(int64(len(p)), r.size-r.off)]
	for i := 0; i < len(p); i += 8 {
		var word [8]byte
		binary.LittleEndian.PutUint64(word[:], r.rng.Uint64())
		copy(p[i:], word[:])
	}
	r.off += int64(len(p))
	return len(p), nil
}

// Seek tells the SDK the size and takes it back to the start.
func (r *random) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.off
	case io.SeekEnd:
		offset += r.size
	}
	if offset != r.off {
		r.off, r.rng = offset, nil
	}
	return offset, nil
}

// dataDir makes a directory for the server's data: in memory, so that the disk
// is not what is measured, if there is room for everything that is there at
// once and the filesystem has the extended attributes that versitygw needs.
func dataDir(o options) (string, error) {
	if o.dir != "" {
		return os.MkdirTemp(o.dir, "crossfade-bench-")
	}
	need := 3 * (int64(o.objects)*max(o.size, 8192) + int64(o.large)*o.largeSize)
	if dir, err := os.MkdirTemp("/dev/shm", "crossfade-bench-"); err == nil {
		if free(dir) > need && unix.Setxattr(dir, "user.crossfade", []byte("x"), 0) == nil {
			return dir, nil
		}
		if err := os.RemoveAll(dir); err != nil {
			return "", err
		}
	}
	return os.MkdirTemp("", "crossfade-bench-")
}

func free(dir string) int64 {
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return 0
	}
	return int64(st.Bavail) * int64(st.Bsize) //nolint:unconvert // not an int64 on every system
}
