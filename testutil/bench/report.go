package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

type machine struct {
	CPUs int    `json:"cpus"`
	OS   string `json:"os"`
	Arch string `json:"arch"`
	Go   string `json:"go"`
}

type reported struct {
	Objects     int    `json:"objects"`
	Size        int64  `json:"size"`
	Large       int    `json:"large"`
	LargeSize   int64  `json:"large_size"`
	Concurrency int    `json:"concurrency"`
	Rounds      int    `json:"rounds"`
	Dir         string `json:"dir"` // of the server's data
}

// report is all that was measured.
type report struct {
	Machine  machine   `json:"machine"`
	Options  reported  `json:"options"`
	Small    *scenario `json:"small,omitempty"`
	Large    *scenario `json:"large,omitempty"`
	Function []rate    `json:"function,omitempty"`
	Cloudsim []rate    `json:"cloudsim,omitempty"`

	Freeze []freezeResult `json:"freeze,omitempty"`

	ColdStart []coldStart `json:"cold_start,omitempty"`
}

// result is one run of a tool. ServerCPU are the CPU seconds that the server
// used meanwhile.
type result struct {
	usage
	ServerCPU float64 `json:"server_cpu_seconds"`
}

// scenario holds the runs of both tools over one source bucket.
type scenario struct {
	Objects int   `json:"objects"`
	Bytes   int64 `json:"bytes"`

	// Copy are the runs to an empty bucket, Again those that find all there.
	Copy  map[string][]result `json:"copy"`
	Again map[string][]result `json:"again"`

	// Medians of them, and crossfade's divided by rclone's.
	Medians map[string]medians `json:"medians"`

	// Checked: rclone compared crossfade's copy with the source, byte for byte.
	Checked bool `json:"checked"`
}

// medians compares the tools, each figure by itself. A ratio is 0 where rclone's
// figure is too small to be divided by.
type medians struct {
	Crossfade result `json:"crossfade"`
	Rclone    result `json:"rclone"`
	Ratio     result `json:"ratio"`
}

// compare fills in the medians.
func (s *scenario) compare() {
	s.Medians = map[string]medians{}
	for name, runs := range map[string]map[string][]result{"copy": s.Copy, "again": s.Again} {
		m := medians{Crossfade: middle(runs["crossfade"]), Rclone: middle(runs["rclone"])}
		a, b := m.Crossfade, m.Rclone
		m.Ratio = result{
			usage:     usage{Seconds: ratio(a.Seconds, b.Seconds), CPU: ratio(a.CPU, b.CPU), RSS: ratio(a.RSS, b.RSS)},
			ServerCPU: ratio(a.ServerCPU, b.ServerCPU),
		}
		s.Medians[name] = m
	}
}

func ratio(a, b float64) float64 {
	if b < 0.02 { // two ticks of the kernel's clock
		return 0
	}
	return a / b
}

func (s *scenario) add(tool string, again bool, r result) {
	into := &s.Copy
	if again {
		into = &s.Again
	}
	if *into == nil {
		*into = map[string][]result{}
	}
	(*into)[tool] = append((*into)[tool], r)
}

// middle returns the median of each figure by itself.
func middle(runs []result) result {
	of := func(f func(result) float64) float64 {
		values := make([]float64, len(runs))
		for i, r := range runs {
			values[i] = f(r)
		}
		return median(values)
	}
	return result{
		usage: usage{
			Seconds: of(func(r result) float64 { return r.Seconds }),
			CPU:     of(func(r result) float64 { return r.CPU }),
			RSS:     of(func(r result) float64 { return r.RSS }),
		},
		ServerCPU: of(func(r result) float64 { return r.ServerCPU }),
	}
}

func median(v []float64) float64 {
	v = slices.SortedFunc(slices.Values(v), cmp.Compare[float64])
	n := len(v)
	if n == 0 {
		return 0
	}
	return (v[(n-1)/2] + v[n/2]) / 2
}

