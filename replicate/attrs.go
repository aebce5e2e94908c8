package replicate

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/crossfade-io/crossfade/store"
)

// SameAttrs reports whether a and b carry the same attributes: the stamp is left
// out, names of metadata are compared without regard to case, and the content
// types that clouds fill in where none was given count as none.
func SameAttrs(a, b store.Attrs) bool { return attrsDigest(a) == attrsDigest(b) }

// carried returns the attributes that go to the target: those of the source
// without any stamp, and with ours.
func carried(a store.Attrs, stamp Stamp) store.Attrs {
	meta := make(map[string]string, len(a.Metadata)+1)
	for k, v := range a.Metadata {
		if !isStampName(k) {
			meta[k] = v
		}
	}
	meta[StampName] = stamp.String()
	a.Metadata = meta
	return a
}

// isStampName reports whether a store that does not regard case may take name
// for the stamp's. Only ASCII folds: "cro\u017f\u017ffade" is a name of the user's.
func isStampName(name string) bool { return strings.ToLower(name) == StampName }

// stampValue finds the stamp, whatever the case that the store gave its name.
// Several in other cases are none: we write one.
func stampValue(a store.Attrs) (value string, ok bool) {
	if v, ok := a.Metadata[StampName]; ok {
		return v, true
	}
	found := 0
	for k, v := range a.Metadata {
		if isStampName(k) {
			value, found = v, found+1
		}
	}
	return value, found == 1
}

// attrsDigest is 16 hex digits over the attributes in their normal form.
func attrsDigest(a store.Attrs) string {
	h := sha256.New()
	field(h, normalContentType(a.ContentType))
	field(h, a.CacheControl)
	field(h, a.ContentEncoding)
	field(h, a.ContentDisposition)
	field(h, a.ContentLanguage)
	lower := make(map[string]string, len(a.Metadata))
	for k, v := range a.Metadata {
		if !isStampName(k) {
			lower[strings.ToLower(k)] = v
		}
	}
	for _, k := range slices.Sorted(maps.Keys(lower)) {
		field(h, k)
		field(h, lower[k])
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// field writes s with its length before it, so that fields cannot run together.
func field(h hash.Hash, s string) {
	h.Write([]byte(strconv.Itoa(len(s)) + ":" + s))
}

// normalContentType maps the types that S3 (binary/octet-stream), Azure and
// GCS's XML API (application/octet-stream) report for an object stored without
// one to "".
func normalContentType(t string) string {
	switch t {
	case "application/octet-stream", "binary/octet-stream":
		return ""
	default:
		return t
	}
}
