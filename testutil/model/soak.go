package model

import "math/rand/v2"

// Seeded makes choices at random, and records them.
type Seeded struct {
	rng  *rand.Rand
	Made []int
}

// NewSeeded returns the Chooser of a seed.
func NewSeeded(seed uint64) *Seeded { return &Seeded{rng: rand.New(rand.NewPCG(seed, 0))} }

// Choose is a Chooser's.
func (s *Seeded) Choose(n int) int {
	c := s.rng.IntN(n)
	s.Made = append(s.Made, c)
	return c
}

// Given repeats recorded choices, and then takes the calmest.
type Given struct {
	rest []int
}

// NewGiven returns the Chooser that repeats choices.
func NewGiven(choices []int) *Given { return &Given{choices} }

// Choose is a Chooser's.
func (g *Given) Choose(n int) int {
	if len(g.rest) == 0 {
		return 0
	}
	c := g.rest[0] % n
	g.rest = g.rest[1:]
	return c
}

// RunSeed runs the schedule of a seed. The choices that made it are returned
// too, for Shrink.
func RunSeed(seed uint64) (*World, []int) {
	c := NewSeeded(seed)
	w := Run(Draw(c), c)
	return w, c.Made
}

func replay(choices []int) *World {
	c := NewGiven(choices)
	return Run(Draw(c), c)
}

// Shrink looks for fewer and smaller choices that still break an invariant, and
// returns the run they make.
func Shrink(choices []int) *World {
	best := replay(choices)
	Minimize(choices, func(candidate []int) bool {
		w := replay(candidate)
		if w.broken == "" {
			return false
		}
		best = w
		return true
	})
	return best
}

// Minimize looks for fewer and smaller choices that are still bad, and returns
// them. It tries each neighbourhood once: good enough to read.
func Minimize(choices []int, bad func([]int) bool) []int {
	try := func(candidate []int) bool {
		if !bad(candidate) {
			return false
		}
		choices = candidate
		return true
	}
	for size := len(choices) / 2; size > 0; size /= 2 {
		for at := len(choices) - size; at >= 0; at -= size {
			if at+size <= len(choices) {
				try(append(append([]int{}, choices[:at]...), choices[at+size:]...))
			}
		}
	}
	for at := 0; at < len(choices); at++ {
		for smaller := range choices[at] {
			candidate := append([]int{}, choices...)
			candidate[at] = smaller
			if try(candidate) {
				break
			}
		}
	}
	return choices
}
