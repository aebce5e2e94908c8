package demoapp

import (
	"fmt"
	"math/rand/v2"
	"strconv"
)

// Kind is what an operation does.
type Kind uint8

// The kinds of operation.
const (
	Create Kind = iota
	Overwrite
	Delete
)

func (k Kind) String() string { return [...]string{"create", "overwrite", "delete"}[k] }

// Op is one operation of the application.
type Op struct {
	Kind  Kind
	Key   string
	Body  Body
	Attrs Attrs
}

// JobsKey is the one object that is rewritten at every step of the work, as a
// job queue kept in a bucket is.
const JobsKey = "jobs/jobs.json"

const (
	jobsEvery  = 7   // every so many operations rewrite JobsKey, unless Calm
	largeEvery = 500 // every so many write a large object
	largeLeast = 8<<20 + 1
	largeMost  = 12 << 20
)

// oddKeys are legal on all three clouds, and mishandled by careless tools.
var oddKeys = []string{
	"odd/ leading and trailing ", "odd/a+b c.txt", "odd/100%.txt", "odd/%2F.txt", "odd//double//slash",
	"odd/question?a=b&c#d", "odd/<quotes>\"'&.xml", "odd/\u00e9 composed", "odd/e\u0301 decomposed",
	"odd/日本/写真.jpg", "odd/😀", "odd/\uff5e", "odd/directory/", "odd/directory/file", "/odd/leading slash",
	"odd/semi;colon,comma=equals", "odd/{braces}[brackets]~^`|", "odd/.hidden", "odd/a..b",
}

// Plan is an endless sequence of operations, the same for the same seed and
// number of objects. It is not safe for concurrent use.
type Plan struct {
	// Calm makes JobsKey rewritten once in a hundred operations: at a high rate no
	// cloud would take more on one key.
	Calm bool

	rng    *rand.Rand
	large  bool // has large objects
	seeds  []Op
	live   []string
	at     map[string]int // index in live
	last   map[string]Op  // by live key
	before map[string]Op  // what Overwrite replaced last
	gone   []string       // deleted keys that may come back
	n      int
}

// NewPlan plans the initial objects, at least as many as there are special ones
// (odd keys, empty and compressed ones), and what comes after. Large objects are
// in it from 50 objects on.
func NewPlan(seed uint64, objects int) *Plan {
	p := &Plan{
		rng:   rand.New(rand.NewPCG(seed, 0x63726f7373)),
		large: objects >= 50,
		at:    map[string]int{},
		last:  map[string]Op{}, before: map[string]Op{},
	}
	p.seed(p.write(Create, JobsKey, 900))
	for _, key := range oddKeys {
		p.seed(p.write(Create, key, p.size()))
	}
	p.seed(p.write(Create, "empty/file", 0))
	if p.large {
		p.seed(p.write(Create, "large/video-0.mp4", largeLeast))
	}
	if objects >= 1000 {
		p.seed(p.write(Create, "large/video-1.mp4", largeMost+123))
	}
	p.seed(p.zipped("site/index.html"))
	for i := 0; len(p.seeds) < objects; i++ {
		p.seed(p.write(Create, fmt.Sprintf("input/%02x/%06d.jpg", p.rng.IntN(256), i), p.size()))
	}
	return p
}

func (p *Plan) seed(op Op) {
	p.apply(op)
	p.seeds = append(p.seeds, op)
}

// Seeds are the creations that make up the initial state.
func (p *Plan) Seeds() []Op { return p.seeds }

// Next returns the next operation, which supposes that all before it were done.
func (p *Plan) Next() Op {
	op := p.next()
	p.apply(op)
	return op
}

