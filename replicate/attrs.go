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
		if !strings.EqualFold(k, StampName) {
			meta[k] = v
		}
	}
	meta[StampName] = stamp.String()
	a.Metadata = meta
	return a
}

// stampValue finds the stamp, whatever the case that the store gave its name.
func stampValue(a store.Attrs) (string, bool) {
	if v, ok := a.Metadata[StampName]; ok {
		return v, true
	}
	for k, v := range a.Metadata {
		if strings.EqualFold(k, StampName) {
			return v, true
		}
	}
	return "", false
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
		if k = strings.ToLower(k); k != StampName {
			lower[k] = v
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
