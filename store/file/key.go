package file

import (
	"errors"
	"fmt"
	"strings"
)

// KeyOf returns the key whose file is at path, relative to the store's
// directory and with "/" between its names; the inverse of where the store puts
// a key. It looks at the names alone: nothing need be there. The error names
// what is no key's: a part of a long name, or a name that only begins like an
// escaped one. Whether the key is valid beyond that is not checked.
func KeyOf(path string) (string, error) {
	names := strings.Split(path, "/")
	segments := make([]string, 0, len(names))
	for from := 0; from < len(names); {
		to := from
		for to < len(names) && strings.HasPrefix(names[to], more) {
			to++
		}
		if to == len(names) {
			return "", fmt.Errorf("path %q: %w", path, errPart)
		}
		seg, err := decodeSegment(names[from:to+1], from == 0)
		if err != nil {
			return "", fmt.Errorf("path %q: %w", path, err)
		}
		segments = append(segments, seg)
		from = to + 1
	}
	return strings.Join(segments, "/"), nil
}

var errPart = errors.New("it ends within a name that is kept in several parts")

// IsReserved reports whether path, relative to the store's directory, is in
// what the store keeps for itself.
func IsReserved(path string) bool {
	first, _, _ := strings.Cut(path, "/")
	return reserved(first)
}
