package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// The measures of a chart, in the units of its viewBox.
const (
	chartWidth  = 720
	plotLeft    = 128
	plotRight   = 626
	rowHeight   = 24
	barHeight   = 12
	axisHeight  = 26
	limitHeight = 14 // for the name of the limit
	lagHeight   = 150
	maxRows     = 16
)

// chart is an SVG drawing, its numbers written out.
type chart struct {
	ID, Title, Desc string

	Width, Height, Left, Right, Bottom string

	// Where labels stand: of ticks, of grid lines, of lines.
	AxisY, GridX, LineX string

	Bands []box
	Ticks []mark // upright lines, labelled below
	Grid  []mark // level lines, labelled at the left
	Bars  []bar
	Limit *mark // the budget
	Lines []line
	Dots  []dot
}

type box struct{ X, Y, W, H string }

type bar struct {
	box
	Name, Value string
	TextY       string
	Hot, Open   bool // in the freeze; not ended
}

type mark struct{ At, Label, LabelX, LabelY string }

type line struct{ Class, Label, LabelY, Points string }

type dot struct{ Class, X, Y string }

// scale maps times onto the plot.
type scale struct {
	start time.Time
	total float64 // seconds
}

func (s scale) x(t time.Time) float64 {
	if s.total <= 0 {
		return plotLeft
	}
	share := min(max(t.Sub(s.start).Seconds()/s.total, 0), 1)
	return plotLeft + share*(plotRight-plotLeft)
}

// box spans from start to end, over y and h, wide enough to be seen.
func (s scale) box(start, end time.Time, y, h float64) box {
	x := s.x(start)
	w := max(s.x(end)-x, 2)
	return box{X: coord(min(x, plotRight-2)), Y: coord(y), W: coord(w), H: coord(h)}
}

func coord(f float64) string {
	return strconv.FormatFloat(math.Round(f*10)/10, 'f', -1, 64)
}

// newChart returns an empty chart with room for a plot of this height.
func newChart(id, title, desc string, height float64) *chart {
	return &chart{
		ID: id, Title: title, Desc: desc, Width: coord(chartWidth), Height: coord(height + axisHeight),
		Left: coord(plotLeft), Right: coord(plotRight), Bottom: coord(height),
		AxisY: coord(height + 16), GridX: coord(plotLeft - 8), LineX: coord(plotRight + 8),
	}
}

// gantt draws a row for each span. hot, if not nil, is the freeze.
func gantt(c *chart, s scale, spans []Span, hot *Freeze, end time.Time) {
	top := 4.0
	if c.Limit != nil {
		top += limitHeight
	}
	for i, p := range spans {
		y := float64(i*rowHeight) + top
		last, open := p.End, p.End.IsZero()
		if open {
			last = end
		}
		value := length(between(p.Start, p.End))
		if open {
			value = "not ended"
		}
		c.Bars = append(c.Bars, bar{
			box: s.box(p.Start, last, y+(rowHeight-barHeight)/2, barHeight), TextY: coord(y + rowHeight/2 + 4),
			Name: cut(p.Name, 18), Value: value, Open: open,
			Hot: hot != nil && !p.Start.Before(hot.Start) && !p.Start.After(hot.End) && !last.After(hot.End),
		})
	}
}

// timeline draws the phases of the run, and the freeze as a band over them.
func timeline(r Report) *chart {
	spans := longest(r.Phases)
	if len(spans) == 0 {
		return nil
	}
	start, end := extent(spans, r.Started, r.Ended)
	s := scale{start, end.Sub(start).Seconds()}
	height := float64(len(spans)*rowHeight) + 8
	desc := fmt.Sprintf("%s from %s UTC on, %s in all.", plural(int64(len(spans)), "phase"), instant(start), length(s.total))
	var hot *Freeze
	if r.froze() {
		f := *r.Freeze
		if f.End.IsZero() {
			f.End = end
		}
		hot = &f
		desc += " The freeze began " + length(between(start, f.Start)) + " after the start and took " + length(f.Seconds) + "."
	}
	c := newChart("timeline", "Timeline of the phases", desc, height)
	if hot != nil {
		c.Bands = []box{s.box(hot.Start, hot.End, 0, height)}
	}
	c.ticks(s)
	gantt(c, s, spans, hot, end)
	return c
}

