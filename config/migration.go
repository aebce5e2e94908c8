package config

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/crossfade-io/crossfade/replicate"
)

// Migration is a declared migration: what crossfade.yaml and the environment say,
// with defaults filled in. Load returns it. Printed, logged or encoded, it reveals
// no secret.
type Migration struct {
	// Name names the migration's control documents, .crossfade/<name>/ at Control.
	Name string

	Source, Target Location
	Control        Location // where control documents are kept: Target, unless set

	// Include and Exclude are globs of backfill.NewFilter; no Include is all keys.
	Include, Exclude []string

	Deletes     bool              // carry deletions; default true
	Foreign     replicate.Foreign // default keep
	Concurrency int               // keys in work at once; default 64

	// FunctionTimeout is the longest that one invocation of a function can last
	// (functions.timeout, default 15m): what a cutover waits after it announced
	// itself, so that each invocation that did not see it has ended.
	FunctionTimeout time.Duration

	Backlog *Backlog // nil: the queue cannot be asked
	Cutover Cutover

	Run *Run // nil: functions get the events, and crossfade run has none

	timeoutAssumed bool
}

// Backlog says how to ask the queue how many events wait there: exactly one of
// Command and SQS is set.
type Backlog struct {
	Command []Secret      // an argument list; it prints one whole number
	SQS     string        // URL of a queue; "" for none
	Timeout time.Duration // default 5s
}

// Cutover holds the thresholds and hooks of a cutover.
type Cutover struct {
	MaxFreeze time.Duration // the freeze ends by itself after this; default 10s
	MaxLag    time.Duration // no cutover starts above this end-to-end lag; default 5s
	MaxErrors int           // nor with more failures in the last comparison; default 0
	Freeze    Freeze
	Unfreeze  *Hook // nil: none; set where the freeze is a hook
	Switch    *Hook // nil: none, and no cutover is possible
}

// FreezeMode is how writes to the source are stopped.
type FreezeMode string

// The modes.
const (
	FreezeNone     FreezeMode = "none"      // they are not; late writes are kept aside
	FreezeHook     FreezeMode = "hook"      // the user's hook stops the application
	FreezeS3Policy FreezeMode = "s3-policy" // the bucket's policy refuses them
)

// Freeze says how writes to the source are stopped.
type Freeze struct {
	Mode   FreezeMode
	Hook   *Hook    // with FreezeHook, else nil
	Except []string // with FreezeS3Policy: ARNs of principals that may still write
	Probe  Location // with FreezeS3Policy: the source with the application's credentials
}

// Hook is something of the user's to run: exactly one of Command and Webhook is
// set. The same hooks serve a cutover and a rollback, and are told which it is.
type Hook struct {
	Command []Secret          // an argument list, not a line for a shell
	Webhook Secret            // an http or https URL, for a POST
	Headers map[string]Secret // of the webhook's request, by canonical name
	Timeout time.Duration     // default 10s
}

// String names the migration and its ends.
func (m Migration) String() string {
	return fmt.Sprintf("%s: %s to %s", m.Name, m.Source, m.Target)
}

// GoString is String.
func (m Migration) GoString() string { return m.String() }

// LogValue is String.
func (m Migration) LogValue() slog.Value { return slog.StringValue(m.String()) }

// IDs names the two ends in stamps and reports.
func (m Migration) IDs() (sourceID, targetID string) { return IDs(m.Source, m.Target) }

// Argv reveals a command's arguments, for exec.
func Argv(command []Secret) []string {
	argv := make([]string, len(command))
	for i, arg := range command {
		argv[i] = arg.Reveal()
	}
	return argv
}
