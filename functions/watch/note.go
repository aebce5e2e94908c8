package watch

import (
	"strings"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/store/file"
)

// note lets the key of the file at rel wait for its turn.
func (f *follower) note(rel string, what op) {
	key, err := file.KeyOf(rel)
	if err != nil {
		key = rel // what it is named in the log
	} else if f.opts.Match != nil && !strings.HasPrefix(key, store.ControlPrefix) && !f.opts.Match(key) {
		return
	}
	f.enqueue(id{key: key}, what, err)
}

// moved lets the keys below the directory rel, which the target may have, wait
// for their turn.
func (f *follower) moved(rel string) {
	prefix, err := file.KeyOf(rel)
	if err != nil || f.opts.Target == nil {
		f.want("a directory was moved away")
		return
	}
	f.enqueue(id{key: prefix + "/", below: true}, removed, nil)
}

func (w *Watcher) enqueue(what id, o op, refused error) {
	w.mu.Lock()
	ok := w.queue.add(what, o, refused, w.opts.Now())
	w.mu.Unlock()
	if !ok {
		w.want("more keys changed than are held")
		return
	}
	w.nudge()
}
