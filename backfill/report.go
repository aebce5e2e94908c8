package backfill

import (
	"maps"
	"slices"
	"sync"
)

// maxKeys is how many keys of each class a Report names.
const maxKeys = 10_000

// Class is what a comparison says of one key.
type Class string

// The classes.
const (
	Equal     Class = "equal"
	Missing   Class = "missing"   // on the source only
	Different Class = "different" // on both, not equal
	Extra     Class = "extra"     // on the target only, and copied there by this migration
	Foreign   Class = "foreign"   // on the target, of someone else's making, and not equal
	Unread    Class = "failed"    // could not be compared
)

// Report is the outcome of Verify. The JSON names are stable.
type Report struct {
	Equal     int64 `json:"equal"`
	Missing   int64 `json:"missing"`
	Different int64 `json:"different"`
	Extra     int64 `json:"extra"`
	Foreign   int64 `json:"foreign"`
	Failed    int64 `json:"failed"`

	Bytes       int64   `json:"bytes"` // of the objects on the source
	Read        int64   `json:"read"`  // bytes read from both sides, with Checksum
	Seconds     float64 `json:"seconds"`
	Checksum    bool    `json:"checksum"` // bodies were read
	Interrupted bool    `json:"interrupted"`

	// Keys lists the keys of each class but Equal, sorted, up to 10,000 a class;
	// Truncated says that there are more.
	Keys      map[Class][]string `json:"keys"`
	Truncated bool               `json:"truncated"`

	// Reasons says for the listed keys what is different, foreign or failed.
	Reasons map[string]string `json:"reasons"`
}

// Same reports whether the comparison found both sides equal throughout.
func (r Report) Same() bool {
	return r.Missing+r.Different+r.Extra+r.Foreign+r.Failed == 0 && !r.Interrupted
}

// tally gathers the outcome of each key.
type tally struct {
	mu sync.Mutex
	r  Report
}

func newTally() *tally {
	t := &tally{r: Report{Keys: map[Class][]string{}, Reasons: map[string]string{}}}
	for _, c := range []Class{Missing, Different, Extra, Foreign, Unread} {
		t.r.Keys[c] = []string{}
	}
	return t
}

func (t *tally) add(key string, c Class, reason string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*t.r.counter(c)++
	if c == Equal {
		return
	}
	if len(t.r.Keys[c]) == maxKeys {
		t.r.Truncated = true
		return
	}
	t.r.Keys[c] = append(t.r.Keys[c], key)
	if reason != "" {
		t.r.Reasons[key] = reason
	}
}

func (r *Report) counter(c Class) *int64 {
	switch c {
	case Equal:
		return &r.Equal
	case Missing:
		return &r.Missing
	case Different:
		return &r.Different
	case Extra:
		return &r.Extra
	case Foreign:
		return &r.Foreign
	default:
		return &r.Failed
	}
}

// report returns what was gathered, with the keys sorted.
func (t *tally) report() Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := t.r
	r.Keys, r.Reasons = maps.Clone(r.Keys), maps.Clone(r.Reasons)
	for c, keys := range r.Keys {
		keys = append([]string{}, keys...) // never nil: JSON has a list
		slices.Sort(keys)
		r.Keys[c] = keys
	}
	return r
}
