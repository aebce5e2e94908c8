package model

import "math/rand/v2"

// seeded makes choices at random, and records them.
type seeded struct {
	rng  *rand.Rand
	made []int
}

func (s *seeded) Choose(n int) int {
	c := s.rng.IntN(n)
	s.made = append(s.made, c)
	return c
}

// given repeats recorded choices, and then takes the calmest.
type given struct {
	rest []int
}

func (g *given) Choose(n int) int {
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
	c := &seeded{rng: rand.New(rand.NewPCG(seed, 0))}
	w := Run(Draw(c), c)
	return w, c.made
}

func replay(choices []int) *World {
	c := &given{choices}
	return Run(Draw(c), c)
}

// Shrink looks for fewer and smaller choices that still break an invariant, and
// returns the run they make. It tries each neighbourhood once: good enough to
// read.
func Shrink(choices []int) *World {
	best := replay(choices)
	try := func(candidate []int) bool {
		w := replay(candidate)
		if w.broken == "" {
			return false
		}
		best, choices = w, candidate
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
	return best
}
