package backfill

import (
	"context"
	"fmt"
	"io"

	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
)

// Compare says of one key what Verify would, by what the stores say of its
// objects. Neither may be Partial; nil is none. It is pure but for the stamps
// that syncer reads.
func Compare(src, dst *store.Object, syncer Syncer) (Class, string) {
	return classify(pair{src, dst}, syncer)
}

func classify(p pair, syncer Syncer) (Class, string) {
	switch {
	case p.src == nil && p.dst == nil:
		return Equal, ""
	case p.dst == nil:
		return Missing, ""
	case p.src == nil && syncer.Ours(p.dst):
		return Extra, ""
	case p.src == nil:
		return Foreign, "not on the source"
	default:
		return judge(p.src, p.dst, syncer)
	}
}

// judge compares two objects that both sides have, neither Partial, by what the
// stores say of them. It is pure.
func judge(src, dst *store.Object, syncer Syncer) (Class, string) {
	if why := difference(src, dst); why != "" {
		return notEqual(dst, syncer, why)
	}
	switch {
	case src.Checksums.Comparable(dst.Checksums) || src.Size == 0:
		return Equal, ""
	case syncer.InSync(src, dst):
		return Equal, "" // the stamp has the checksum that the copy was made with
	case syncer.Ours(dst):
		return Different, "copied from another version, and the stores know no checksum of the same kind"
	default:
		return Foreign, "not provably equal: the stores know no checksum of the same kind"
	}
}

func notEqual(dst *store.Object, syncer Syncer, why string) (Class, string) {
	if syncer.Ours(dst) {
		return Different, why
	}
	return Foreign, why
}

// difference names what is visibly not equal, or returns "".
func difference(src, dst *store.Object) string {
	switch name := src.Checksums.Differ(dst.Checksums); {
	case src.Size != dst.Size:
		return fmt.Sprintf("size: %d bytes on the source, %d on the target", src.Size, dst.Size)
	case name != "":
		return name
	case !replicate.SameAttrs(src.Attrs, dst.Attrs):
		return "attributes: " + attrsDifference(src.Attrs, dst.Attrs)
	default:
		return ""
	}
}

// attrsDifference names the attributes that differ.
func attrsDifference(a, b store.Attrs) string {
	for _, f := range []struct{ name, a, b string }{
		{"content type", a.ContentType, b.ContentType},
		{"cache control", a.CacheControl, b.CacheControl},
		{"content encoding", a.ContentEncoding, b.ContentEncoding},
		{"content disposition", a.ContentDisposition, b.ContentDisposition},
		{"content language", a.ContentLanguage, b.ContentLanguage},
	} {
		only := func(v string) store.Attrs {
			if f.name == "content type" {
				return store.Attrs{ContentType: v}
			}
			return store.Attrs{CacheControl: v}
		}
		if !replicate.SameAttrs(only(f.a), only(f.b)) {
			return fmt.Sprintf("%s is %q on the source, %q on the target", f.name, f.a, f.b)
		}
	}
	return "user metadata"
}

// readBoth reads both bodies of a key whole and compares them with each other
// and with what the stores say of them. why names a difference in the bytes.
func (v *verifier) readBoth(ctx context.Context, key string) (now pair, why string, err error) {
	var srcSums, dstSums store.Checksums
	if now.src, srcSums, err = v.readOne(ctx, v.src, key); err != nil {
		return pair{}, "", fmt.Errorf("source: %w", err)
	}
	if now.dst, dstSums, err = v.readOne(ctx, v.dst, key); err != nil {
		return pair{}, "", fmt.Errorf("target: %w", err)
	}
	if now.src != nil && now.dst != nil && now.src.Size == now.dst.Size {
		if name := srcSums.Differ(dstSums); name != "" {
			why = name + " of the bytes"
		}
	}
	return now, why, nil
}

// readOne reads one body, of the version that its first response names, and
// returns its checksums.
func (v *verifier) readOne(ctx context.Context, s store.Store, key string) (obj *store.Object, sums store.Checksums, err error) {
	err = v.try(ctx, "read", func() error {
		r, err := s.Open(ctx, key, store.ReadOptions{})
		if err != nil {
			return err
		}
		defer r.Body.Close()
		h := store.NewHasher(r.Checksums)
		n, err := io.Copy(h, r.Body)
		v.p.read.Add(n)
		if err != nil {
			return err
		}
		if err := h.Verify(r.Size); err != nil {
			return &store.Error{Op: "read", Key: key, Kind: store.Corrupt, Err: err}
		}
		obj, sums = &r.Object, h.Sum()
		return nil
	})
	if store.KindOf(err) == store.NotFound {
		return nil, store.Checksums{}, nil
	}
	return obj, sums, err
}
