package store

import (
	"context"
	"time"
)

// Sleep waits for d, or for the end of ctx, whose error it then returns. It is
// what everyone who waits between calls to a store uses outside tests.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
