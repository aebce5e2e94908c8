// Package store is the contract between crossfade and an object store: six
// methods, one error type, and optional capabilities found through As.
//
// Drivers (store/s3, store/gcs, store/azblob, store/file) import this package
// and never each other. It imports only the standard library.
package store

import (
	"context"
	"io"
	"iter"
	"time"
	"unicode/utf8"
)

// ControlPrefix is where crossfade keeps its own small objects. Keys below it
// are never replicated, compared or deleted by a sync.
const ControlPrefix = ".crossfade/"

// Store is a flat set of objects, each a body with attributes under a key.
//
// Keys are UTF-8, 1 to 1024 bytes, relative to the prefix that the store was
// opened with, and carried exactly: no cleaning, no decoding. Every error is,
// or wraps, an *Error. All methods may be called concurrently.
type Store interface {
	// Head returns the object under key. Kind NotFound where there is none;
	// some services cannot tell a missing bucket from a missing key here (S3
	// answers HEAD without an error code), so only Open's NotFound permits a
	// delete elsewhere.
	Head(ctx context.Context, key string) (*Object, error)

	// Open returns the stored bytes, never decoded by Content-Encoding, and the
	// attributes that belong to just these bytes. The caller closes the body.
	// NotFound is returned only when the service said definitely that the key,
	// or the pinned version of it, is not there. A pinned version that is no
	// longer current yields Precondition or NotFound, never another's bytes.
	Open(ctx context.Context, key string, opts ReadOptions) (*Reader, error)

	// Put stores content under key, all or nothing: if the content fails, ends
	// early, runs long, or differs from opts.Checksums (Kind Corrupt), or the
	// precondition does not hold (Kind Precondition), whatever was there before
	// is untouched. It returns the object as stored, Version included.
	Put(ctx context.Context, key string, content Content, opts PutOptions) (*Object, error)

	// Delete removes the current object. Without a precondition an absent key
	// is no error. With one, an object that is another version yields
	// Precondition, and an absent one NotFound or Precondition.
	Delete(ctx context.Context, key string, cond Condition) error

	// List yields the objects whose keys are in (opts.After, opts.Until], in
	// ascending byte order of keys. The first error ends the sequence: what
	// was yielded before it is not the whole.
	List(ctx context.Context, opts ListOptions) iter.Seq2[*Object, error]

	// Close releases connections. The store is not used afterwards.
	Close() error
}

// Version changes whenever an object changes, its attributes included where
// the service can tell. It is opaque outside its driver; "" means unknown.
//
// S3: ETag, with "@versionId" behind it in versioned buckets. GCS:
// "generation.metageneration". Azure: ETag. File: mtime in nanoseconds, size
// and inode.
type Version string

// Covers reports whether v is the version that a listing named by listed:
// listings of versioned S3 buckets lack the part of a Version behind "@".
func (v Version) Covers(listed Version) bool {
	return v == listed || listed != "" && len(v) > len(listed) && v[:len(listed)] == listed && v[len(listed)] == '@'
}

// Attrs are the attributes that crossfade carries from store to store.
type Attrs struct {
	ContentType        string
	CacheControl       string
	ContentEncoding    string
	ContentDisposition string
	ContentLanguage    string

	// Metadata is the user metadata, UTF-8 names and values. Stores that fold
	// the case of names return them in lower case; names are compared without
	// regard to case. Drivers encode what their service cannot hold and decode
	// it again, so values survive a round trip.
	Metadata map[string]string
}

// Checksums are those a store knows of an object's bytes, as big-endian bytes;
// nil where unknown. Each is of the whole body.
type Checksums struct {
	CRC32C    []byte // 4 bytes, Castagnoli
	CRC64NVME []byte // 8 bytes, polynomial 0x9A6C9329AC4BC9B5 reflected
	MD5       []byte // 16 bytes
}

// Object describes one object.
type Object struct {
	Key     string
	Size    int64 // bytes as stored
	Version Version
	ModTime time.Time // as the store tells it; to the second on some
	Attrs
	Checksums Checksums

	// Partial is set on objects from a listing that does not carry attributes
	// (S3): Attrs are then unknown, not empty.
	Partial bool
}

// ReadOptions says which bytes of which version to read.
type ReadOptions struct {
	Version Version // pin; "" reads the current version
	Offset  int64
	Length  int64 // 0 reads to the end
}

// Reader is an open object. Object.Size is that of the whole object, also when
// a range is read.
type Reader struct {
	Object
	Body io.ReadCloser
}

// PutOptions go with a Put.
type PutOptions struct {
	If    Condition
	Attrs Attrs

	// Checksums, where set, are what the content must have.
	Checksums Checksums
}

// Condition binds a write to what was there before. The zero value means
// no condition.
type Condition struct {
	Absent bool    // nothing is stored under the key
	Match  Version // just this version is
}

// IfAbsent is the condition that nothing is stored under the key.
func IfAbsent() Condition { return Condition{Absent: true} }

// IfMatch is the condition that version v is stored under the key.
func IfMatch(v Version) Condition { return Condition{Match: v} }

// ListOptions bound a listing to keys in (After, Until]. Empty means unbounded.
type ListOptions struct {
	After string
	Until string

	// AnyOrder accepts the service's own order where that is not the byte
	// order of keys (Azure accounts with hierarchical namespaces). Without it
	// such a listing ends in Kind Invalid.
	AnyOrder bool
}

// Prefix is what every key in the range begins with, whatever order a service
// lists in: for services that cannot be told where to end.
func (o ListOptions) Prefix() string {
	n := 0
	for n < min(len(o.After), len(o.Until)) && o.After[n] == o.Until[n] {
		n++
	}
	for n > 0 && (n < len(o.After) && !utf8.RuneStart(o.After[n]) || n < len(o.Until) && !utf8.RuneStart(o.Until[n])) {
		n-- // within a character
	}
	return o.After[:n]
}
