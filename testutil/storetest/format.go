package storetest

import (
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"
)

// sketch describes bytes shortly: a body does not belong into a test log.
func sketch(b []byte) string {
	if len(b) <= 64 {
		return fmt.Sprintf("%q", b)
	}
	return fmt.Sprintf("%d bytes (%q…, crc32 %08x)", len(b), b[:16], crc32.ChecksumIEEE(b))
}

func sketchMap(m map[string]string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%q=%s", k, sketch([]byte(m[k]))))
	}
	return "{" + strings.Join(parts, " ") + "}"
}
