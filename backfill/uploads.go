package backfill

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/crossfade-io/crossfade/store"
)

// uploadCleaner aborts what writers that were killed left unfinished on the
// target.
type uploadCleaner struct {
	*runner
	store  store.UploadAborter
	before time.Time
}

// newCleaner asks for the service's time before any work is done, so that an
// age is measured by one clock, and a missing permission is known at once. It
// returns nil where there is nothing to abort.
func (r *runner) newCleaner(ctx context.Context) (*uploadCleaner, error) {
	if !r.AbortUploads {
		return nil, nil
	}
	if r.UploadAge < 0 {
		return nil, fmt.Errorf("UploadAge is %s: it cannot be negative", r.UploadAge)
	}
	aborter, ok := store.As[store.UploadAborter](r.dst)
	if !ok {
		return nil, nil
	}
	var now time.Time
	err := r.try(ctx, "upload clock", func() (err error) {
		now, err = aborter.UploadClock(ctx)
		return err
	})
	switch {
	case r.stopped(ctx):
		return nil, ErrInterrupted
	case err != nil || now.IsZero():
		return nil, err
	}
	return &uploadCleaner{runner: r, store: aborter, before: now.Add(-r.UploadAge)}, nil
}

// run aborts, or in a dry run counts, the uploads that are old enough and whose
// keys the run is about.
func (c *uploadCleaner) run(ctx context.Context) error {
	var mu sync.Mutex
	var failed int
	var first error
	complete, err := forEach(ctx, c.Options, func(put func(store.Upload) bool) error {
		for u, err := range c.store.Uploads(ctx) {
			switch {
			case err != nil:
				return fmt.Errorf("listing unfinished uploads: %w", err)
			case !u.Begun.Before(c.before) || !c.within(u.Key) || !c.chosen(u.Key):
			case !put(u):
				return ErrInterrupted
			}
		}
		return nil
	}, func(ctx context.Context, u store.Upload) bool {
		if !c.DryRun {
			if err := c.try(ctx, "abort upload", func() error { return c.store.AbortUpload(ctx, u) }); err != nil {
				if ctx.Err() != nil {
					return false
				}
				mu.Lock()
				defer mu.Unlock()
				if failed++; first == nil {
					first = err
				}
				return true
			}
			c.Log.Debug("aborted", "key", u.Key, "begun", u.Begun)
		}
		c.aborted.Add(1)
		return true
	})
	switch {
	case c.stopped(ctx) && !complete:
		return ErrInterrupted
	case err != nil:
		return err
	case failed > 0:
		return fmt.Errorf("%d unfinished uploads could not be aborted, such as: %w", failed, first)
	}
	return nil
}

// within reports whether key is in (After, Until].
func (o Options) within(key string) bool {
	return key > o.After && (o.Until == "" || key <= o.Until)
}

// joined is both errors, ErrInterrupted bare and above all.
func joined(a, b error) error {
	switch {
	case b == nil, errors.Is(a, ErrInterrupted):
		return a
	case a == nil, errors.Is(b, ErrInterrupted):
		return b
	}
	return errors.Join(a, b)
}
