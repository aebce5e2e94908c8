package control

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/crossfade-io/crossfade/store"
)

// Prefix is where the documents of a migration lie, in the control store; and
// on both ends, where its signals do.
func Prefix(migration string) string { return store.ControlPrefix + migration + "/" }

// The keys below Prefix.
const (
	stateName    = "state.json"
	signalDir    = "signal/"
	journalDir   = "journal/"
	lateDir      = "late/"
	backfillDir  = "backfill/"
	verifiedName = "verified.json"
	turnDir      = "turn/"
	reportDir    = "report/"
)

// StateKey is the key of the control object.
func StateKey(migration string) string { return Prefix(migration) + stateName }

// ReportKey is the key of a report, ext "json" or "html".
func ReportKey(migration, run, ext string) string {
	return Prefix(migration) + reportDir + run + "." + ext
}

// SignalKey is the key of a barrier or canary.
func SignalKey(migration, id string) string { return Prefix(migration) + signalDir + id }

// SignalOf returns the id of a signal of migration, if key is one's.
func SignalOf(migration, key string) (id string, ok bool) {
	id, ok = strings.CutPrefix(key, Prefix(migration)+signalDir)
	return id, ok && idPattern.MatchString(id)
}

// slot is the part of the time that journal entries are sorted by.
const slotFormat = "20060102T150405"

func slot(t time.Time) string {
	return t.UTC().Truncate(slotLength).Format(slotFormat)
}

// slotLength is how much of the journal one prefix holds.
const slotLength = 10 * time.Second

// digest names a key of any length in another key.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:12])
}
