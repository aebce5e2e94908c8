package demoapp

import (
	"context"
	"errors"
	"time"
)

// sameReadings is how many readings in a row have to find a fault before it is
// believed, where requests may fail: a reading itself may be spoilt.
const sameReadings = 3

// again tries f up to opts.Attempts times, with growing pauses. An operation is
// the same at each try, and nothing else touches its key meanwhile. So when a
// try succeeds the outcome is sure, whatever became of those before; when none
// does it stays unknown, and the record says so.
func (a *App) again(ctx context.Context, f func() error) error {
	const most = 200 * time.Millisecond
	pause := 2 * time.Millisecond
	for n := 1; ; n++ {
		err := f()
		if err == nil || errors.Is(err, ErrAbsent) || n >= a.opts.Attempts || ctx.Err() != nil {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		pause = min(2*pause, most)
	}
}

// judge reads a key and compares it with the record.
func (a *App) judge(ctx context.Context, c Client, key string) (v Verdict, why string, present bool, err error) {
	readings := 1
	if a.opts.Attempts > 1 {
		readings = sameReadings
	}
	for range readings {
		err = a.again(ctx, func() error {
			v, why, present, err = judge(ctx, c, a.Record, key)
			return err
		})
		if err == nil && v == Fine {
			break
		}
	}
	return v, why, present, err
}
