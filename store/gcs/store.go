package gcs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"cloud.google.com/go/storage"
	gax "github.com/googleapis/gax-go/v2"
	"golang.org/x/sync/semaphore"
	"google.golang.org/api/iterator"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/parts"
	"github.com/crossfade-io/crossfade/store/token"
)

// The limits of the service ("Quotas & limits").
const (
	maxName   = 1024
	maxObject = 5 << 40
	chunkUnit = 256 << 10 // chunks are multiples of it
)

// Options configure a Store. Zero values choose the defaults.
type Options struct {
	SmallBytes  int64 // bodies up to this go up in one request, from memory: default 8 MiB
	ChunkSize   int   // of larger ones, rounded up to 256 KiB: default 16 MiB
	ReadSize    int64 // bytes of the source read at once for a larger one: default 8 MiB
	Readers     int   // such reads at once for one object: default 4
	MemoryBytes int64 // bound on what all of them hold, besides the chunks: default 64 MiB
	Uploads     int   // larger bodies going up at once, each with a chunk in memory: default 4

	// Attempts bounds the tries of one request: default 5. The SDK by itself
	// tries a conditional upload until the context ends. ChunkAttempts are those
	// at each chunk of a larger body, which nobody else repeats without the whole
	// upload: default 5.
	Attempts      int
	ChunkAttempts int
	Backoff       time.Duration // before the second try, doubling after: default 200 ms

	WriteTimeout time.Duration // for the upload of a small body with its retries: default 60 s
	ChunkTimeout time.Duration // for a chunk of a larger one with its retries: default 3 min
}

func (o Options) withDefaults() Options {
	setDefault(&o.SmallBytes, 8*parts.MiB)
	setDefault(&o.ChunkSize, 16*parts.MiB)
	o.ChunkSize = (o.ChunkSize + chunkUnit - 1) / chunkUnit * chunkUnit
	setDefault(&o.ReadSize, 8*parts.MiB)
	setDefault(&o.Readers, 4)
	setDefault(&o.MemoryBytes, 64*parts.MiB)
	o.MemoryBytes = max(o.MemoryBytes, o.ReadSize)
	setDefault(&o.Uploads, 4)
	setDefault(&o.Attempts, 5)
	setDefault(&o.ChunkAttempts, 5)
	setDefault(&o.Backoff, 200*time.Millisecond)
	setDefault(&o.WriteTimeout, time.Minute)
	setDefault(&o.ChunkTimeout, 3*time.Minute)
	return o
}

func setDefault[T comparable](p *T, v T) {
	var zero T
	if *p == zero {
		*p = v
	}
}

// Store is a bucket, or what is below a prefix of one.
type Store struct {
	client *Client
	owns   bool // closes the client
	bucket string
	prefix string
	id     string // gs://bucket/prefix, for errors
	as     string // whose permissions count, for advice; "" where it is not known
	opts   Options
	handle *storage.BucketHandle
	pool   *parts.Pool
	large  *semaphore.Weighted
}

var (
	_ store.Store           = (*Store)(nil)
	_ store.MetadataUpdater = (*Store)(nil)
	_ store.Checker         = (*Store)(nil)
	_ store.UniqueVersions  = (*Store)(nil)
)

// New returns the store of the keys in bucket that begin with prefix, which is
// taken literally. The client remains the caller's to close.
func New(client *Client, bucket, prefix string, opts Options) *Store {
	opts = opts.withDefaults()
	return &Store{
		client: client,
		bucket: bucket,
		prefix: prefix,
		id:     strings.TrimSuffix("gs://"+bucket+"/"+prefix, "/"),
		opts:   opts,
		handle: client.sdk.Bucket(bucket).Retryer(
			storage.WithBackoff(gax.Backoff{Initial: opts.Backoff, Max: 25 * opts.Backoff, Multiplier: 2}),
			storage.WithMaxAttempts(opts.Attempts),
			storage.WithPolicy(storage.RetryAlways), // what is called through it may be repeated
		),
		pool:  parts.NewPool(opts.MemoryBytes, opts.ReadSize),
		large: semaphore.NewWeighted(int64(opts.Uploads)),
	}
}

// UniqueVersions marks that generations never recur.
func (s *Store) UniqueVersions() {}

// Close closes the client of a store that Open returned.
func (s *Store) Close() error {
	if s.owns {
		return s.client.Close()
	}
	return nil
}

