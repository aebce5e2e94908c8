package cloudsim

import (
	"iter"
	"slices"
	"sort"
)

// keySet is a sorted set of strings in blocks, so that adding to a large one
// moves little.
type keySet struct {
	blocks [][]string // none empty
}

const blockSize = 512

// block returns the index of the block in which s is or would be.
func (k *keySet) block(s string) int {
	i := sort.Search(len(k.blocks), func(i int) bool { return k.blocks[i][0] > s })
	return max(i-1, 0)
}

func (k *keySet) add(s string) {
	if len(k.blocks) == 0 {
		k.blocks = [][]string{{s}}
		return
	}
	i := k.block(s)
	b := k.blocks[i]
	j, found := slices.BinarySearch(b, s)
	if found {
		return
	}
	b = slices.Insert(b, j, s)
	k.blocks[i] = b
	if len(b) > blockSize {
		half := slices.Clone(b[len(b)/2:])
		k.blocks[i] = b[: len(b)/2 : len(b)/2]
		k.blocks = slices.Insert(k.blocks, i+1, half)
	}
}

func (k *keySet) remove(s string) {
	if len(k.blocks) == 0 {
		return
	}
	i := k.block(s)
	j, found := slices.BinarySearch(k.blocks[i], s)
	if !found {
		return
	}
	k.blocks[i] = slices.Delete(k.blocks[i], j, j+1)
	if len(k.blocks[i]) == 0 {
		k.blocks = slices.Delete(k.blocks, i, i+1)
	}
}

// ascend yields the members from the first that is not less than from.
func (k *keySet) ascend(from string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if len(k.blocks) == 0 {
			return
		}
		i := k.block(from)
		j, _ := slices.BinarySearch(k.blocks[i], from)
		for ; i < len(k.blocks); i, j = i+1, 0 {
			for ; j < len(k.blocks[i]); j++ {
				if !yield(k.blocks[i][j]) {
					return
				}
			}
		}
	}
}
