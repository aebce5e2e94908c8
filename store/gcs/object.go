package gcs

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/storage"
	rawstorage "google.golang.org/api/storage/v1"

	"github.com/crossfade-io/crossfade/store"
)

// defaultType is what the service reports in headers for objects without a
// content type. It is written out, so that both APIs tell the same.
const defaultType = "application/octet-stream"

func typeOr(t string) string {
	if t == "" {
		return defaultType
	}
	return t
}

// object is what the SDK tells, as from Head and List.
func (s *Store) object(a *storage.ObjectAttrs) *store.Object {
	return &store.Object{
		Key:     strings.TrimPrefix(a.Name, s.prefix),
		Size:    a.Size,
		Version: versionOf(a.Generation, a.Metageneration),
		ModTime: a.Created,
		Attrs: store.Attrs{
			ContentType: typeOr(a.ContentType), CacheControl: a.CacheControl,
			ContentEncoding: a.ContentEncoding, ContentDisposition: a.ContentDisposition,
			ContentLanguage: a.ContentLanguage, Metadata: decodeMetadata(a.Metadata),
		},
		Checksums: checksums(a.CRC32C, a.MD5, a.Size),
	}
}

// checksums takes a CRC32C of 0 for unknown, where it is not that of nothing:
// the SDK does not tell the two apart.
func checksums(crc uint32, md5 []byte, size int64) store.Checksums {
	var c store.Checksums
	if crc != 0 || size == 0 {
		c.CRC32C = binary.BigEndian.AppendUint32(nil, crc)
	}
	if len(md5) > 0 {
		c.MD5 = md5
	}
	return c
}

// rawObject is what the generated client tells, as after a write.
func (s *Store) rawObject(o *rawstorage.Object) (*store.Object, error) {
	created, err := time.Parse(time.RFC3339, o.TimeCreated)
	if err != nil {
		return nil, fmt.Errorf("time of creation %q: %w", o.TimeCreated, err)
	}
	return &store.Object{
		Key:     strings.TrimPrefix(o.Name, s.prefix),
		Size:    int64(o.Size),
		Version: versionOf(o.Generation, o.Metageneration),
		ModTime: created,
		Attrs: store.Attrs{
			ContentType: typeOr(o.ContentType), CacheControl: o.CacheControl,
			ContentEncoding: o.ContentEncoding, ContentDisposition: o.ContentDisposition,
			ContentLanguage: o.ContentLanguage, Metadata: decodeMetadata(o.Metadata),
		},
		Checksums: store.Checksums{CRC32C: decodeSum(o.Crc32c, 4), MD5: decodeSum(o.Md5Hash, 16)},
	}, nil
}

// decodeSum reads n bytes in base64; nil where there are not just so many.
func decodeSum(s string, n int) []byte {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) != n {
		return nil
	}
	return b
}

// raw is the resource to be written. It fails where an attribute is one that
// the service cannot hold.
func (s *Store) raw(name string, a store.Attrs) (*rawstorage.Object, error) {
	for field, v := range map[string]string{
		"Content-Type": a.ContentType, "Cache-Control": a.CacheControl, "Content-Encoding": a.ContentEncoding,
		"Content-Disposition": a.ContentDisposition, "Content-Language": a.ContentLanguage,
	} {
		if strings.ContainsFunc(v, isControl) || strings.TrimSpace(v) != v || strings.ToValidUTF8(v, "") != v {
			return nil, fmt.Errorf("%s %q cannot be sent as a header", field, v)
		}
	}
	metadata, err := encodeMetadata(a.Metadata)
	if err != nil {
		return nil, err
	}
	return &rawstorage.Object{
		Name: name, ContentType: typeOr(a.ContentType), CacheControl: a.CacheControl,
		ContentEncoding: a.ContentEncoding, ContentDisposition: a.ContentDisposition,
		ContentLanguage: a.ContentLanguage, Metadata: metadata,
	}, nil
}

// headerObject reads an object from the headers of an XML read. Exact is false
// where the headers may not be what is stored; see exactHeader.
func headerObject(key string, h http.Header) (o store.Object, exact bool, err error) {
	gen, err := strconv.ParseInt(h.Get("X-Goog-Generation"), 10, 64)
	if err != nil {
		return o, false, fmt.Errorf("the response tells no generation: %w", err)
	}
	// Emulators tell no metageneration here; 0 then stands for unknown.
	meta, metaErr := strconv.ParseInt(h.Get("X-Goog-Metageneration"), 10, 64)
	modified, err := http.ParseTime(h.Get("Last-Modified"))
	if err != nil {
		return o, false, fmt.Errorf("the response tells no time: %w", err)
	}
	size, err := storedSize(h)
	if err != nil {
		return o, false, err
	}
	o = store.Object{
		Key: key, Size: size, Version: versionOf(gen, meta), ModTime: modified.UTC(),
		Attrs: store.Attrs{
			ContentType: typeOr(h.Get("Content-Type")), CacheControl: h.Get("Cache-Control"),
			ContentEncoding: h.Get("Content-Encoding"), ContentDisposition: h.Get("Content-Disposition"),
			ContentLanguage: h.Get("Content-Language"),
		},
	}
	for _, line := range h.Values("X-Goog-Hash") {
		for sum := range strings.SplitSeq(line, ",") {
			switch name, value, _ := strings.Cut(strings.TrimSpace(sum), "="); name {
			case "crc32c":
				o.Checksums.CRC32C = decodeSum(value, 4)
			case "md5":
				o.Checksums.MD5 = decodeSum(value, 16)
			}
		}
	}
	exact = metaErr == nil && exactHeader(o.ContentType) && exactHeader(o.ContentEncoding) && exactHeader(o.ContentDisposition) && exactHeader(o.ContentLanguage)
	exact = exactCacheControl(&o.CacheControl) && exact
	raw := map[string]string{}
	for name, values := range h {
		if k, ok := strings.CutPrefix(name, "X-Goog-Meta-"); ok && len(values) > 0 {
			raw[k] = values[0]
			exact = exact && len(values) == 1 && exactHeader(values[0])
		}
	}
	o.Metadata = decodeMetadata(raw)
	return o, exact, nil
}

// storedSize is that of the whole object, also when a range is sent.
func storedSize(h http.Header) (int64, error) {
	text := h.Get("X-Goog-Stored-Content-Length")
	if text == "" {
		text = h.Get("Content-Length")
		if _, total, ok := strings.Cut(h.Get("Content-Range"), "/"); ok {
			text = total
		}
	}
	size, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("the response tells no size: %w", err)
	}
	return size, nil
}

// exactHeader reports that a header surely is what is stored: values beyond
// ASCII have no agreed form in headers.
func exactHeader(v string) bool {
	return !strings.ContainsFunc(v, func(r rune) bool { return r >= 0x7f })
}

// inventedCacheControl are values that the service sends for objects that have
// none when they are readable by everyone ("Cache-Control", object metadata).
var inventedCacheControl = []string{
	"public, max-age=3600", "no-cache, no-store, max-age=0", "no-cache, no-store, max-age=0, must-revalidate",
}

// exactCacheControl empties v where it is what the service was recorded to
// send for every other object without a Cache-Control. One that really is set
// to that is told by Head and List, but not by Open.
func exactCacheControl(v *string) bool {
	if *v == "private, max-age=0" {
		*v = ""
	}
	return !slices.Contains(inventedCacheControl, *v)
}
