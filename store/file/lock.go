package file

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
)

// stripes is how many keys can be committed at once. Processes that share a
// directory must agree on it.
const stripes = 256

// locks serialise changes of a key: within the process by a channel, which
// minds the context, and among processes by a lock of the operating system,
// which is only held while a change is committed.
type locks struct {
	stripe [stripes]chan struct{}
}

func (l *locks) init() {
	for i := range l.stripe {
		l.stripe[i] = make(chan struct{}, 1)
	}
}

// lock takes the lock of a key and returns what releases it.
func (s *Store) lock(ctx context.Context, key string) (unlock func(), err error) {
	n := sha256.Sum256([]byte(key))[0]
	select {
	case s.locks.stripe[n] <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	release := func() { <-s.locks.stripe[n] }
	dir, _, err := s.makeDir([]string{Reserved, "lock"})
	if err != nil {
		release()
		return nil, err
	}
	f, err := dir.OpenFile(fmt.Sprintf("%02x", n), os.O_RDWR|os.O_CREATE, 0o666)
	_ = dir.Close()
	if err == nil {
		if err = flock(f); err != nil {
			_ = f.Close()
		}
	}
	if err != nil {
		release()
		return nil, err
	}
	return func() {
		_ = f.Close()
		release()
	}, nil
}
