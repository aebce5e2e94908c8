package backfill

import (
	"strings"
	"sync"
	"unicode"
)

// maxFailures is how many failed keys a Summary names. The count is exact, and
// each is logged as it happens.
const maxFailures = 1000

// Summary is what a run did; of a dry run, what it would have done. The JSON
// names are stable.
type Summary struct {
	// Listed counts the objects of the source that the filter chose. Once a run
	// is complete it is Copied + Updated + Skipped + Failed, but for keys that
	// came or went meanwhile.
	Listed  int64 `json:"listed"`
	Copied  int64 `json:"copied"`
	Updated int64 `json:"updated"` // attributes only
	Skipped int64 `json:"skipped"` // in order already
	Deleted int64 `json:"deleted"`
	Failed  int64 `json:"failed"` // not in order; Conflicts included

	// Conflicts are foreign objects on the target that were left alone.
	Conflicts int64 `json:"conflicts"`

	// Extra counts objects on the target whose keys are not on the source and
	// that were left there.
	Extra    int64 `json:"extra"`
	Excluded int64 `json:"excluded"` // objects of the source that the filter left out

	// UploadsAborted counts unfinished uploads on the target that were aborted.
	UploadsAborted int64 `json:"uploads_aborted"`

	Bytes       int64   `json:"bytes"` // copied
	Seconds     float64 `json:"seconds"`
	DryRun      bool    `json:"dry_run"`
	Interrupted bool    `json:"interrupted"`

	// Failures names the first 1,000 keys that failed; Truncated says that
	// there were more.
	Failures  []Failure `json:"failures"`
	Truncated bool      `json:"truncated"`
}

// Failure is a key that is not in order, and why.
type Failure struct {
	Key    string `json:"key"`
	Reason string `json:"reason"`
}

// failures gathers failed keys up to a bound.
type failures struct {
	mu    sync.Mutex
	first []Failure
	more  bool
}

func (f *failures) add(key, reason string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.first) == maxFailures {
		f.more = true
		return
	}
	f.first = append(f.first, Failure{Key: key, Reason: reason})
}

// list returns the keys in the order in which they failed; never nil.
func (f *failures) list() ([]Failure, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]Failure{}, f.first...), f.more
}

// oneLine is err's text without line breaks and control characters, which a
// service's answer may contain.
func oneLine(err error) string {
	text := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, err.Error())
	return strings.Join(strings.Fields(text), " ")
}
