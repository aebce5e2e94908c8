package store_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/crossfade-io/crossfade/store"
)

// every asks a Hasher for all it can do.
var every = store.Checksums{CRC64NVME: []byte{}, MD5: []byte{}}

// TestKnownSums: the check values of the CRC catalogue, RFC 3720 appendix B.4
// for CRC32C, and RFC 1321 for MD5.
func TestKnownSums(t *testing.T) {
	t.Parallel()
	for _, x := range []struct{ body, crc32c, crc64, md5 string }{
		{"", "00000000", "0000000000000000", "d41d8cd98f00b204e9800998ecf8427e"},
		{"123456789", "e3069283", "ae8b14860a799888", "25f9e794323b453885f5181f1b624d0b"},
		{strings.Repeat("\x00", 32), "8a9136aa", "cf3473434d4ecf3b", "70bc8f4b72a86921468bf8e8441dce51"},
		{strings.Repeat("\xff", 32), "62a8ab43", "a0a06974c34d63c4", "0d7dc4266497100e4831f5b31b6b274f"},
	} {
		c := store.ChecksumsOf([]byte(x.body), every)
		for name, v := range map[string][2]string{
			"CRC32C": {hex.EncodeToString(c.CRC32C), x.crc32c}, "CRC64NVME": {hex.EncodeToString(c.CRC64NVME), x.crc64}, "MD5": {hex.EncodeToString(c.MD5), x.md5},
		} {
			if v[0] != v[1] {
				t.Errorf("%s of %q is %s, want %s", name, x.body, v[0], v[1])
			}
		}
	}
	if got := base64.StdEncoding.EncodeToString(store.ChecksumsOf([]byte("123456789"), every).CRC64NVME); got != "rosUhgp5mIg=" {
		t.Errorf("S3 writes the CRC64NVME of 123456789 as rosUhgp5mIg=, got %s", got)
	}
}

func TestCheapest(t *testing.T) {
	t.Parallel()
	c := store.ChecksumsOf([]byte("x"), every)
	for _, want := range []store.Checksums{{CRC32C: c.CRC32C}, {CRC64NVME: c.CRC64NVME}, {MD5: c.MD5}, {}} {
		got := c.Cheapest()
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
		switch {
		case got.CRC32C != nil:
			c.CRC32C = nil
		case got.CRC64NVME != nil:
			c.CRC64NVME = nil
		default:
			c.MD5 = nil
		}
	}
}

func TestHasherComputesWhatIsWanted(t *testing.T) {
	t.Parallel()
	if c := store.ChecksumsOf([]byte("x"), store.Checksums{}); c.CRC32C == nil || c.CRC64NVME != nil || c.MD5 != nil {
		t.Errorf("%+v", c)
	}
	if c := store.ChecksumsOf([]byte("x"), store.Checksums{MD5: []byte{}}); c.CRC32C == nil || c.CRC64NVME != nil || c.MD5 == nil {
		t.Errorf("%+v", c)
	}
}

// TestHasherInPieces: the sum does not depend on how the bytes came.
func TestHasherInPieces(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		want := store.ChecksumsOf(b, every)
		h := store.NewHasher(want)
		for rest := b; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			if m, err := h.Write(rest[:n]); m != n || err != nil {
				t.Fatalf("%d, %v", m, err)
			}
			rest = rest[n:]
		}
		if err := h.Verify(int64(len(b))); err != nil {
			t.Fatal(err)
		}
		if d := h.Sum().Differ(want); d != "" {
			t.Fatalf("%s differs", d)
		}
		if h.Verify(int64(len(b))+1) == nil || h.Verify(int64(len(b))-1) == nil {
			t.Fatal("a wrong size passes")
		}
	})
}

// TestVerifyFindsEveryFlippedBit of any checksum that is wanted.
func TestVerifyFindsEveryFlippedBit(t *testing.T) {
	t.Parallel()
	body := []byte("crossfade")
	for name, pick := range map[string]func(*store.Checksums) *[]byte{
		"CRC32C": func(c *store.Checksums) *[]byte { return &c.CRC32C }, "CRC64NVME": func(c *store.Checksums) *[]byte { return &c.CRC64NVME }, "MD5": func(c *store.Checksums) *[]byte { return &c.MD5 },
	} {
		full := store.ChecksumsOf(body, every)
		for bit := range 8 * len(*pick(&full)) {
			var want store.Checksums
			sum := bytes.Clone(*pick(&full))
			sum[bit/8] ^= 1 << (bit % 8)
			*pick(&want) = sum
			h := store.NewHasher(want)
			if _, err := h.Write(body); err != nil {
				t.Fatal(err)
			}
			err := h.Verify(int64(len(body)))
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Fatalf("bit %d of %s: %v", bit, name, err)
			}
		}
	}
}

func TestDifferAndComparable(t *testing.T) {
	t.Parallel()
	a, b := store.ChecksumsOf([]byte("a"), every), store.ChecksumsOf([]byte("b"), every)
	none := store.Checksums{}
	for _, x := range []struct {
		a, b       store.Checksums
		differ     string
		comparable bool
	}{
		{a, a, "", true},
		{a, b, "CRC32C", true},
		{a, none, "", false},
		{none, none, "", false},
		{store.Checksums{MD5: a.MD5}, b, "MD5", true},
		{store.Checksums{MD5: a.MD5}, store.Checksums{CRC32C: b.CRC32C}, "", false},
		{store.Checksums{CRC64NVME: a.CRC64NVME}, store.Checksums{CRC64NVME: b.CRC64NVME}, "CRC64NVME", true},
		{store.Checksums{CRC32C: a.CRC32C, MD5: a.MD5}, store.Checksums{CRC32C: a.CRC32C, MD5: b.MD5}, "MD5", true},
	} {
		if d := x.a.Differ(x.b); d != x.differ || x.b.Differ(x.a) != d {
			t.Errorf("%x and %x differ in %q, want %q", x.a, x.b, d, x.differ)
		}
		if c := x.a.Comparable(x.b); c != x.comparable || x.b.Comparable(x.a) != c {
			t.Errorf("%x and %x comparable: %v", x.a, x.b, c)
		}
	}
}
