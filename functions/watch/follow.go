package watch

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/file"
)

// notifier is what tells of changes in directories.
type notifier interface {
	Add(dir string) error
	Remove(dir string) error
	Close() error
	events() <-chan fsnotify.Event
	errors() <-chan error
}

// buffered events wait outside of the kernel, whose queue is bounded too.
const buffered = 4096

type system struct{ *fsnotify.Watcher }

func (s system) events() <-chan fsnotify.Event { return s.Events }
func (s system) errors() <-chan error          { return s.Errors }

func openSystem() (notifier, error) {
	w, err := fsnotify.NewBufferedWatcher(buffered)
	if err != nil {
		return nil, err
	}
	return system{w}, nil
}

// blind is a notifier that sees nothing: rescans remain.
type blind struct{}

func (blind) Add(string) error              { return nil }
func (blind) Remove(string) error           { return nil }
func (blind) Close() error                  { return nil }
func (blind) events() <-chan fsnotify.Event { return nil }
func (blind) errors() <-chan error          { return nil }

var (
	// errLost says that events were lost: what is watched is no longer known.
	errLost = errors.New("events were lost")

	// errAgain says that it is time to try again to watch all.
	errAgain = errors.New("some directories are not watched")
)

// calm is how long nothing is lost until a loss is a first one again.
const calm = time.Minute

// follow watches the tree until ctx ends. It begins anew, with fresh watches and
// a rescan, after events were lost, and every Rescan while not all is watched.
func (w *Watcher) follow(ctx context.Context) error {
	why, told, pause := "start", "", time.Duration(0)
	for {
		begun := w.opts.Now()
		f := &follower{Watcher: w, names: map[inode]string{}, inodes: map[string]inode{}, left: map[string]struct{}{}, lost: make(chan struct{}, 1)}
		err := f.run(ctx, why, &told)
		switch {
		case errors.Is(err, errLost):
			w.update(func(s *State) { s.Lost++ })
			w.opts.Log.WarnContext(ctx, "events of the directory were lost: a rescan makes up for it", slog.String("dir", w.opts.Dir))
			why = "events were lost"
			// A tree in which more happens than can be followed is left to rescans
			// for a while.
			if w.opts.Now().Sub(begun) > calm {
				pause = 0
			}
			if err := store.Sleep(ctx, pause); err != nil {
				return err
			}
			pause = min(max(2*pause, time.Second), w.opts.Rescan)
		case errors.Is(err, errAgain):
			why = "not all is watched"
		default:
			return err
		}
	}
}

// follower is one set of watches.
type follower struct {
	*Watcher
	n       notifier
	root    fs.FileInfo
	dirs    tree
	watched int
	names   map[inode]string
	inodes  map[string]inode    // the other way round
	left    map[string]struct{} // directories that were watched once
	lost    chan struct{}       // events were
	missing error               // why not all is watched
}

// run sets up the watches, asks for a rescan and follows. told is what was last
// logged about directories that cannot be watched.
func (f *follower) run(ctx context.Context, why string, told *string) (err error) {
	if f.n, err = f.opts.open(); err != nil {
		f.n, f.missing = blind{}, limited(err)
	}
	defer func() { err = errors.Join(err, f.n.Close()) }()
	if errs := f.n.errors(); errs != nil {
		go f.heed(ctx, errs)
	}
	if err := f.look(ctx, "", false); err != nil {
		return err
	}
	f.report(ctx, told)
	f.want(why) // not before the watches stand: nothing falls between the two
	for {
		var again <-chan time.Time
		if f.missing != nil {
			t := time.NewTimer(f.opts.Rescan)
			defer t.Stop() // a second one at most
			again = t.C
		}
		if err := f.events(ctx, again); err != nil {
			return err
		}
		f.report(ctx, told)
	}
}

