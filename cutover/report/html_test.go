package report_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/crossfade-io/crossfade/cutover/report"
)

var update = flag.Bool("update", false, "write the golden files")

func samples() map[string]report.Report {
	return map[string]report.Report{"cutover": clean(), "aborted": aborted(), "rollback": rollback()}
}

func render(t *testing.T, r report.Report) []byte {
	t.Helper()
	page, err := report.HTML(r)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// TestGolden: the page and the summary are those that were looked at. After a
// change, run with -update and look at testdata/*.html in a browser.
func TestGolden(t *testing.T) {
	t.Parallel()
	for name, r := range samples() {
		for file, got := range map[string][]byte{name + ".html": render(t, r), name + ".txt": []byte(report.Summary(r))} {
			path := filepath.Join("testdata", file)
			if *update {
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s is not what it was: run with -update and look at it", path)
			}
		}
	}
}

// TestHTMLStandsAlone: a page has no script, no reference to anything but its
// own parts, and is well-formed, whatever is in the report.
func TestHTMLStandsAlone(t *testing.T) {
	t.Parallel()
	all := samples()
	all["hostile"], all["empty"] = hostile(), report.Report{}
	for name, r := range all {
		page := render(t, r)
		standsAlone(t, name, page)
		if again := render(t, r); !bytes.Equal(page, again) {
			t.Errorf("%s: two pages of one report differ", name)
		}
		if len(page) > 4<<20 {
			t.Errorf("%s: %d bytes", name, len(page))
		}
		if name != "hostile" && bytes.Contains(page, []byte("http")) && bytes.Count(page, []byte("http")) != bytes.Count(page, []byte("http-equiv")) {
			t.Errorf("%s: names a URL", name)
		}
	}
}

// standsAlone reads page as XML, which is stricter than any browser.
func standsAlone(t *testing.T, name string, page []byte) {
	t.Helper()
	known := strings.Fields("html head meta title style body main header section footer p h1 h2 h3 strong dl div dt dd ul li pre bdi " +
		"table caption thead tbody tr th td svg desc rect line text polyline circle")
	attrs := strings.Fields("lang charset http-equiv content name class tabindex role aria-label aria-labelledby scope dir id viewBox " +
		"x y x1 x2 y1 y2 width height text-anchor points cx cy r")
	ids := map[string]bool{}
	var refs []string
	dec := xml.NewDecoder(bytes.NewReader(page))
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s: not well-formed: %v", name, err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if !slices.Contains(known, tok.Name.Local) {
				t.Errorf("%s: element %s", name, tok.Name.Local)
			}
			for _, a := range tok.Attr {
				switch {
				case !slices.Contains(attrs, a.Name.Local):
					t.Errorf("%s: attribute %s of %s", name, a.Name.Local, tok.Name.Local)
				case a.Name.Local == "id" && ids[a.Value]:
					t.Errorf("%s: id %q twice", name, a.Value)
				case a.Name.Local == "id":
					ids[a.Value] = true
				case a.Name.Local == "aria-labelledby":
					refs = append(refs, strings.Fields(a.Value)...)
				}
			}
		case xml.CharData:
			if i := strings.IndexFunc(string(tok), func(c rune) bool { return c != '\n' && c != '\t' && !unicode.IsPrint(c) }); i >= 0 {
				t.Errorf("%s: text with %+q", name, tok[i:min(i+8, len(tok))])
			}
		}
	}
	for _, id := range refs {
		if !ids[id] {
			t.Errorf("%s: no element %q", name, id)
		}
	}
	_, style, _ := bytes.Cut(page, []byte("<style>"))
	style, _, _ = bytes.Cut(style, []byte("</style>"))
	for _, no := range []string{"url(", "@import", "@font-face", "image"} {
		if bytes.Contains(style, []byte(no)) {
			t.Errorf("%s: style has %s", name, no)
		}
	}
	if bytes.Contains(bytes.ToLower(page), []byte("<script")) {
		t.Errorf("%s: has a script", name)
	}
}

// TestHTMLNamesItsJSON: the page holds the digest of the JSON that is written
// beside it.
func TestHTMLNamesItsJSON(t *testing.T) {
	t.Parallel()
	r := clean()
	doc, err := r.JSON()
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(doc)
	if !bytes.Contains(render(t, r), []byte(hex.EncodeToString(sum[:]))) {
		t.Error("no SHA-256 of the JSON")
	}
	r.Notes = []string{"another"}
	if bytes.Contains(render(t, r), []byte(hex.EncodeToString(sum[:]))) {
		t.Error("another report names the same SHA-256")
	}
}

// TestSummary: at most fifteen lines, and nothing that a terminal acts upon.
func TestSummary(t *testing.T) {
	t.Parallel()
	all := samples()
	all["hostile"], all["empty"] = hostile(), report.Report{}
	busy := rollback()
	busy.Outcome, busy.Remedy, busy.Hooks = report.Failed, "look", hostile().Hooks
	all["busy"] = busy
	for name, r := range all {
		s := report.Summary(r)
		if n := strings.Count(s, "\n"); n > 15 || !strings.HasSuffix(s, "\n") {
			t.Errorf("%s: %d lines:\n%s", name, n, s)
		}
		if strings.ContainsFunc(s, func(c rune) bool { return c != '\n' && !unicode.IsPrint(c) }) {
			t.Errorf("%s: %+q", name, s)
		}
		if first, _, _ := strings.Cut(s, "\n"); first != report.Headline(r) && name != "hostile" {
			t.Errorf("%s: begins with %q", name, first)
		}
	}
}
