package memstore

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
)

// kinded is an error with a Kind that do completes.
func kinded(kind store.Kind, format string, args ...any) error {
	return &store.Error{Kind: kind, Err: fmt.Errorf(format, args...)}
}

func checkKey(key string) error {
	if key == "" || len(key) > 1024 || !utf8.ValidString(key) {
		return kinded(store.Invalid, "a key is 1 to 1024 bytes of UTF-8")
	}
	return nil
}

func version(o *cloudsim.Object) store.Version {
	return store.Version(strconv.FormatInt(o.Generation, 10) + "." + strconv.FormatInt(o.Metageneration, 10))
}

func object(o *cloudsim.Object) *store.Object {
	return &store.Object{
		Key: o.Name, Size: int64(len(o.Body)), Version: version(o), ModTime: o.Updated,
		Attrs: store.Attrs{
			ContentType: o.ContentType, CacheControl: o.CacheControl, ContentEncoding: o.ContentEncoding,
			ContentDisposition: o.ContentDisposition, ContentLanguage: o.ContentLanguage, Metadata: maps.Clone(o.Metadata),
		},
		Checksums: store.Checksums{CRC32C: binary.BigEndian.AppendUint32(nil, o.CRC32C), MD5: bytes.Clone(o.MD5)},
	}
}

// setAttrs replaces the attributes of o. Names of metadata are compared
// without regard to case, so two that differ only in it are refused.
func setAttrs(o *cloudsim.Object, a store.Attrs) {
	o.ContentType, o.CacheControl, o.ContentEncoding = a.ContentType, a.CacheControl, a.ContentEncoding
	o.ContentDisposition, o.ContentLanguage, o.Metadata = a.ContentDisposition, a.ContentLanguage, maps.Clone(a.Metadata)
}

func checkAttrs(a store.Attrs) error {
	total, names := 0, map[string]bool{}
	for k, v := range a.Metadata {
		lower := strings.ToLower(k)
		if names[lower] {
			return kinded(store.Invalid, "two metadata names differ only in case: %q", lower)
		}
		names[lower] = true
		total += len(k) + len(v)
	}
	if total > 8<<10 {
		return kinded(store.TooLarge, "%d bytes of metadata, 8192 at most", total)
	}
	return nil
}

func holds(cond store.Condition, cur *cloudsim.Object) error {
	switch {
	case cond.Absent && cur != nil:
		return kinded(store.Precondition, "the object exists, in version %s", version(cur))
	case cond.Match != "" && cur == nil:
		return kinded(store.Precondition, "the object does not exist")
	case cond.Match != "" && version(cur) != cond.Match:
		return kinded(store.Precondition, "the object is version %s, not %s", version(cur), cond.Match)
	}
	return nil
}