func (p *Plan) next() Op {
	p.n++
	switch {
	case p.n%jobsEvery == 0 && (!p.Calm || p.n%100 < jobsEvery):
		return p.write(p.kindFor(JobsKey), JobsKey, 400+p.rng.IntN(4000))
	case p.large && p.n%largeEvery == largeEvery/8:
		key := "large/video-" + strconv.Itoa(p.rng.IntN(4)) + ".mp4"
		return p.write(p.kindFor(key), key, largeLeast+p.rng.IntN(largeMost-largeLeast))
	}
	switch r := p.rng.IntN(100); {
	case r < 30:
		return p.write(Create, fmt.Sprintf("output/%02x/%06d.png", p.rng.IntN(256), p.n), p.size())
	case r < 36 && len(p.gone) > 0: // comes back after it was deleted
		key := p.gone[p.rng.IntN(len(p.gone))]
		return p.write(p.kindFor(key), key, p.size())
	case r < 68:
		return p.write(Overwrite, p.pick(), p.size())
	case r < 72: // the same bytes with other attributes
		op := p.last[p.pick()]
		op.Kind, op.Attrs = Overwrite, p.attrs(op.Key)
		op.Attrs.ContentEncoding = p.last[op.Key].Attrs.ContentEncoding
		return op
	case r < 76: // back to what it was before
		op := p.last[p.pick()]
		if old, ok := p.before[op.Key]; ok {
			op = old
		}
		op.Kind = Overwrite
		return op
	case r < 78:
		return p.zipped(p.pick())
	default:
		if key := p.pick(); key != JobsKey {
			return Op{Kind: Delete, Key: key}
		}
		return p.write(Overwrite, JobsKey, 600)
	}
}

// pick prefers what was written lately, so that operations on one key follow
// each other closely.
func (p *Plan) pick() string {
	if n := len(p.live); n > 40 && p.rng.IntN(2) == 0 {
		return p.live[n-1-p.rng.IntN(30)]
	}
	return p.live[p.rng.IntN(len(p.live))]
}

func (p *Plan) kindFor(key string) Kind {
	if _, ok := p.at[key]; ok {
		return Overwrite
	}
	return Create
}

func (p *Plan) write(kind Kind, key string, size int) Op {
	return Op{Kind: kind, Key: key, Body: Body{Seed: p.rng.Uint64(), Size: size}, Attrs: p.attrs(key)}
}

func (p *Plan) zipped(key string) Op {
	op := p.write(p.kindFor(key), key, 2000+p.rng.IntN(60_000))
	op.Body.Gzip = true
	op.Attrs.ContentEncoding = "gzip"
	op.Attrs.ContentType = "text/html; charset=utf-8"
	return op
}

// size is mostly small, and up to a few hundred KiB.
func (p *Plan) size() int {
	switch r := p.rng.IntN(100); {
	case r < 4:
		return 0
	case r < 60:
		return 16 + p.rng.IntN(8<<10)
	case r < 95:
		return 8<<10 + p.rng.IntN(56<<10)
	default:
		return 64<<10 + p.rng.IntN(256<<10)
	}
}

// attrs have a metadata entry that never recurs, so that every write is a
// content of its own even when it is empty.
func (p *Plan) attrs(key string) Attrs {
	a := Attrs{
		ContentType: [...]string{"image/jpeg", "image/png", "application/octet-stream", "text/plain; charset=utf-8"}[p.rng.IntN(4)],
		Metadata:    map[string]string{"revision": strconv.FormatUint(p.rng.Uint64(), 36)},
	}
	if key == JobsKey {
		a.ContentType, a.CacheControl = "application/json", "no-store"
		return a
	}
	if p.rng.IntN(3) == 0 {
		a.CacheControl = "public, max-age=" + strconv.Itoa(60*(1+p.rng.IntN(60)))
	}
	if p.rng.IntN(2) == 0 {
		a.Metadata["owner"] = "camera-" + strconv.Itoa(p.rng.IntN(100))
	}
	return a
}

// apply keeps the model of what is live in step.
func (p *Plan) apply(op Op) {
	i, live := p.at[op.Key]
	if op.Kind == Delete {
		n := len(p.live) - 1
		p.live[i] = p.live[n]
		p.at[p.live[i]] = i
		p.live = p.live[:n]
		delete(p.at, op.Key)
		delete(p.last, op.Key)
		delete(p.before, op.Key)
		p.gone = append(p.gone, op.Key)
		if len(p.gone) > 500 {
			p.gone = p.gone[len(p.gone)-250:]
		}
		return
	}
	if live {
		p.before[op.Key] = p.last[op.Key]
	} else {
		p.at[op.Key] = len(p.live)
		p.live = append(p.live, op.Key)
	}
	p.last[op.Key] = op
}
