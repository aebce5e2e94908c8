// Package demoapp is an application as crossfade's users have them: it keeps
// its state in a bucket, through the cloud's plain SDK, and creates, overwrites
// and deletes objects all the time. It records what it was told succeeded, and
// can later say what became of it.
//
// It shares no code with crossfade, so that it is fit to judge it.
package demoapp

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// Attrs are the attributes that the application sets and expects back.
type Attrs struct {
	ContentType     string
	CacheControl    string
	ContentEncoding string
	Metadata        map[string]string // names in lower case
}

// Content is an object as the application knows it.
type Content struct {
	SHA256 [sha256.Size]byte // of the stored bytes
	Size   int64
	Attrs
}

// NewContent describes body with attrs.
func NewContent(body []byte, attrs Attrs) Content {
	return Content{SHA256: sha256.Sum256(body), Size: int64(len(body)), Attrs: attrs}
}

// Print identifies a content: two are the same just when their prints are.
type Print [sha256.Size]byte

// Print computes it.
func (c Content) Print() Print {
	h := sha256.New()
	write := func(s string) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(s)))
		h.Write(n[:])
		h.Write([]byte(s))
	}
	h.Write(c.SHA256[:])
	write(c.ContentType)
	write(c.CacheControl)
	write(c.ContentEncoding)
	for _, name := range slices.Sorted(maps.Keys(c.Metadata)) {
		write(name)
		write(c.Metadata[name])
	}
	return Print(h.Sum(nil))
}

// Difference says in a few words how got differs from c.
func (c Content) Difference(got Content) string {
	var d []string
	if c.Size != got.Size {
		d = append(d, fmt.Sprintf("%d bytes instead of %d", got.Size, c.Size))
	}
	if c.SHA256 != got.SHA256 {
		d = append(d, fmt.Sprintf("SHA-256 %s… instead of %s…", hex.EncodeToString(got.SHA256[:4]), hex.EncodeToString(c.SHA256[:4])))
	}
	for _, a := range [][3]string{
		{"content type", c.ContentType, got.ContentType},
		{"cache control", c.CacheControl, got.CacheControl},
		{"content encoding", c.ContentEncoding, got.ContentEncoding},
	} {
		if a[1] != a[2] {
			d = append(d, fmt.Sprintf("%s %q instead of %q", a[0], a[2], a[1]))
		}
	}
	if !maps.Equal(c.Metadata, got.Metadata) {
		d = append(d, fmt.Sprintf("metadata %q instead of %q", got.Metadata, c.Metadata))
	}
	return strings.Join(d, ", ")
}

// Body says which bytes to make.
type Body struct {
	Seed uint64
	Size int // before compression
	Gzip bool
}

// Bytes makes them: the same for the same Body, and different, from 8 bytes up,
// for another Seed.
func (b Body) Bytes() []byte {
	out := make([]byte, b.Size)
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], b.Seed)
	src := rand.NewChaCha8(key)
	src.Read(out) //nolint:errcheck // never fails
	if !b.Gzip {
		return out
	}
	for i := range out {
		out[i] = "the quick brown fox\n"[out[i]%20] // text, so that it shrinks
	}
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	w.Write(out) //nolint:errcheck // a Buffer never fails
	w.Close()    //nolint:errcheck // a Buffer never fails
	return z.Bytes()
}