// heed waits for the error that says that events were lost. It has a goroutine of
// its own: the watcher sends errors while it holds the lock that Add needs.
func (f *follower) heed(ctx context.Context, errs <-chan error) {
	for err := range errs {
		switch {
		case errors.Is(err, syscall.EINVAL): // it ended a watch that had ended by itself
			continue
		case !errors.Is(err, fsnotify.ErrEventOverflow): // who knows what it is about
			f.opts.Log.WarnContext(ctx, "watching the directory", slog.String("dir", f.opts.Dir), slog.Any("error", err))
		}
		select {
		case f.lost <- struct{}{}:
		default:
		}
	}
}

// events follows until something is to be reported.
func (f *follower) events(ctx context.Context, again <-chan time.Time) error {
	before := f.missing
	gone := time.NewTicker(f.opts.looksAfter())
	defer gone.Stop()
	for before != nil || f.missing == nil {
		select {
		case <-gone.C:
			if err := f.itself(); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		case <-again:
			return errAgain
		case e, ok := <-f.n.events():
			if !ok {
				return errLost
			}
			if err := f.event(ctx, e); err != nil {
				return err
			}
		case <-f.lost:
			return errLost
		}
	}
	return nil
}

// report tells once of a change in whether all is watched.
func (f *follower) report(ctx context.Context, told *string) {
	f.update(func(s *State) { s.Watching, s.Directories = f.missing == nil, f.watched })
	text := ""
	if f.missing != nil {
		text = f.missing.Error()
	}
	switch {
	case text == *told && text != "":
	case text != "":
		f.opts.Log.ErrorContext(ctx, "not all of the directory can be watched: changes there are found by rescans alone",
			slog.String("dir", f.opts.Dir), slog.String("rescan", f.opts.Rescan.String()), slog.String("error", functions.LogText(text)))
	default:
		f.opts.Log.InfoContext(ctx, "watching", slog.String("dir", f.opts.Dir), slog.Int("directories", f.watched))
	}
	*told = text
}

// event deals with one change.
func (f *follower) event(ctx context.Context, e fsnotify.Event) error {
	rel, inside := f.relative(e.Name)
	if !inside {
		return f.itself()
	}
	if file.IsReserved(rel) {
		return nil
	}
	what := opOf(e.Op)
	switch {
	case what&removed != 0 && f.dirs.has(rel):
		f.forget(rel)
		if e.Has(fsnotify.Rename) { // nobody tells of what was in it
			f.moved(rel)
		}
		f.note(rel, removed) // or it was a file, before the directory that is known
	case what&created != 0:
		return f.appeared(ctx, rel, e.Name)
	case what&removed == 0 && isDir(e.Name):
	default:
		f.note(rel, what)
	}
	return nil
}

// appeared deals with a new name, whose file or directory may be gone again.
func (f *follower) appeared(ctx context.Context, rel, name string) error {
	_, before := f.left[rel]
	f.forget(rel) // a directory may have been moved over an empty one
	if !isDir(name) {
		f.note(rel, created)
	} else if err := f.look(ctx, rel, true); err != nil {
		return err
	}
	// The keys of an earlier directory of this name may have come back with this
	// one, and gone again before it was watched.
	if _, left := f.left[rel]; left {
		f.moved(rel)
	}
	if before {
		// What the system tells of directories that come and go under one name
		// cannot always be told apart.
		f.want("a directory came back under a name that was used before")
	}
	return nil
}

func isDir(name string) bool {
	fi, err := os.Lstat(name)
	return err == nil && fi.IsDir()
}

// itself makes sure that the directory is still there. The system does not tell
// of its removal while a store has it open: it is looked after from time to time.
func (f *follower) itself() error {
	now, err := os.Stat(f.opts.Dir)
	if err == nil && os.SameFile(now, f.root) || err != nil && !vanished(err) {
		return nil
	}
	return f.gone()
}

// gone is the error of a directory that is not there any more.
func (f *follower) gone() error {
	return &store.Error{Op: "watch", Store: "file://" + f.opts.Dir, Kind: store.Unavailable, Err: errors.New("the directory was moved or removed: put it back, or mount what it is on, and start again")}
}

// relative is the path below the directory; false for the directory itself.
func (f *follower) relative(name string) (string, bool) {
	return strings.CutPrefix(name, strings.TrimSuffix(f.opts.Dir, "/")+"/")
}
