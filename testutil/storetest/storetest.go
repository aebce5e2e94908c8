// Package storetest is the conformance suite of store.Store: what crossfade
// relies on, run against every driver and every server it claims to work with.
//
// A server that is known to be wrong somewhere is not excused silently: the
// case is named with its reason in Harness.Known, is run all the same, and has
// to fail; one that passes is a stale entry, and fails the test.
package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/store"
)

// Harness describes the store under test.
type Harness struct {
	// New returns a fresh, empty store: a bucket or prefix of its own. It is
	// called once a case, from several at once unless Serial is set, and closes
	// what it opened by t.Cleanup.
	New func(t *testing.T) store.Store

	// Known maps the name of a case to the reason why this server is known to
	// fail it. Cases that depend on luck, Race and the like, may also pass.
	Known map[string]string

	// BadKey reports keys that the service can never hold: a Put of one must
	// yield Kind Invalid. Nil: every legal key is held.
	BadKey func(key string) bool

	// NoKeyBelowKey marks stores that cannot hold "dir" and "dir/file" at once
	// (directories of files): the later Put must yield Kind Invalid.
	NoKeyBelowKey bool

	// FoldsMetadataCase marks stores that return metadata names in lower case.
	FoldsMetadataCase bool

	// VersionsRecur marks stores where the same bytes written again may get the
	// same Version (an S3 ETag).
	VersionsRecur bool

	// MultipartSize is a size in bytes of body that certainly goes up in more
	// than one part. Default 1 MiB, for stores that know no parts.
	MultipartSize int64

	// Sizes are further sizes in bytes to try, such as those around the
	// driver's own thresholds.
	Sizes []int64

	// ModTimeResolution of the store; default 1 s.
	ModTimeResolution time.Duration

	// ListKeys is how many objects the paging case stores, which should be more
	// than a page: default 1100.
	ListKeys int

	// BigSize is the size in bytes of the body of the memory case: default
	// 64 MiB. MaxReaders bounds the readers that one Put may have open at once
	// there: default 16.
	BigSize    int64
	MaxReaders int

	// Serial runs one case at a time.
	Serial bool
}

// caseLimit ends a case that hangs. It asserts nothing about speed.
const caseLimit = 5 * time.Minute

type testCase struct {
	name string
	run  func(*T)
}

// lucky reports whether a wrong store may pass the case by luck.
func (c testCase) lucky() bool {
	return strings.HasPrefix(c.name, "Race/") || strings.HasPrefix(c.name, "List/Concurrent") || c.name == "Pin/ReadsUnderOverwrite"
}

// Run runs every case as a subtest of t.
func Run(t *testing.T, h Harness) {
	h = h.withDefaults()
	seed := runSeed(t)
	t.Logf("storetest seed %d (set CROSSFADE_TEST_SEED to repeat)", seed)
	cases := h.cases()
	names := make(map[string]bool, len(cases))
	for _, c := range cases {
		if names[c.name] {
			t.Fatalf("two cases are named %s", c.name)
		}
		names[c.name] = true
	}
	for name, reason := range h.Known {
		if !names[name] {
			t.Errorf("Known names a case that does not exist: %s", name)
		}
		if reason == "" {
			t.Errorf("Known gives no reason for %s", name)
		}
	}
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if !h.Serial {
				t.Parallel()
			}
			ctx, cancel := context.WithTimeout(t.Context(), caseLimit)
			defer cancel()
			ct := &T{T: t, Harness: h, ctx: ctx, Store: h.New(t), rng: rand.New(rand.NewPCG(seed, uint64(i)))}
			if reason, ok := h.Known[c.name]; ok {
				ct.runKnown(c, reason)
				return
			}
			c.run(ct)
			ct.sweep()
		})
	}
}

// sweep deletes large objects, so that servers in memory need not hold those
// of all cases at once.
func (t *T) sweep() {
	for o, err := range t.Store.List(t.ctx, store.ListOptions{}) {
		if err != nil {
			return
		}
		if o.Size >= 1<<20 {
			_ = t.Store.Delete(t.ctx, o.Key, store.Condition{})
		}
	}
}

func (h Harness) withDefaults() Harness {
	if h.BadKey == nil {
		h.BadKey = func(string) bool { return false }
	}
	if h.MultipartSize == 0 {
		h.MultipartSize = 1 << 20
	}
	if h.ModTimeResolution == 0 {
		h.ModTimeResolution = time.Second
	}
	if h.ListKeys == 0 {
		h.ListKeys = 1100
	}
	if h.BigSize == 0 {
		h.BigSize = 64 << 20
	}
	if h.MaxReaders == 0 {
		h.MaxReaders = 16
	}
	return h
}

func (h Harness) cases() []testCase {
	var all []testCase
	for _, group := range [][]testCase{
		basicCases(h), bodyCases(h), attrsCases(), rangeCases(), pinCases(),
		conditionCases(), raceCases(), atomicCases(), versionCases(),
		listCases(), keyCases(h), updateCases(), loadCases(),
	} {
		all = append(all, group...)
	}
	return all
}

func runSeed(t *testing.T) uint64 {
	s := os.Getenv("CROSSFADE_TEST_SEED")
	if s == "" {
		return rand.Uint64()
	}
	seed, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("CROSSFADE_TEST_SEED: %v", err)
	}
	return seed
}

// T is what a case gets: a fresh store and the means to complain. For a case
// that is known to fail, complaints are collected instead of reported.
type T struct {
	*testing.T
	Harness
	Store store.Store

	ctx context.Context
	rng *rand.Rand // only for the goroutine of the case

	mu       sync.Mutex
	known    bool
	failures []string
}

// Context ends when the case has to.
func (t *T) Context() context.Context { return t.ctx }

// Errorf reports a failure and goes on. It may be called from any goroutine.
func (t *T) Errorf(format string, args ...any) {
	t.Helper()
	if !t.known {
		t.T.Errorf(format, args...)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.failures = append(t.failures, fmt.Sprintf(format, args...))
}

// Fatalf reports a failure and ends the case. Only for its own goroutine.
func (t *T) Fatalf(format string, args ...any) {
	t.Helper()
	if !t.known {
		t.T.Fatalf(format, args...)
		return
	}
	t.Errorf(format, args...)
	runtime.Goexit()
}

func (t *T) runKnown(c testCase, reason string) {
	t.Helper()
	t.known = true
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.run(t)
	}()
	<-done
	if len(t.failures) == 0 && c.lucky() {
		t.Logf("%s is listed as known to fail (%s) and passed, by luck or because it was mended", c.name, reason)
		return
	}
	if len(t.failures) == 0 {
		t.T.Errorf("%s is listed as known to fail (%s), but passed: remove the entry", c.name, reason)
		return
	}
	t.Logf("known failure of %s: %s\n  seen: %s", c.name, reason, strings.Join(t.failures, "\n  seen: "))
}
