package report

import (
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// The longest lists and texts, the latter in bytes. Keys and reasons keep their
// first 1,024 bytes, which is as long as a key can be.
const (
	maxSpans       = 100
	maxHooks       = 50
	maxSamples     = 1000
	maxComparisons = 30
	maxExamples    = 20
	maxHistory     = 300
	maxNotes       = 30
	maxHashes      = 30

	maxName   = 256
	maxText   = 1024
	maxOutput = 8 << 10
)

// The largest figures: what JSON holds exactly in every language, and a time
// longer than any run.
const (
	maxCount   = 1 << 53
	maxSeconds = 1e9
)

// Bounded returns a deep copy of r with every list and text within its bound,
// every time in UTC, no list nil and the canaries in their order. Lists keep their
// beginning and their end; Omitted counts the rest. A figure that cannot be, such as a negative length
// or a time that JSON cannot hold, becomes zero.
func (r Report) Bounded() Report {
	b := bounder{omitted: maps.Clone(r.Omitted), text: cut}
	b.report(&r)
	return r
}

// bounder copies what it is given and leaves the original alone.
type bounder struct {
	omitted map[string]int64
	text    func(s string, most int) string
}

func (b *bounder) report(r *Report) {
	b.names(&r.Tool, &r.Migration, &r.Operation, &r.Outcome, &r.Phase, &r.Operator, &r.Run)
	b.texts(&r.Source, &r.Target, &r.Control, &r.Reason, &r.Remedy)
	r.Resumed = max(r.Resumed, 0)
	counts(&r.Epoch, &r.EpochAfter)
	times(&r.Started, &r.Ended)
	r.Phases = b.spans(r.Phases, "phases")
	if r.Freeze != nil {
		f := *r.Freeze
		b.names(&f.Mode)
		times(&f.Start, &f.End)
		seconds(&f.Seconds, &f.Budget)
		f.Parts = b.spans(f.Parts, "freeze.parts")
		r.Freeze = &f
	}
	r.Hooks = list(b, r.Hooks, "hooks", maxHooks)
	for i := range r.Hooks {
		h := &r.Hooks[i]
		b.names(&h.Name, &h.Kind, &h.Result)
		h.Output = b.text(h.Output, maxOutput)
		times(&h.Start)
		seconds(&h.Seconds)
		h.Attempts = max(h.Attempts, 0)
	}
	c := &r.Counts
	counts(&c.Objects, &c.Bytes, &c.JournalKeys, &c.BarriersSent, &c.BarriersArrived, &c.LateKept, &c.Repaired, &c.Failures)
	b.lag(&r.Lag)
	b.comparisons(r)
	if r.Sweep != nil {
		s := *r.Sweep
		times(&s.Start, &s.End)
		counts(&s.Keys, &s.Dropped, &s.Repaired, &s.Undone, &s.Kept, &s.Failed)
		s.Examples = b.strings(s.Examples, "sweep.examples", maxExamples)
		r.Sweep = &s
	}
	r.History = list(b, r.History, "history", maxHistory)
	for i := range r.History {
		e := &r.History[i]
		b.names(&e.Who, &e.What, &e.Phase)
		b.texts(&e.Note)
		times(&e.At)
		counts(&e.Epoch)
	}
	r.Notes = b.strings(r.Notes, "notes", maxNotes)
	r.Hashes = b.hashes(r.Hashes)
	r.Omitted = b.counted()
}

func (b *bounder) comparisons(r *Report) {
	r.Comparisons = list(b, r.Comparisons, "comparisons", maxComparisons)
	for i := range r.Comparisons {
		c := &r.Comparisons[i]
		b.names(&c.Kind)
		times(&c.Start)
		seconds(&c.Seconds)
		counts(&c.Keys, &c.Bytes, &c.Equal, &c.Missing, &c.Different, &c.Extra, &c.Foreign, &c.Failed, &c.Repaired)
		c.Examples = b.strings(c.Examples, "comparisons.examples", maxExamples)
	}
}

func (b *bounder) spans(spans []Span, name string) []Span {
	spans = list(b, spans, name, maxSpans)
	for i := range spans {
		b.names(&spans[i].Name)
		b.texts(&spans[i].Note)
		times(&spans[i].Start, &spans[i].End)
	}
	return spans
}

// lag puts the samples into their order, and keeps of neighbours the worst.
func (b *bounder) lag(l *Lag) {
	samples := append([]LagSample{}, l.Samples...)
	for i := range samples {
		times(&samples[i].At)
		counts(&samples[i].MS)
	}
	slices.SortStableFunc(samples, func(a, b LagSample) int { return a.At.Compare(b.At) })
	if n := len(samples); n > maxSamples {
		b.omit("lag.samples", n-maxSamples)
		for i := range maxSamples {
			samples[i] = slices.MaxFunc(samples[i*n/maxSamples:(i+1)*n/maxSamples], worse)
		}
		samples = samples[:maxSamples:maxSamples]
	}
	l.Samples = samples
	counts(&l.P50, &l.P90, &l.P99, &l.Max, &l.Lost)
}

func (b *bounder) strings(texts []string, name string, most int) []string {
	texts = list(b, texts, name, most)
	for i := range texts {
		b.texts(&texts[i])
	}
	return texts
}

func (b *bounder) hashes(m map[string]string) map[string]string {
	out := make(map[string]string, min(len(m), maxHashes))
	names := slices.Sorted(maps.Keys(m))
	if len(names) > maxHashes {
		b.omit("hashes", len(names)-maxHashes)
		names = names[:maxHashes]
	}
	for _, name := range names {
		out[b.text(name, maxName)] = b.text(m[name], maxName)
	}
	return out
}

// counted is omitted, itself bounded: a document may bring anything.
func (b *bounder) counted() map[string]int64 {
	out := make(map[string]int64, len(b.omitted))
	for _, name := range slices.Sorted(maps.Keys(b.omitted)) {
		if n := b.omitted[name]; n > 0 && len(out) < maxHashes {
			out[b.text(name, maxName)] = min(n, maxCount)
		}
	}
	return out
}

func (b *bounder) omit(name string, n int) {
	if b.omitted == nil {
		b.omitted = map[string]int64{}
	}
	b.omitted[name] = min(max(b.omitted[name], 0), maxCount) + int64(n)
}

func (b *bounder) names(ss ...*string) {
	for _, s := range ss {
		*s = b.text(*s, maxName)
	}
}

func (b *bounder) texts(ss ...*string) {
	for _, s := range ss {
		*s = b.text(*s, maxText)
	}
}

// list copies the beginning and the end of l.
func list[T any](b *bounder, l []T, name string, most int) []T {
	if len(l) <= most {
		return append([]T{}, l...)
	}
	b.omit(name, len(l)-most)
	return slices.Concat(l[:most/2], l[len(l)-(most-most/2):])
}

// cut shortens s to most bytes, at the beginning of a character, and makes it
// UTF-8.
func cut(s string, most int) string {
	if s = strings.ToValidUTF8(s, "\uFFFD"); len(s) <= most {
		return s
	}
	const end = "…"
	i := most - len(end)
	for i > 0 && !utf8.RuneStart(s[i]) {
		i--
	}
	return s[:i] + end
}

func counts(ns ...*int64) {
	for _, n := range ns {
		*n = min(max(*n, 0), maxCount)
	}
}

func seconds(ss ...*float64) {
	for _, s := range ss {
		if !(*s > 0) { // NaN too
			*s = 0
		}
		*s = min(*s, maxSeconds)
	}
}

func times(ts ...*time.Time) {
	for _, t := range ts {
		if *t = t.Round(0).UTC(); t.Year() < 1 || t.Year() > 9999 {
			*t = time.Time{}
		}
	}
}
