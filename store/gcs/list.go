package gcs

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"cloud.google.com/go/storage"
	"google.golang.org/api/iterator"

	"github.com/crossfade-io/crossfade/store"
)

// listed are the attributes that a listing brings.
var listed = []string{
	"Name", "Size", "Generation", "Metageneration", "Created", "ContentType", "CacheControl", "ContentEncoding",
	"ContentDisposition", "ContentLanguage", "Metadata", "CRC32C", "MD5",
}

// List yields objects with all attributes. The service lists in byte order;
// that is checked, because a comparison of two listings rests on it.
func (s *Store) List(ctx context.Context, opts store.ListOptions) iter.Seq2[*store.Object, error] {
	return func(yield func(*store.Object, error) bool) {
		// The service's bounds are [start, end), ours (After, Until].
		q := &storage.Query{Prefix: s.prefix, Projection: storage.ProjectionNoACL}
		if opts.After != "" {
			q.StartOffset = s.prefix + opts.After
		}
		if opts.Until != "" {
			q.EndOffset = s.prefix + opts.Until + "\x00"
		}
		if err := q.SetAttrSelection(listed); err != nil {
			yield(nil, s.fail("list", "", err))
			return
		}
		last := ""
		for it := s.handle.Objects(ctx, q); ; {
			attrs, err := it.Next()
			if errors.Is(err, iterator.Done) {
				return
			}
			if err != nil {
				yield(nil, s.fail("list", "", err))
				return
			}
			if attrs.Name <= last {
				yield(nil, &store.Error{Op: "list", Store: s.id, Kind: store.Unknown, Err: fmt.Errorf("%q is listed behind %q", attrs.Name, last)})
				return
			}
			last = attrs.Name
			o := s.object(attrs)
			if o.Key == opts.After { // also the object that is named as the prefix itself
				continue
			}
			if !yield(o, nil) {
				return
			}
		}
	}
}
