// Package s3 is the store driver for Amazon S3, for servers that speak its API,
// and for Cloud Storage buckets in interoperability mode (HMAC keys).
//
// # URLs
//
// s3://bucket/prefix with the query parameters region, endpoint, path_style,
// profile and keys; the environment of the AWS tools (AWS_ACCESS_KEY_ID, AWS_PROFILE,
// AWS_REGION, AWS_ENDPOINT_URL_S3 and so on) works unchanged. See Open.
//
// # Versions
//
// A Version is the ETag, with "@" and the version id behind it in versioned
// buckets. Conditions compare the ETag alone, for S3 knows no others, and an
// ETag recurs: the same bytes written again have the same one. S3 also lets an
// ETag stand still when only attributes change. Versioned buckets tell such
// changes apart in Head and Open, but not in conditions.
//
// Reads are pinned by version id and by ETag where there is no version id.
//
// # What servers must do
//
// Writes rest on If-None-Match and If-Match of PutObject, CopyObject and
// CompleteMultipartUpload, deletes on If-Match of DeleteObject. Servers that
// ignore one of them (some do on DeleteObject) overwrite or delete without a
// word, and no client can notice.
//
// # Cloud Storage in interoperability mode
//
// Used when the endpoint's host is storage.googleapis.com. Requests are spoken
// in the x-goog-* dialect and signed GOOG4-HMAC-SHA256, because conditions on
// generations are refused beside x-amz-* headers, and If-Match is not looked at
// on writes. A Version is then "etag@generation.metageneration" and never
// recurs. Weaker than with store/gcs: a large body goes up in one request, read
// in order, because multipart uploads take no conditions there, and keys with
// control characters end a listing with an error. Prefer store/gcs where a
// service account can be had.
package s3

import (
	"context"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/parts"
)

// Limits of S3 ("Amazon S3 multipart upload limits").
const (
	maxParts     = 10000
	maxCopyBytes = 5 << 30
	maxKeyBytes  = 1024
)

// Options tune a Store. Zero values choose the defaults.
type Options struct {
	// SmallBytes is the largest body that goes up in one request, from memory:
	// default 8 MiB.
	SmallBytes int64

	// PartBytes is the size of a part of larger bodies: default 8 MiB. It grows
	// where 10,000 parts would not suffice. S3 refuses less than 5 MiB.
	PartBytes int64

	// PoolBytes bounds the parts that are in memory at once, over all uploads of
	// the Store: default 64 MiB.
	PoolBytes int64

	// Parallel is how many parts of one upload are sent at once: default 8.
	Parallel int

	// Interop says that the client was made with Interoperable.
	Interop bool

	// PartRetryer repeats the requests of an upload in parts, but for the one
	// that begins it: default the client's.
	PartRetryer aws.Retryer

	// Sleep waits between the reads of a bucket policy: default store.Sleep.
	Sleep func(context.Context, time.Duration) error
}

// Store is a bucket, or the part of it below a prefix.
type Store struct {
	client *s3.Client
	bucket string
	prefix string
	name   string // for errors
	as     string // whose permissions count, for advice; "" where it is not known
	opts   Options
	pool   *parts.Pool
	always []func(*s3.Options) // for every call
}

var (
	_ store.Store           = (*Store)(nil)
	_ store.Checker         = (*Store)(nil)
	_ store.MetadataUpdater = (*Store)(nil)
)

