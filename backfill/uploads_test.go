package backfill_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/store"
)

// uploading is a store with unfinished uploads.
type uploading struct {
	store.Store
	now     time.Time
	clock   error
	list    error // after the uploads
	abort   func(store.Upload) error
	uploads []store.Upload
	onList  func()

	mu      sync.Mutex
	aborted []string
}

func (u *uploading) UploadClock(context.Context) (time.Time, error) { return u.now, u.clock }

func (u *uploading) Uploads(context.Context) iter.Seq2[store.Upload, error] {
	return func(yield func(store.Upload, error) bool) {
		if u.onList != nil {
			u.onList()
		}
		for _, up := range u.uploads {
			if !yield(up, nil) {
				return
			}
		}
		if u.list != nil {
			yield(store.Upload{}, u.list)
		}
	}
}

func (u *uploading) AbortUpload(_ context.Context, up store.Upload) error {
	if u.abort != nil {
		if err := u.abort(up); err != nil {
			return err
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	u.aborted = append(u.aborted, up.Key+" "+up.ID)
	return nil
}

func (u *uploading) sorted() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	slices.Sort(u.aborted)
	return u.aborted
}

// newUploading has an upload of each age, of a key that a filter may leave out,
// and of one that is reserved.
func newUploading(w *world) *uploading {
	now := time.Unix(1_700_000_000, 0)
	u := &uploading{Store: w.dst, now: now}
	for key, age := range map[string]time.Duration{
		"a": -time.Second, "b": 0, "c": time.Nanosecond, "d": time.Hour, "e": time.Hour + 1,
		"out": 48 * time.Hour, store.ControlPrefix + "m/x": 48 * time.Hour,
	} {
		u.uploads = append(u.uploads, store.Upload{Key: key, ID: "1", Begun: now.Add(-age)})
	}
	return u
}

// hidden passes capabilities through Unwrap, as decorators do.
type hidden struct{ store.Store }

func (h hidden) Unwrap() store.Store { return h.Store }

func TestAbortUploads(t *testing.T) {
	t.Parallel()
	filter, err := backfill.NewFilter(nil, []string{"out"})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		opts backfill.Options
		want []string
	}{
		"off":     {backfill.Options{UploadAge: time.Hour}, nil},
		"all":     {backfill.Options{AbortUploads: true}, []string{"c 1", "d 1", "e 1", "out 1"}},
		"an hour": {backfill.Options{AbortUploads: true, UploadAge: time.Hour}, []string{"e 1", "out 1"}},
		"chosen":  {backfill.Options{AbortUploads: true, Filter: filter}, []string{"c 1", "d 1", "e 1"}},
		"range":   {backfill.Options{AbortUploads: true, After: "c", Until: "d"}, []string{"d 1"}},
		"dry run": {backfill.Options{AbortUploads: true, DryRun: true}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.put(w.src, "k", "v")
			u := newUploading(w)
			sum, err := w.run(t.Context(), w.src, hidden{u}, c.opts)
			if err != nil {
				t.Fatal(err)
			}
			if got := u.sorted(); !slices.Equal(got, c.want) {
				t.Errorf("aborted %q, want %q", got, c.want)
			}
			want := int64(len(c.want))
			if c.opts.DryRun {
				want = 4 // as it would
			}
			if sum.UploadsAborted != want {
				t.Errorf("%d counted, want %d", sum.UploadsAborted, want)
			}
		})
	}
}

// A store without such uploads has nothing to abort, and that is no error.
func TestAbortUploadsNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if sum := w.mustRun(backfill.Options{AbortUploads: true}); sum.UploadsAborted != 0 {
		t.Errorf("%+v", sum)
	}
	u := newUploading(w)
	u.now = time.Time{}
	if sum, err := w.run(t.Context(), w.src, u, backfill.Options{AbortUploads: true}); err != nil || sum.UploadsAborted != 0 {
		t.Errorf("%+v, %v", sum, err)
	}
}

func TestAbortUploadsFails(t *testing.T) {
	t.Parallel()
	denied := &store.Error{Kind: store.Denied, Err: errors.New("no")}
	slow := &store.Error{Kind: store.Throttled}
	for name, c := range map[string]struct {
		spoil   func(*world, *uploading)
		wantErr error
		copied  int64
		aborted int64
	}{
		"clock denied": {func(_ *world, u *uploading) { u.clock = denied }, denied, 0, 0},
		"listing":      {func(_ *world, u *uploading) { u.list = denied }, denied, 1, -1},
		"one": {func(_ *world, u *uploading) {
			u.abort = func(up store.Upload) error {
				if up.Key == "d" {
					return denied
				}
				return nil
			}
		}, denied, 1, 3},
		"in passing": {func(_ *world, u *uploading) {
			var once sync.Once
			u.abort = func(store.Upload) (err error) {
				once.Do(func() { err = slow })
				return err
			}
		}, nil, 1, 4},
		"after too many deletes": {func(w *world, _ *uploading) {
			w.put(w.src, "gone", "x")
			w.mustRun(backfill.Options{})
			w.remove(w.src, "gone")
			w.put(w.src, "k", "again")
		}, backfill.ErrTooManyDeletes, 1, 4},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.put(w.src, "k", "v")
			u := newUploading(w)
			c.spoil(w, u)
			sum, err := w.run(t.Context(), w.src, u, backfill.Options{AbortUploads: true, Delete: true})
			if !errors.Is(err, c.wantErr) || (err == nil) != (c.wantErr == nil) {
				t.Errorf("%v, want %v", err, c.wantErr)
			}
			if sum.Copied != c.copied || c.aborted >= 0 && sum.UploadsAborted != c.aborted {
				t.Errorf("%+v, want %d copied and %d aborted", sum, c.copied, c.aborted)
			}
		})
	}
	w := newWorld(t)
	if _, err := w.run(t.Context(), w.src, newUploading(w), backfill.Options{AbortUploads: true, UploadAge: -1}); err == nil {
		t.Error("a negative age is accepted")
	}
}

// A run that was interrupted aborts nothing more.
func TestAbortUploadsInterrupted(t *testing.T) {
	t.Parallel()
	for _, when := range []string{"before", "at the listing"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			stop := make(chan struct{})
			u := newUploading(w)
			if when == "before" {
				w.put(w.src, "k", "v")
				close(stop)
			} else {
				u.onList = func() { close(stop) }
			}
			sum, err := w.run(t.Context(), w.src, u, backfill.Options{AbortUploads: true, Stop: stop})
			if err != backfill.ErrInterrupted || !sum.Interrupted || len(u.sorted()) != 0 { //nolint:errorlint // it is returned bare
				t.Errorf("%v, %+v, aborted %q", err, sum, u.sorted())
			}
		})
	}
}
