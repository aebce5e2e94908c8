package replicate

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/crossfade-io/crossfade/store"
)

// StampName is the one entry of user metadata that crossfade writes.
const StampName = "crossfade"

// Stamp says which version of which source object a copy is. It is stored as
// one line of ASCII, so that every cloud carries it and people can read it:
//
//	v1 from=s3://bucket/prefix/ key=9f86d081884c7d65 ver=… time=… size=… attrs=… crc32c=… new=1
//
// S3 allows 2 KB for all user metadata, so the key is a digest: it is the
// object's own name, and the digest serves to notice a stamp that was copied
// along with an object to another name.
type Stamp struct {
	From    string // the source's ID, as by config.Location.ID
	KeyHash string // 16 hex digits
	Version store.Version
	ModTime time.Time // the source's, to the millisecond
	Size    int64     // bytes
	Attrs   string    // digest of the attributes as carried, 16 hex digits
	Sums    store.Checksums

	// Created says that there was nothing where the copy was put, and that the
	// store made sure of it.
	Created bool
}

// newStamp describes src, whose bytes have the checksums sums, as far as known.
func newStamp(from string, src *store.Object, sums store.Checksums) Stamp {
	return Stamp{
		From: from, KeyHash: keyHash(src.Key), Version: src.Version,
		ModTime: src.ModTime.Truncate(time.Millisecond), Size: src.Size,
		Attrs: attrsDigest(src.Attrs), Sums: sums,
	}
}

func keyHash(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:8])
}

// String is the stored form.
func (s Stamp) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "v1 from=%s key=%s ver=%s time=%d size=%d attrs=%s",
		escape(s.From), s.KeyHash, escape(string(s.Version)), s.ModTime.UnixMilli(), s.Size, s.Attrs)
	// One checksum suffices; the order is by how many stores know it.
	switch {
	case s.Sums.CRC32C != nil:
		b.WriteString(" crc32c=" + hex.EncodeToString(s.Sums.CRC32C))
	case s.Sums.MD5 != nil:
		b.WriteString(" md5=" + hex.EncodeToString(s.Sums.MD5))
	case s.Sums.CRC64NVME != nil:
		b.WriteString(" crc64nvme=" + hex.EncodeToString(s.Sums.CRC64NVME))
	}
	if s.Created {
		b.WriteString(" new=1")
	}
	return b.String()
}

// ParseStamp reads the stored form. Fields that it does not know are passed
// over, for the sake of stamps from later versions.
func ParseStamp(text string) (Stamp, error) {
	words := strings.Fields(text)
	if len(words) == 0 || words[0] != "v1" {
		return Stamp{}, errors.New("stamp: not of version v1")
	}
	fields := make(map[string]string, len(words))
	for _, w := range words[1:] {
		name, value, ok := strings.Cut(w, "=")
		if _, twice := fields[name]; !ok || twice {
			return Stamp{}, fmt.Errorf("stamp: field %q is malformed or there twice", name)
		}
		v, err := url.PathUnescape(value)
		if err != nil {
			return Stamp{}, fmt.Errorf("stamp: field %q: %w", name, err)
		}
		fields[name] = v
	}
	s := Stamp{From: fields["from"], KeyHash: fields["key"], Version: store.Version(fields["ver"]), Attrs: fields["attrs"], Created: fields["new"] == "1"}
	if s.From == "" || len(s.KeyHash) != 16 || s.Version == "" || len(s.Attrs) != 16 {
		return Stamp{}, errors.New("stamp: from, key, ver or attrs is missing")
	}
	ms, err := strconv.ParseInt(fields["time"], 10, 64)
	if err != nil {
		return Stamp{}, fmt.Errorf("stamp: time: %w", err)
	}
	s.ModTime = time.UnixMilli(ms).UTC()
	if s.Size, err = strconv.ParseInt(fields["size"], 10, 64); err != nil || s.Size < 0 {
		return Stamp{}, fmt.Errorf("stamp: size %q is not a number of bytes", fields["size"])
	}
	for name, sum := range map[string]struct {
		to *[]byte
		n  int
	}{"crc32c": {&s.Sums.CRC32C, 4}, "md5": {&s.Sums.MD5, 16}, "crc64nvme": {&s.Sums.CRC64NVME, 8}} {
		if text, ok := fields[name]; ok {
			if *sum.to, err = hex.DecodeString(text); err != nil || len(*sum.to) != sum.n {
				return Stamp{}, fmt.Errorf("stamp: %s %q is not %d bytes in hex", name, text, sum.n)
			}
		}
	}
	return s, nil
}

// stampOf returns the stamp that o carries, provided that it is o's own: made
// for this key, and for the bytes that o still has.
func stampOf(o *store.Object) (Stamp, bool) {
	text, ok := stampValue(o.Attrs)
	if !ok {
		return Stamp{}, false
	}
	s, err := ParseStamp(text)
	if err != nil || s.KeyHash != keyHash(o.Key) || s.Size != o.Size || s.Sums.Differ(o.Checksums) != "" {
		return Stamp{}, false
	}
	return s, true
}

// escape leaves URLs readable and takes out what would break the line.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c >= 0x7f || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// sameTime compares to the second, which is what S3 tells of a single object.
func sameTime(a, b time.Time) bool { return a.Unix() == b.Unix() }