// New returns the store of the keys of bucket that begin with prefix.
func New(client *s3.Client, bucket, prefix string, opts Options) *Store {
	if opts.SmallBytes == 0 {
		opts.SmallBytes = 8 * parts.MiB
	}
	if opts.PartBytes == 0 {
		opts.PartBytes = 8 * parts.MiB
	}
	if opts.PoolBytes == 0 {
		opts.PoolBytes = 64 * parts.MiB
	}
	opts.PoolBytes = max(opts.PoolBytes, opts.PartBytes)
	if opts.Parallel == 0 {
		opts.Parallel = 8
	}
	if opts.Sleep == nil {
		opts.Sleep = store.Sleep
	}
	name := "s3://" + bucket
	if prefix != "" {
		name += "/" + strings.TrimSuffix(prefix, "/")
	}
	return &Store{
		client: client, bucket: bucket, prefix: prefix, name: name, opts: opts,
		pool:   parts.NewPool(opts.PoolBytes, opts.PartBytes),
		always: []func(*s3.Options){s3.WithAPIOptions(legible)},
	}
}

// Close does nothing: connections are the client's.
func (s *Store) Close() error { return nil }

// Delete removes the current object; in a versioned bucket that leaves a delete
// marker (S3 API reference, DeleteObject).
func (s *Store) Delete(ctx context.Context, key string, cond store.Condition) error {
	if err := s.checkKey("delete", key); err != nil {
		return err
	}
	if cond.Absent {
		return s.errorf("delete", key, store.Invalid, "a delete cannot be bound to an absent object")
	}
	cond, err := s.resolve(ctx, "delete", key, cond)
	if err != nil {
		return err
	}
	in := &s3.DeleteObjectInput{Bucket: &s.bucket, Key: s.key(key)}
	fns := s.always
	if s.opts.Interop {
		fns = s.with(interopMatch(cond, "x-goog-if-"))
	} else if etag, _ := split(cond.Match); etag != "" {
		in.IfMatch = quoted(etag)
	}
	if _, err := s.client.DeleteObject(ctx, in, fns...); err != nil {
		err := s.fail("delete", key, err)
		if cond.Match == "" && store.KindOf(err) == store.NotFound {
			return nil // Cloud Storage says so; S3 does not
		}
		return err
	}
	return nil
}

// part is the options of a call for an upload in parts.
func (s *Store) part() []func(*s3.Options) {
	if s.opts.PartRetryer == nil {
		return s.always
	}
	return s.with(func(o *s3.Options) { o.Retryer = s.opts.PartRetryer })
}

// with is the options of a call that needs more than those of every call.
func (s *Store) with(fns ...func(*s3.Options)) []func(*s3.Options) {
	return slices.Concat(s.always, fns)
}

// key is the bucket's name for a key of the store.
func (s *Store) key(key string) *string { return aws.String(s.prefix + key) }

// checkKey refuses names that no S3 bucket can hold.
func (s *Store) checkKey(op, key string) error {
	switch {
	case key == "":
		return s.errorf(op, key, store.Invalid, "a key has at least one byte")
	case len(s.prefix)+len(key) > maxKeyBytes:
		return s.errorf(op, key, store.Invalid, "with the prefix the key has %d bytes, and S3 holds %d at most", len(s.prefix)+len(key), maxKeyBytes)
	case !utf8.ValidString(key):
		return s.errorf(op, key, store.Invalid, "the key is not UTF-8")
	case s.opts.Interop && strings.ContainsFunc(key, notInXML):
		return s.errorf(op, key, store.Invalid, "listings of Cloud Storage's XML API cannot name keys with control characters: use a gs:// URL")
	}
	return nil
}

// notInXML reports characters that a document without encoding-type cannot hold.
func notInXML(r rune) bool { return r < ' ' || r == 0xFFFE || r == 0xFFFF }

// version makes the Version of an object from what an answer says.
func version(etag, versionID *string) store.Version {
	v := strings.Trim(aws.ToString(etag), `"`)
	if id := aws.ToString(versionID); id != "" {
		v += "@" + id
	}
	return store.Version(v)
}

// split takes a Version apart. An ETag has no "@".
func split(v store.Version) (etag, id string) {
	etag, id, _ = strings.Cut(string(v), "@")
	return etag, id
}

// quoted is an ETag as headers want it.
func quoted(etag string) *string { return aws.String(`"` + etag + `"`) }