// freezeline draws the freeze enlarged.
func freezeline(r Report) *chart {
	if r.Freeze == nil || r.Freeze.Start.IsZero() {
		return nil
	}
	f := *r.Freeze
	spans := longest(f.Parts)
	if f.End.IsZero() {
		f.End = r.Ended
	}
	start, end := extent(spans, f.Start, f.End)
	s := scale{start, end.Sub(start).Seconds()}
	if f.Budget <= 2*s.total {
		s.total = max(s.total, f.Budget)
	}
	if len(spans) == 0 {
		spans = []Span{{Name: "freeze", Start: f.Start, End: r.Freeze.End}}
	}
	height := float64(len(spans)*rowHeight) + 8
	limited := f.Budget > 0 && f.Budget <= s.total
	if limited {
		height += limitHeight
	}
	c := newChart("freezeline", "The freeze, enlarged", plural(int64(len(spans)), "part")+", "+length(f.Seconds)+" in all.", height)
	if limited {
		at := plotLeft + f.Budget/s.total*(plotRight-plotLeft)
		c.Limit = &mark{At: coord(at), Label: "limit " + limit(f.Budget), LabelX: coord(at - 5)}
	}
	c.ticks(s)
	f.End = end
	gantt(c, s, spans, &f, end)
	return c
}

// lagline draws the median and the 99th percentile of the canaries over time.
func lagline(r Report) *chart {
	buckets := lagBuckets(r.Lag.Samples, 40)
	if len(buckets) == 0 {
		return nil
	}
	samples := r.Lag.Samples
	start, end := samples[0].At, samples[len(samples)-1].At
	s := scale{start, end.Sub(start).Seconds()}
	var most int64
	for _, b := range buckets {
		most = max(most, b.p99)
	}
	step, top := levels(float64(most) / 1000)
	c := newChart("lagline", "Lag of the canaries over the run", fmt.Sprintf("Median %s, 99th percentile %s, largest %s, over %s from %s UTC on.",
		millis(r.Lag.P50), millis(r.Lag.P99), millis(r.Lag.Max), length(s.total), instant(start)), lagHeight)
	y := func(sec float64) float64 { return lagHeight - sec/top*(lagHeight-16) }
	for i := 0; float64(i)*step <= top*1.001; i++ {
		sec := float64(i) * step
		c.Grid = append(c.Grid, mark{At: coord(y(sec)), Label: length(sec), LabelY: coord(y(sec) + 4)})
	}
	if f := r.Freeze; r.froze() && !f.Start.Before(start) && !f.Start.After(end) {
		until := f.End
		if until.IsZero() || until.After(end) {
			until = end
		}
		c.Bands = []box{s.box(f.Start, until, 0, lagHeight)}
	}
	c.ticks(s)
	p50, p99 := line{Class: "p50", Label: "half within"}, line{Class: "p99", Label: "99 % within"}
	var y50, y99 float64
	for i, b := range buckets {
		x := s.x(b.at)
		y50, y99 = y(float64(b.p50)/1000), y(float64(b.p99)/1000)
		if i > 0 {
			p50.Points, p99.Points = p50.Points+" ", p99.Points+" "
		}
		p50.Points += coord(x) + "," + coord(y50)
		p99.Points += coord(x) + "," + coord(y99)
		c.Dots = append(c.Dots, dot{"p99", coord(x), coord(y99)}, dot{"p50", coord(x), coord(y50)})
	}
	// The labels stand at the ends of the lines, and not on each other.
	if y50-y99 < 14 {
		y99 = min(y99, lagHeight-14)
		y50 = y99 + 14
	}
	p50.LabelY, p99.LabelY = coord(y50+4), coord(y99+4)
	c.Lines = []line{p99, p50}
	for _, sample := range samples {
		if sample.Lost {
			c.Dots = append(c.Dots, dot{"lost", coord(s.x(sample.At)), coord(6)})
		}
	}
	return c
}

// longest returns the longest of spans, as many as a chart has rows, in their
// order.
func longest(spans []Span) []Span {
	if len(spans) <= maxRows {
		return spans
	}
	order := make([]int, len(spans))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		a, b := between(spans[i].Start, spans[i].End), between(spans[j].Start, spans[j].End)
		switch {
		case a > b:
			return -1
		case a < b:
			return 1
		}
		return 0
	})
	order = order[:maxRows]
	slices.Sort(order)
	out := make([]Span, 0, maxRows)
	for _, i := range order {
		out = append(out, spans[i])
	}
	return out
}

// extent returns the earliest and the latest of start, end and the spans' ends.
func extent(spans []Span, start, end time.Time) (first, last time.Time) {
	first, last = start, end
	for _, p := range spans {
		for _, t := range []time.Time{p.Start, p.End} {
			if t.IsZero() {
				continue
			}
			if first.IsZero() || t.Before(first) {
				first = t
			}
			if t.After(last) {
				last = t
			}
		}
	}
	if last.Before(first) {
		last = first
	}
	return first, last
}
