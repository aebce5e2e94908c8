package store

import (
	"bytes"
	"crypto/md5" //nolint:gosec // MD5 is what the clouds keep; it guards against accidents, not attackers
	"encoding/binary"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"sync"
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	// crc64NVME is the reflected polynomial 0xAD93D23594C93659 that S3 calls
	// CRC64NVME and Azure CRC64; its table is made on first use.
	crc64NVME = sync.OnceValue(func() *crc64.Table { return crc64.MakeTable(0x9A6C9329AC4BC9B5) })
)

// Hasher computes checksums of a body as it is written to it: CRC32C always,
// and those that want has.
type Hasher struct {
	want  Checksums
	n     int64
	crc32 hash.Hash32
	crc64 hash.Hash64
	md5   hash.Hash
}

// NewHasher returns a Hasher that can later Verify against want.
func NewHasher(want Checksums) *Hasher {
	h := &Hasher{want: want, crc32: crc32.New(castagnoli)}
	if want.CRC64NVME != nil {
		h.crc64 = crc64.New(crc64NVME())
	}
	if want.MD5 != nil {
		h.md5 = md5.New() //nolint:gosec // see the import
	}
	return h
}

// Write never fails.
func (h *Hasher) Write(p []byte) (int, error) {
	h.n += int64(len(p))
	h.crc32.Write(p)
	if h.crc64 != nil {
		h.crc64.Write(p)
	}
	if h.md5 != nil {
		h.md5.Write(p)
	}
	return len(p), nil
}

// Sum returns what was computed.
func (h *Hasher) Sum() Checksums {
	c := Checksums{CRC32C: binary.BigEndian.AppendUint32(nil, h.crc32.Sum32())}
	if h.crc64 != nil {
		c.CRC64NVME = binary.BigEndian.AppendUint64(nil, h.crc64.Sum64())
	}
	if h.md5 != nil {
		c.MD5 = h.md5.Sum(nil)
	}
	return c
}

// Verify compares what was written with size and the wanted checksums. The
// error has no Kind of its own: it is wrapped as Corrupt where it is reported.
func (h *Hasher) Verify(size int64) error {
	if h.n != size {
		return fmt.Errorf("%d bytes where %d were promised", h.n, size)
	}
	if name := h.want.Differ(h.Sum()); name != "" {
		return fmt.Errorf("%s of the bytes is not the promised one", name)
	}
	return nil
}

// Differ names the first checksum that both know and that differs, or "".
func (c Checksums) Differ(d Checksums) string {
	for _, x := range []struct {
		name string
		a, b []byte
	}{{"CRC32C", c.CRC32C, d.CRC32C}, {"CRC64NVME", c.CRC64NVME, d.CRC64NVME}, {"MD5", c.MD5, d.MD5}} {
		if x.a != nil && x.b != nil && !bytes.Equal(x.a, x.b) {
			return x.name
		}
	}
	return ""
}

// Known reports whether there is any checksum.
func (c Checksums) Known() bool { return c.CRC32C != nil || c.CRC64NVME != nil || c.MD5 != nil }

// Cheapest keeps the one checksum that costs least to compute. Each proves the
// same of bytes that come over a network, so a large body need not pay for all.
func (c Checksums) Cheapest() Checksums {
	switch {
	case c.CRC32C != nil:
		return Checksums{CRC32C: c.CRC32C}
	case c.CRC64NVME != nil:
		return Checksums{CRC64NVME: c.CRC64NVME}
	default:
		return Checksums{MD5: c.MD5}
	}
}

// Comparable reports whether c and d have a checksum of one sort in common.
func (c Checksums) Comparable(d Checksums) bool {
	return c.CRC32C != nil && d.CRC32C != nil ||
		c.CRC64NVME != nil && d.CRC64NVME != nil ||
		c.MD5 != nil && d.MD5 != nil
}

// ChecksumsOf computes the CRC32C of b and those that want has.
func ChecksumsOf(b []byte, want Checksums) Checksums {
	h := NewHasher(want)
	h.Write(b) //nolint:errcheck // never fails
	return h.Sum()
}