// print writes the report as Markdown tables.
func (r report) print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	o := r.Options
	fmt.Fprintf(t, "%d CPUs, %s/%s, %s; concurrency %d, medians of %d rounds", r.Machine.CPUs, r.Machine.OS, r.Machine.Arch, r.Machine.Go, o.Concurrency, o.Rounds)
	if o.Dir != "" {
		fmt.Fprintf(t, "; versitygw in %s", o.Dir)
	}
	fmt.Fprintln(t)
	r.Small.print(t, fmt.Sprintf("%d objects of %d bytes", o.Objects, o.Size), "objects/s",
		func(s *scenario, seconds float64) float64 { return float64(s.Objects) / seconds })
	r.Large.print(t, fmt.Sprintf("%d objects of %d MiB", o.Large, o.LargeSize>>20), "MB/s",
		func(s *scenario, seconds float64) float64 { return float64(s.Bytes) / seconds / 1e6 })
	for _, rates := range [][]rate{r.Function, r.Cloudsim} {
		if len(rates) == 0 {
			continue
		}
		fmt.Fprintf(t, "\n| in this process, 4 KiB\t| per second\t| CPU µs each\t|\n|---\t|---:\t|---:\t|\n")
		for _, x := range rates {
			fmt.Fprintf(t, "| %s\t| %.0f\t| %.0f\t|\n", x.Name, x.PerSecond, x.CPU)
		}
	}
	printFreeze(t, r.Freeze)
	printColdStarts(t, r.ColdStart)
	return t.Flush()
}

func printFreeze(w io.Writer, all []freezeResult) {
	if len(all) == 0 {
		return
	}
	fmt.Fprintf(w, "\nFreeze by the application's own clock, %s a request, %.0f writes and deletes a second; times of the cold way\n", freezeLatency, all[0].Rate)
	fmt.Fprintf(w, "\n| objects\t| from, to\t| cutover p50\t| worst\t| rollback p50\t| worst\t| runs\t| announce to reverse\t| backfill again\t| rclone sync again\t|\n")
	fmt.Fprintln(w, "|---:\t|---\t|---:\t|---:\t|---:\t|---:\t|---:\t|---:\t|---:\t|---:\t|")
	for _, f := range all {
		rclone := "–"
		if f.Rclone > 0 {
			rclone = fmt.Sprintf("%.1f s", f.Rclone)
		}
		fmt.Fprintf(w, "| %d\t| %s, %s\t| %.0f ms\t| %.0f ms\t| %.0f ms\t| %.0f ms\t| %d\t| %.1f s\t| %.1f s\t| %s\t|\n", f.Objects, f.From, f.To,
			f.Cutover.P50, f.Cutover.Worst, f.Rollback.P50, f.Rollback.Worst, len(f.Cutover.App), f.Whole, f.Backfill, rclone)
	}
}

func (s *scenario) print(w io.Writer, title, unit string, speed func(s *scenario, seconds float64) float64) {
	if s == nil {
		return
	}
	fmt.Fprintf(w, "\n| %s\t| %s\t| seconds\t| CPU s\t| peak MiB\t| server CPU s\t|\n|---\t|---:\t|---:\t|---:\t|---:\t|---:\t|\n", title, unit)
	for _, x := range []struct{ key, name string }{{"copy", ""}, {"again", ", nothing to copy"}} {
		m := s.Medians[x.key]
		for _, row := range []struct {
			tool string
			result
		}{{"crossfade backfill", m.Crossfade}, {"rclone sync", m.Rclone}} {
			fmt.Fprintf(w, "| %s%s\t| %.0f\t| %.2f\t| %.2f\t| %.0f\t| %.2f\t|\n", row.tool, x.name,
				speed(s, row.Seconds), row.Seconds, row.CPU, row.RSS, row.ServerCPU)
		}
		fmt.Fprintf(w, "| ratio%s\t| %s\t| %s\t| %s\t| %s\t| %s\t|\n", x.name,
			shown(ratio(m.Rclone.Seconds, m.Crossfade.Seconds)), shown(m.Ratio.Seconds), shown(m.Ratio.CPU), shown(m.Ratio.RSS), shown(m.Ratio.ServerCPU))
	}
	if s.Checked {
		fmt.Fprintln(w, "\nrclone check --download: every byte of crossfade's copy equals the source.")
	}
}

func shown(ratio float64) string {
	if ratio == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2f", ratio)
}
