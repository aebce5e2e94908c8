package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"html/template"
)

//go:embed page.html
var pageSource string

// page is what the template shows. Its texts come from a report that is fit to
// be shown, and the template escapes them.
type page struct {
	Title, Kicker  string
	Headline, Lede string
	Remedy         string
	Status, Tone   string
	Figures        []figure
	Timeline       *chart
	Phases         *table
	Freezeline     *chart
	FreezeText     string
	Freeze         *table
	Lagline        *chart
	LagText        string
	Verified       string
	VerifiedText   string
	Comparisons    *table
	Examples       []examples
	SweepText      string
	Sweep          *table
	Hooks          *table
	Outputs        []output
	History        *table
	Notes          []string
	Particulars    *table
	Hashes         *table
	Omitted        string
	Tool           string
}

type figure struct{ Name, Value, Sub string }

type examples struct {
	Name string
	Keys []string
}

type output struct{ Name, Text string }

type table struct {
	Caption string
	Head    []cell
	Rows    [][]cell
}

type cell struct {
	Text  string
	Class string // num, code, time, wide or a tone
	Head  bool   // names its row
}

// HTML writes r as one page without scripts and without references to anything
// outside it. It names the SHA-256 of what JSON returns.
func HTML(r Report) ([]byte, error) {
	doc, err := r.JSON()
	if err != nil {
		return nil, err
	}
	t, err := template.New("page").Parse(pageSource)
	if err != nil {
		return nil, fmt.Errorf("report of run %q: page: %w", r.Run, err)
	}
	sum := sha256.Sum256(doc)
	var b bytes.Buffer
	if err := t.Execute(&b, newPage(r.shown(), hex.EncodeToString(sum[:]))); err != nil {
		return nil, fmt.Errorf("report of run %q: page: %w", r.Run, err)
	}
	return b.Bytes(), nil
}

func newPage(r Report, sum string) *page {
	lede, t := verdict(r)
	name, text := verified(r)
	p := &page{
		Title:    "Report of the " + r.verb() + " of " + r.Migration,
		Kicker:   r.Migration + ", " + r.verb(),
		Headline: headline(r), Lede: lede, Remedy: sentence(r.Remedy),
		Status: state(r), Tone: t.String(), Figures: figures(r),
		Timeline: timeline(r), Phases: spanTable("Phases, times of day in UTC", r.Phases),
		Lagline: lagline(r), LagText: lagText(r),
		Verified: name, VerifiedText: text,
		Hooks: hookTable(r.Hooks), History: historyTable(r.History), Notes: r.Notes,
		Particulars: particulars(r), Hashes: hashTable(r, sum), Omitted: omittedText(r.Omitted),
		Tool: r.Tool,
	}
	if r.Freeze != nil {
		p.Freezeline, p.FreezeText = freezeline(r), freezeText(r)
		p.Freeze = spanTable("Parts of the freeze, times of day in UTC", r.Freeze.Parts)
	}
	p.Comparisons, p.Examples = comparisonTable(r)
	if s := r.Sweep; s != nil {
		p.Sweep, p.SweepText = sweepTable(s), sweepText(s)
		if len(s.Examples) > 0 {
			p.Examples = append(p.Examples, examples{"of the sweep", s.Examples})
		}
	}
	for _, h := range r.Hooks {
		if h.Output != "" {
			p.Outputs = append(p.Outputs, output{h.Name + ", " + clockTime(h.Start), h.Output})
		}
	}
	return p
}

func (t tone) String() string {
	switch t {
	case good:
		return "good"
	case fair:
		return "fair"
	default:
		return "bad"
	}
}

// state is the outcome in a word or two.
func state(r Report) string {
	switch {
	case r.stillFrozen():
		return "Writes are stopped"
	case r.DryRun && r.Outcome == Rehearsed:
		return "Rehearsed"
	case r.DryRun:
		return "Rehearsal failed"
	case r.Outcome == Switched && r.back():
		return "Moved back"
	case r.Outcome == Switched:
		return "Moved"
	case r.Outcome == "":
		return "Not ended"
	default:
		return capital(r.Outcome)
	}
}
