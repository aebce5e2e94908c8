package backfill

import (
	"context"
	"errors"

	"github.com/crossfade-io/crossfade/store"
)

// listAhead is how many objects of a listing are fetched before they are asked
// for: one page of most services.
const listAhead = 1000

// list lists s, a page ahead of its reader, and takes up a listing that failed
// in passing behind the last key that it yielded.
func (o Options) list(ctx context.Context, s store.Store, lo store.ListOptions) objects {
	return ahead(ctx, listAhead, func(ctx context.Context) objects { return o.resume(ctx, s, lo) })
}

func (o Options) resume(ctx context.Context, s store.Store, lo store.ListOptions) objects {
	return func(yield func(*store.Object, error) bool) {
		for failures := 0; ; {
			var failed error
			for obj, err := range s.List(ctx, lo) {
				if failed = err; err != nil {
					break
				}
				if !yield(obj, nil) {
					return
				}
				lo.After, failures = obj.Key, 0
			}
			if failed == nil {
				return
			}
			failures++
			// In the service's own order there is no "behind the last key".
			final := lo.AnyOrder || !store.KindOf(failed).Retryable() || failures >= o.Attempts
			if final || o.pause(ctx, failures, failed) != nil {
				yield(nil, failed)
				return
			}
			o.Log.Debug("listing again", "after", lo.After, "error", failed)
		}
	}
}

// ahead runs a listing in a goroutine of its own, up to n objects ahead. A
// listing cut by the context ends in an error, never as if it were complete.
func ahead(ctx context.Context, n int, list func(context.Context) objects) objects {
	type item struct {
		obj *store.Object
		err error
	}
	return func(yield func(*store.Object, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		items := make(chan item, n)
		go func() {
			defer close(items)
			for obj, err := range list(ctx) {
				select {
				case items <- item{obj, err}:
				case <-ctx.Done():
					return
				}
				if err != nil {
					return
				}
			}
		}()
		defer func() {
			cancel()
			for range items { // until the goroutine has ended
			}
		}()
		for it := range items {
			if !yield(it.obj, it.err) || it.err != nil {
				return
			}
		}
		if err := ctx.Err(); err != nil {
			yield(nil, err)
		}
	}
}

// unordered returns the listing that failed where it failed because its service
// does not list in byte order of keys, which merging needs.
func unordered(err error) (*listingError, bool) {
	e, ok := errors.AsType[*listingError](err)
	return e, ok && store.KindOf(e) == store.Invalid
}
