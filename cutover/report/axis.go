package report

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// steps are the distances of ticks on an axis of time, in seconds. Below and
// above they go on in powers of ten.
var steps = []float64{
	0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30,
	60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400,
}

// stepFor returns a round step of which total has at most most.
func stepFor(total float64, most int) float64 {
	i, _ := slices.BinarySearch(steps, total/float64(most))
	if i < len(steps) {
		return steps[i]
	}
	step := steps[len(steps)-1]
	for step*float64(most) < total {
		step *= 10
	}
	return step
}

// ticks labels the time axis with the time since its start.
func (c *chart) ticks(s scale) {
	step := stepFor(s.total, 6)
	for i := 0; float64(i)*step <= s.total; i++ {
		sec := float64(i) * step
		at := s.x(s.start.Add(time.Duration(sec * float64(time.Second))))
		c.Ticks = append(c.Ticks, mark{At: coord(at), Label: offset(sec, step)})
	}
}

// offset writes sec after the start, as fine as step.
func offset(sec, step float64) string {
	whole := int64(math.Round(sec))
	switch {
	case sec == 0:
		return "0"
	case step < 1 && sec < 0.9995:
		return fmt.Sprintf("%.0f ms", sec*1000)
	case step < 1:
		return fmt.Sprintf("%.4g s", sec)
	case whole < 60:
		return fmt.Sprintf("%d s", whole)
	case whole < 3600 && whole%60 == 0:
		return fmt.Sprintf("%d min", whole/60)
	case whole < 3600:
		return fmt.Sprintf("%d:%02d min", whole/60, whole%60)
	case whole%86400 == 0:
		return fmt.Sprintf("%s d", thousands(whole/86400))
	case whole%3600 == 0:
		return fmt.Sprintf("%d h", whole/3600)
	default:
		return fmt.Sprintf("%d:%02d h", whole/3600, whole%3600/60)
	}
}

// levels returns the step and the top of an axis that goes from 0 to at least
// most seconds.
func levels(most float64) (step, top float64) {
	most = max(most, 0.001)
	step = stepFor(most, 3)
	return step, step * math.Ceil(most/step)
}
