package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/demo"
)

// bulkPrefix is of the objects that nobody changes while it is measured.
const bulkPrefix = "bulk/"

// seedPair puts n small objects on the source, and their copies on the target,
// straight into the memory of the clouds: a million in seconds. One is written
// and copied as all would be, and is the pattern of the others; what the copies'
// stamps say of their originals is read from a listing.
func seedPair(ctx context.Context, w *demo.World, n int) error {
	const pattern = bulkPrefix + "pattern"
	attrs := store.Attrs{ContentType: "image/jpeg", Metadata: map[string]string{"owner": "bench"}}
	if _, err := w.Source.Store.Put(ctx, pattern, store.Bytes(strings.Repeat("crossfade", 7)), store.PutOptions{Attrs: attrs}); err != nil {
		return err
	}
	if sum, err := w.Backfill(ctx, 16, nil); err != nil || sum.Failed > 0 {
		return fmt.Errorf("copying the pattern: %+v: %w", sum, err)
	}
	src, dst := w.Source.Bucket.Get(pattern), w.Target.Bucket.Get(pattern)
	name, stamp, err := stampIn(dst.Metadata)
	if err != nil {
		return err
	}
	put := func(b *cloudsim.Bucket, o cloudsim.Object, key string) error {
		o.Name = key
		_, err := b.Put(&o, cloudsim.Origin{}, nil, nil)
		return err
	}
	for i := range n {
		if err := put(w.Source.Bucket, *src, bulkKey(i)); err != nil {
			return err
		}
	}
	for o, err := range w.Source.Store.List(ctx, store.ListOptions{After: bulkPrefix, Until: "bulk0"}) {
		if err != nil {
			return err
		}
		if o.Key == pattern {
			continue
		}
		digest := sha256.Sum256([]byte(o.Key))
		stamp.KeyHash, stamp.Version, stamp.ModTime = hex.EncodeToString(digest[:8]), o.Version, o.ModTime
		copied := *dst
		copied.Metadata = maps.Clone(dst.Metadata)
		copied.Metadata[name] = stamp.String()
		if err := put(w.Target.Bucket, copied, o.Key); err != nil {
			return err
		}
	}
	for _, b := range []*cloudsim.Bucket{w.Source.Bucket, w.Target.Bucket} {
		if _, _, err := b.Delete(pattern, cloudsim.Origin{}, false, nil); err != nil {
			return err
		}
	}
	return nil
}

func bulkKey(i int) string { return bulkPrefix + key(i) }

// stampIn returns the stamp among metadata, and the cloud's spelling of its name.
func stampIn(metadata map[string]string) (string, replicate.Stamp, error) {
	for name, value := range metadata {
		if strings.EqualFold(name, replicate.StampName) {
			s, err := replicate.ParseStamp(value)
			return name, s, err
		}
	}
	return "", replicate.Stamp{}, errors.New("the pattern was copied without a stamp")
}
