package backfill

import (
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
)

// Shard is one of several parts of all keys, as large as the others, which tasks
// of a job run each by themselves. A hash of the key says which one a key is in,
// so that the tasks need not know of each other, and keys that come meanwhile are
// in just one of them. Each task lists everything: that is quick, and copying is
// what takes the time. The zero Shard has all keys.
type Shard struct {
	Index int // from 0
	Of    int // shards
}

// maxShards bounds a typing error rather than anyone's wish.
const maxShards = 10_000

// ParseShard reads a shard such as 0/4, the first of four.
func ParseShard(s string) (Shard, error) {
	index, of, _ := strings.Cut(s, "/")
	i, err := strconv.Atoi(index)
	n, nerr := strconv.Atoi(of)
	if err != nil || nerr != nil || n < 1 || n > maxShards || i < 0 || i >= n {
		return Shard{}, fmt.Errorf("%q is no shard: write its index, from 0, and how many there are, up to %d, such as 0/4 to 3/4", s, maxShards)
	}
	return Shard{Index: i, Of: n}, nil
}

// Has reports whether a key is in the shard.
func (s Shard) Has(key string) bool {
	if s.Of <= 1 {
		return true
	}
	h := fnv.New64a()
	h.Write([]byte(key))
	return int(mixed(h.Sum64())%uint64(s.Of)) == s.Index
}

// mixed spreads what tells similar keys apart over all bits, as the end of
// MurmurHash3 does: FNV leaves the last characters in the low ones.
func mixed(h uint64) uint64 {
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// String is as ParseShard reads it, "" of all keys.
func (s Shard) String() string {
	if s.Of <= 1 {
		return ""
	}
	return fmt.Sprintf("%d/%d", s.Index, s.Of)
}
