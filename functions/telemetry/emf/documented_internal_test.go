package emf

import (
	"os"
	"strings"
	"testing"
)

// Each metric is in the documents, which alarms are made from.
func TestDocumented(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../../docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range units() {
		if !strings.Contains(string(raw), "`"+u.Name+"`") {
			t.Errorf("docs/observability.md does not tell of %s", u.Name)
		}
	}
}
