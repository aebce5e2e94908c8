package azblob

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// checkName says why the service cannot hold name exactly as it is, or nil. Only
// names that it would alter or that no listing can show are refused here; the
// rest is left to the service ("Naming and referencing containers, blobs, and
// metadata").
func checkName(name string) error {
	switch {
	case name == "":
		return errors.New("a blob name cannot be empty")
	case !utf8.ValidString(name):
		return errors.New("a blob name must be UTF-8")
	case utf8.RuneCountInString(name) > 1024:
		return errors.New("a blob name has at most 1024 characters")
	case strings.Contains(name, `\`):
		return errors.New(`a \ in a name is turned into / by Azure`)
	case strings.Count(name, "/") >= 254:
		return errors.New("a blob name has at most 254 path segments")
	}
	for _, r := range name {
		if r < 0x20 {
			return fmt.Errorf("a blob name cannot hold the control character %U", r)
		}
	}
	if !strings.Contains(name, ".") {
		return nil
	}
	for segment := range strings.SplitSeq(name, "/") {
		switch {
		case segment == "." || segment == "..":
			return fmt.Errorf("the path segment %q in a name is resolved by Azure", segment)
		case strings.HasSuffix(segment, "."):
			return errors.New("dots at the end of a path segment are dropped by Azure")
		}
	}
	return nil
}