// Check lists one object: that needs the bucket to be there, and a permission
// without which a missing key cannot be told from a forbidden one.
func (s *Store) Check(ctx context.Context) error {
	it := s.handle.Objects(ctx, &storage.Query{Prefix: s.prefix, Projection: storage.ProjectionNoACL})
	it.PageInfo().MaxSize = 1
	_, err := it.Next()
	if err == nil || errors.Is(err, iterator.Done) {
		return nil
	}
	e := s.fail("check", "", err)
	switch {
	case errors.Is(err, storage.ErrBucketNotExist):
		e.Err = fmt.Errorf("the bucket %s does not exist: create it, or correct the URL: %w", s.bucket, e.Err)
	case e.Kind == store.Denied:
		if _, ok := errors.AsType[*token.Error](err); !ok {
			e.Err = fmt.Errorf("the bucket may not be listed: grant roles/storage.objectViewer (source) or roles/storage.objectUser (target) on it to %s: %w", cmp.Or(s.as, "the account in use"), e.Err)
		}
	}
	return e
}

// Head returns the object, in one request.
func (s *Store) Head(ctx context.Context, key string) (*store.Object, error) {
	name, err := s.name("head", key)
	if err != nil {
		return nil, err
	}
	attrs, err := s.handle.Object(name).Attrs(ctx)
	if err != nil {
		return nil, s.fail("head", key, err)
	}
	return s.object(attrs), nil
}

// Delete removes the live object; in a versioned bucket it becomes noncurrent.
func (s *Store) Delete(ctx context.Context, key string, cond store.Condition) error {
	name, err := s.name("delete", key)
	if err != nil {
		return err
	}
	obj := s.handle.Object(name)
	switch {
	case cond.Absent:
		return s.unmet("delete", key, errors.New("a delete cannot be conditional on absence"))
	case cond.Match != "":
		conds, ok := conditions(cond.Match)
		if !ok {
			return s.unmet("delete", key, errForeignVersion)
		}
		obj = obj.If(conds)
	}
	err = obj.Delete(ctx)
	switch {
	case err == nil:
		return nil
	case cond.Match == "" && errors.Is(err, storage.ErrObjectNotExist):
		return s.confirmAbsent(ctx, "delete", key, name)
	}
	return s.fail("delete", key, err)
}

// confirmAbsent makes sure by a listing that a 404 which did not say so meant
// the key and not the bucket. It returns nil when it did.
func (s *Store) confirmAbsent(ctx context.Context, op, key, name string) error {
	q := &storage.Query{Prefix: name, StartOffset: name, EndOffset: name + "\x00", Projection: storage.ProjectionNoACL}
	it := s.handle.Objects(ctx, q)
	it.PageInfo().MaxSize = 1
	switch _, err := it.Next(); {
	case errors.Is(err, iterator.Done):
		return nil
	case err != nil:
		return s.fail(op, key, err)
	}
	return &store.Error{Op: op, Store: s.id, Key: key, Kind: store.Unavailable, Err: errors.New("answered with 404, but the object is listed")}
}

// name returns the object's name for key, or Kind Invalid with the reason.
func (s *Store) name(op, key string) (string, error) {
	name := s.prefix + key
	reason := ""
	switch {
	case key == "":
		reason = "the key is empty"
	case len(name) > maxName:
		reason = fmt.Sprintf("the name has %d bytes; Cloud Storage takes %d", len(name), maxName)
	case !utf8.ValidString(name):
		reason = "the key is not UTF-8"
	case strings.ContainsAny(name, "\r\n"):
		reason = "Cloud Storage takes no names with a line break"
	case name == "." || name == "..":
		reason = "Cloud Storage does not take the names . and .."
	case strings.HasPrefix(name, ".well-known/acme-challenge/"):
		reason = "Cloud Storage takes no names below .well-known/acme-challenge/"
	default:
		return name, nil
	}
	return "", &store.Error{Op: op, Store: s.id, Key: key, Kind: store.Invalid, Err: errors.New(reason)}
}

// errForeignVersion is told of versions that no object here can have.
var errForeignVersion = errors.New("not a version of Cloud Storage: generation.metageneration")

func versionOf(generation, metageneration int64) store.Version {
	return store.Version(strconv.FormatInt(generation, 10) + "." + strconv.FormatInt(metageneration, 10))
}

// conditions binds a request to a version; false where it is none of ours.
func conditions(v store.Version) (storage.Conditions, bool) {
	g, m, ok := strings.Cut(string(v), ".")
	gen, err1 := strconv.ParseInt(g, 10, 64)
	meta, err2 := strconv.ParseInt(m, 10, 64)
	if !ok || err1 != nil || err2 != nil || gen <= 0 || meta <= 0 {
		return storage.Conditions{}, false
	}
	return storage.Conditions{GenerationMatch: gen, MetagenerationMatch: meta}, true
}
