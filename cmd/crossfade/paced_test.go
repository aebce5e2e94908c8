package main

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/memstore"
)

// TestThrottling: every verb works through a target that refuses each third
// request, and says at debug how it fared.
func TestThrottling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := newCLI(t)
		c.env.now = time.Now
		for _, key := range []string{"a", "b", "c", "d", "e"} {
			c.put(c.src, key, "body of "+key)
		}
		var n atomic.Int64
		c.dst.SetIntercept(func(_ context.Context, op memstore.Op) error {
			if op.Stage == memstore.Before && n.Add(1)%3 == 1 {
				return &store.Error{Kind: store.Throttled, Err: errors.New("slow down")}
			}
			return nil
		})
		for _, args := range []string{
			"backfill s3://source gs://target",
			"verify s3://source gs://target --checksum",
			"sync s3://source gs://target a b c",
		} {
			n.Store(0)
			_, stderr := c.want(exitDone, append(strings.Fields(args), "--log-level=debug")...)
			if !strings.Contains(stderr, "pacing") || !strings.Contains(stderr, "throttles") || !strings.Contains(stderr, "store=gs://target/") {
				t.Errorf("%s: %s", args, stderr)
			}
			if strings.Contains(stderr, "store=s3://source/") {
				t.Errorf("%s: the source is said to throttle: %s", args, stderr)
			}
		}
	})
}
