package release_test

import (
	"os"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/testutil/release"
)

func TestMakefileHasTheTags(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	if want := "\nTAGS := " + release.Tags + "\n"; !strings.Contains(string(b), want) {
		t.Errorf("the Makefile lacks the line %q", strings.TrimSpace(want))
	}
}
