package cloudsim

import (
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// FaultKind is a way in which a request fails.
type FaultKind string

// The kinds. What is said of an answer is what the cloud itself would send, in
// its own words, so that unmodified SDKs see what they would see there.
const (
	Throttle     FaultKind = "throttle"      // 503 SlowDown, 429, 503 ServerBusy; nothing done
	ServerError  FaultKind = "server error"  // 500; nothing done
	ResetBefore  FaultKind = "reset before"  // the connection breaks; nothing done
	ResetAfter   FaultKind = "reset after"   // it is done, and the connection breaks in place of the answer
	HangBefore   FaultKind = "hang before"   // no answer until the client gives up; nothing done
	HangAfter    FaultKind = "hang after"    // no answer until the client gives up; it is done
	SlowBody     FaultKind = "slow body"     // comes whole, in pieces with pauses
	StallBody    FaultKind = "stalled body"  // half of it, then nothing until the client gives up
	CutBody      FaultKind = "cut body"      // half of what Content-Length says, then the end
	CorruptRead  FaultKind = "corrupt read"  // a flipped bit in the bytes of an object
	WrongLength  FaultKind = "wrong length"  // the last byte is missing, and Content-Length agrees with that
	CorruptWrite FaultKind = "corrupt write" // a flipped bit in the bytes that arrive: see flip
	Expired      FaultKind = "expired"       // of credentials
	Denied       FaultKind = "denied"        // permission withdrawn
	Archived     FaultKind = "archived"      // of reading an object; on S3 and Azure only
)

// Classes of operations, for a FaultRule's Op; the operations are in faultClasses.
const (
	ClassRead   = "read"   // the bytes of an object
	ClassHead   = "head"   // its attributes
	ClassList   = "list"   // a page of a listing
	ClassWrite  = "write"  // a request that brings bytes
	ClassDelete = "delete" // of an object
)

var faultClasses = map[string]string{
	"GetObject": ClassRead, "media.get": ClassRead, "Get Blob": ClassRead,
	"HeadObject": ClassHead, "media.head": ClassHead, "objects.get": ClassHead, "Get Blob Properties": ClassHead,
	"ListObjectsV2": ClassList, "objects.list": ClassList, "List Blobs": ClassList,
	"PutObject": ClassWrite, "UploadPart": ClassWrite, "objects.insert": ClassWrite, "resumable.put": ClassWrite,
	"Put Blob": ClassWrite, "Put Block": ClassWrite,
	"DeleteObject": ClassDelete, "objects.delete": ClassDelete, "Delete Blob": ClassDelete,
}

// faultScope is the classes that a kind is confined to; others concern any request.
var faultScope = map[FaultKind][]string{
	SlowBody:     {ClassRead, ClassList},
	StallBody:    {ClassRead, ClassList},
	CutBody:      {ClassRead, ClassList},
	CorruptRead:  {ClassRead},
	WrongLength:  {ClassRead},
	CorruptWrite: {ClassWrite},
	Archived:     {ClassRead},
}

// PassingFaults are the kinds that a later try of the same request need not
// meet again.
func PassingFaults() []FaultKind {
	return []FaultKind{
		Throttle, ServerError, ResetBefore, ResetAfter, HangBefore, HangAfter, SlowBody, StallBody, CutBody,
		CorruptRead, WrongLength, CorruptWrite, Expired, Denied,
	}
}

// Concerns reports whether requests of a class can meet k.
func (k FaultKind) Concerns(class string) bool {
	scope, confined := faultScope[k]
	return !confined || slices.Contains(scope, class)
}

func (k FaultKind) applies(op string) bool {
	if k == Archived && op == "media.get" {
		return false // Cloud Storage reads its archive class directly
	}
	return k.Concerns(faultClasses[op])
}

// Always is a FaultRule's Times without an end.
const Always = -1

// FaultRule says which requests fail, and how: the From-th that match and those
// after it, Times of them; or, where Share is set, each with that probability.
type FaultRule struct {
	Kind FaultKind
	Mix  []FaultKind // in place of Kind: one is drawn of those that the operation can meet

	Op  string // as in Call, or a class; "" is any
	Key string // "" is any

	From  int // 1 is the first; 0 too
	Times int // 0 is once
	Share float64

	// Delay is when the service ends a hang or stall by breaking the connection,
	// 0 for never, and how long a slow body takes, 0 for 20 ms.
	Delay time.Duration

	// Happened, if not nil, is called when the fault takes effect, by the
	// goroutine that serves the request.
	Happened func()

	// RetryAfter goes with throttling, in whole seconds. 0 is 1 s on Azure and
	// none elsewhere; below 0 is none.
	RetryAfter time.Duration
}

// Faults decides which requests of a face fail. A nil one fails none. All
// methods may be called concurrently.
type Faults struct {
	mu       sync.Mutex
	rng      *rand.Rand
	rules    []*faultRule
	counts   map[FaultKind]int
	released chan struct{}
	once     sync.Once
}

type faultRule struct {
	FaultRule
	seen, taken, fired int
}

// NewFaults returns faults by rules, of which the first that matches a request
// decides. rng is needed only by rules with a Share or a Mix.
func NewFaults(rng *rand.Rand, rules ...FaultRule) *Faults {
	f := &Faults{rng: rng, counts: map[FaultKind]int{}, released: make(chan struct{})}
	for _, r := range rules {
		if r.Times == 0 {
			r.Times = 1
		}
		f.rules = append(f.rules, &faultRule{FaultRule: r})
	}
	return f
}

// Counts returns how many faults of each kind took effect.
func (f *Faults) Counts() map[FaultKind]int {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.counts)
}

// Release ends every hang and stall, those to come too. A server with requests
// that hang cannot be closed before.
func (f *Faults) Release() {
	if f != nil {
		f.once.Do(func() { close(f.released) })
	}
}

// FaultTest is what Check needs of a testing.TB.
type FaultTest interface {
	Helper()
	Cleanup(fn func())
	Errorf(format string, args ...any)
}

// Check fails t at its end if a rule without a Share never took effect: its
// test tested nothing. It also releases what hangs. Call it after what closes
// the server was registered, so that it comes first.
func (f *Faults) Check(t FaultTest) *Faults {
	t.Helper()
	t.Cleanup(func() {
		t.Helper()
		f.Release()
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, r := range f.rules {
			if r.Share == 0 && r.fired == 0 {
				t.Errorf("the fault %q of %q on key %q, from request %d on, never happened; %d requests matched",
					r.Kind, r.Op, r.Key, max(r.From, 1), r.seen)
			}
		}
	})
	return f
}

// pick returns what is to befall a request, or nil.
func (f *Faults) pick(op, key string) *injection {
	if f == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range f.rules {
		if r.Op != "" && r.Op != op && r.Op != faultClasses[op] || r.Key != "" && r.Key != key {
			continue
		}
		kind, ok := f.draw(r, op)
		if !ok {
			continue
		}
		r.seen++
		if r.Share > 0 {
			if f.rng.Float64() >= r.Share {
				continue
			}
		} else if r.seen < r.From || r.Times > 0 && r.taken >= r.Times {
			continue
		}
		r.taken++
		return &injection{faults: f, rule: r, kind: kind}
	}
	return nil
}

func (f *Faults) draw(r *faultRule, op string) (FaultKind, bool) {
	if len(r.Mix) == 0 {
		return r.Kind, r.Kind.applies(op)
	}
	var can []FaultKind
	for _, k := range r.Mix {
		if k.applies(op) {
			can = append(can, k)
		}
	}
	if len(can) == 0 {
		return "", false
	}
	return can[f.rng.IntN(len(can))], true
}
