package store

import "context"

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

// Unwrapper is implemented by decorators.
type Unwrapper interface {
	Unwrap() Store
}

// As finds capability T on s or on what it decorates.
func As[T any](s Store) (T, bool) {
	for s != nil {
		if t, ok := s.(T); ok {
			return t, true
		}
		u, ok := s.(Unwrapper)
		if !ok {
			break
		}
		s = u.Unwrap()
	}
	var zero T
	return zero, false
}
