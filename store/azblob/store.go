// Package azblob is the store.Store of Azure Blob Storage containers, by
// azblob's SDK. It writes block blobs.
//
// # Names
//
// The service alters some names without a word, percent-encoded or not: it
// resolves "." and ".." segments, drops dots at the end of a segment, and turns
// a backslash into a slash, so that a write to one key lands on another. Keys of
// these forms, keys with control characters (U+0000 to U+001F), and keys of more
// than 254 path segments yield Kind Invalid, and no request is sent. Leading,
// trailing and doubled slashes are kept.
//
// # Metadata
//
// Names are C# identifiers without regard to case. What is not one is encoded as
// .NET's XmlConvert.EncodeLocalName does: "a-b" is stored as "a_x002d_b". Names
// come back in lower case; two that differ in case only yield Kind Invalid.
// Values that a header cannot carry are stored as RFC 2047 encoded words. The
// service stores no CRC32C; Checksums.MD5 is the blob's Content-MD5, which it
// verifies on small writes and keeps unverified on large ones.
//
// # Hierarchical namespaces
//
// In an account with a hierarchical namespace directories are entries of their
// own (metadata hdi_isfolder=true), which a listing yields like any other, and
// listings are ordered by path segment: see List.
package azblob

import (
	"strings"
	"sync"
	"sync/atomic"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/parts"
)

// The limits of the service ("Scalability and performance targets for Blob
// storage").
const (
	maxBlocks    = 50_000
	maxBlockSize = 4000 * parts.MiB
)

// Options configure a Store. Zero values choose the defaults.
type Options struct {
	// SinglePut is the largest body that goes up in one Put Blob, held in
	// memory: default 8 MiB. Larger ones go up in blocks.
	SinglePut int64

	// BlockSize is the smallest block of a large body: default 8 MiB. Blocks
	// grow where 50,000 of them would not do.
	BlockSize int64

	// PoolBytes bounds the blocks in memory of all uploads of the Store:
	// default 64 MiB. Parallel is how many blocks of one upload are under way
	// at once: default 4.
	PoolBytes int64
	Parallel  int

	// PageSize is how many blobs a listing asks for at once: default, and
	// most, 5000.
	PageSize int32

	// BlockRetry says how the requests of an upload in blocks are repeated:
	// default as the client's.
	BlockRetry *policy.RetryOptions

	// BlockMD5 sends an MD5 with each block instead of a CRC64. A server that
	// refuses CRC64 is noticed without it.
	BlockMD5 bool
}

// Store is one container, or the part of it below a prefix.
type Store struct {
	client *container.Client
	prefix string
	name   string // az://container/prefix, for errors
	as     string // whose permissions count, for advice; "" where it is not known
	opts   Options
	pool   *parts.Pool

	blockMD5 atomic.Bool // the server refuses CRC64, or the options do

	flatMu sync.Mutex
	flat   *bool // what accountIsFlat found; nil while unknown

	closeIdle func() // of a client of our own; else nil
}

var (
	_ store.Store           = (*Store)(nil)
	_ store.MetadataUpdater = (*Store)(nil)
	_ store.Checker         = (*Store)(nil)
	_ store.UniqueVersions  = (*Store)(nil)
)

// New returns a Store of the keys that follow prefix in client's container. The
// client needs the options that ClientOptions returns: with the SDK's own
// transport, blobs stored with Content-Encoding gzip would arrive decompressed.
func New(client *container.Client, prefix string, opts Options) *Store {
	if opts.SinglePut <= 0 {
		opts.SinglePut = 8 * parts.MiB
	}
	if opts.BlockSize <= 0 {
		opts.BlockSize = 8 * parts.MiB
	}
	if opts.PoolBytes <= 0 {
		opts.PoolBytes = 64 * parts.MiB
	}
	opts.PoolBytes = max(opts.PoolBytes, opts.BlockSize)
	if opts.Parallel <= 0 {
		opts.Parallel = 4
	}
	if opts.PageSize <= 0 || opts.PageSize > 5000 {
		opts.PageSize = 5000
	}
	s := &Store{client: client, prefix: prefix, opts: opts, pool: parts.NewPool(opts.PoolBytes, opts.BlockSize)}
	s.name = strings.TrimSuffix("az://"+containerName(client)+"/"+prefix, "/")
	s.blockMD5.Store(opts.BlockMD5)
	return s
}

// containerName is the last segment of the container's URL.
func containerName(client *container.Client) string {
	parsed, err := blob.ParseURL(client.URL())
	if err != nil {
		return "?"
	}
	return parsed.ContainerName
}

// UniqueVersions says that an ETag never recurs.
func (s *Store) UniqueVersions() {}

// Close releases the idle connections of a Store from Open. Those of a client
// that was passed to New are the caller's.
func (s *Store) Close() error {
	if s.closeIdle != nil {
		s.closeIdle()
	}
	return nil
}

func (s *Store) blob(key string) *blob.Client { return s.client.NewBlobClient(s.prefix + key) }

func (s *Store) block(key string) *blockblob.Client {
	return s.client.NewBlockBlobClient(s.prefix + key)
}
