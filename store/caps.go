package store

import (
	"context"
	"iter"
	"slices"
	"time"
)

// MetadataUpdater replaces an object's attributes without sending its bytes
// again. It is all or nothing; a store that cannot do that for the given change
// returns Kind Invalid, and the caller copies instead.
type MetadataUpdater interface {
	UpdateMetadata(ctx context.Context, key string, attrs Attrs, cond Condition) (*Object, error)
}

// Checker tells before the work begins whether the bucket is there and may be
// used, with an error that says what to do.
type Checker interface {
	Check(ctx context.Context) error
}

// UniqueVersions marks stores whose Version never recurs for a key, so that a
// condition on it cannot hold for another object with the same bytes. S3's ETag
// recurs; a GCS generation, an Azure ETag and a file's mtime with inode do not.
type UniqueVersions interface {
	UniqueVersions()
}

// Upload is one that was begun in parts and neither completed nor aborted.
type Upload struct {
	Key   string
	ID    string
	Begun time.Time // by the service's clock
}

// UploadAborter clears up after writers that died in the middle of a large
// object, on stores that keep its parts, at a cost, until someone aborts them.
type UploadAborter interface {
	// UploadClock is the service's time, rounded down, so that what is begun
	// after the call is never before it. It is zero where the store has no
	// uploads to abort. It fails where uploads may not be listed.
	UploadClock(ctx context.Context) (time.Time, error)

	// Uploads yields the unfinished uploads of the store's keys, whoever began
	// them, in no order. The first error ends the sequence.
	Uploads(ctx context.Context) iter.Seq2[Upload, error]

	// AbortUpload ends u. One that has ended meanwhile is no error.
	AbortUpload(ctx context.Context, u Upload) error
}

// WriteDenier is implemented by stores whose service can refuse writes by a rule
// of the bucket. Where it cannot after all, as servers that only resemble it,
// both methods yield Kind Invalid. A rule takes effect some time after the call:
// only a refused write shows that it has, and only one that passes that it is
// gone.
type WriteDenier interface {
	// DenyWrites adds a rule, known by id, that refuses to everyone but the
	// principals in except what changes or deletes objects below the store's
	// prefix. One with other principals is replaced, and adding the same twice
	// changes nothing. After an error the rule may be there or not: AllowWrites
	// makes sure. Precondition means that someone else changed the bucket's rules
	// at the same moment.
	DenyWrites(ctx context.Context, id string, except []string) error

	// AllowWrites removes the rule and leaves all others as they are. That it is
	// not there is no error.
	AllowWrites(ctx context.Context, id string) error
}

// Unwrapper is implemented by decorators.
type Unwrapper interface {
	Unwrap() Store
}

// Coverer is a decorator that stands before the optional capabilities of what
// it decorates as well. Cover takes one that As found and returns what does the
// same in its place. Where the result lacks the interface that was asked for, As
// passes the decorator by: markers, and capabilities unknown to it.
type Coverer interface {
	Unwrapper
	Cover(capability any) any
}

// As finds capability T on s or on what it decorates, and has the Coverers on
// the way stand before it.
func As[T any](s Store) (T, bool) {
	var over []Coverer
	for s != nil {
		if t, ok := s.(T); ok {
			for _, c := range slices.Backward(over) {
				if covered, ok := c.Cover(t).(T); ok {
					t = covered
				}
			}
			return t, true
		}
		u, ok := s.(Unwrapper)
		if !ok {
			break
		}
		if c, ok := s.(Coverer); ok {
			over = append(over, c)
		}
		s = u.Unwrap()
	}
	var zero T
	return zero, false
}
