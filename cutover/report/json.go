package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// MaxBytes is the largest document that Parse reads. What JSON writes is below.
const MaxBytes = 16 << 20

// JSON writes r as one indented document that ends in a line break. What is
// beyond the bounds is left out and counted. Characters that a terminal acts
// upon are escaped, so that the file may be printed.
func (r Report) JSON() ([]byte, error) {
	if r.Format != 0 && r.Format != Format {
		return nil, fmt.Errorf("report of run %q: format is %d, but this version writes only %d: leave it 0", r.Run, r.Format, Format)
	}
	r = r.Bounded()
	r.Format = Format
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		return nil, fmt.Errorf("report of run %q: %w", r.Run, err)
	}
	return escapeHidden(b.Bytes()), nil
}

// escapeHidden writes what does not print as \uXXXX. Beyond ASCII a document has
// such characters only within its strings.
func escapeHidden(doc []byte) []byte {
	out := make([]byte, 0, len(doc))
	for len(doc) > 0 {
		if doc[0] < 0x7f {
			out, doc = append(out, doc[0]), doc[1:]
			continue
		}
		c, n := utf8.DecodeRune(doc)
		switch hi, lo := utf16.EncodeRune(c); {
		case unicode.IsPrint(c):
			out = append(out, doc[:n]...)
		case c < 0x10000:
			out = fmt.Appendf(out, `\u%04x`, c)
		default:
			out = fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
		}
		doc = doc[n:]
	}
	return out
}

// Parse reads what JSON wrote. A document of another format, a longer one and
// one with anything after it are refused; fields that it does not know are not.
func Parse(doc []byte) (Report, error) {
	if len(doc) > MaxBytes {
		return Report{}, fmt.Errorf("report: %d bytes, and %d are the most: this is not a file that crossfade wrote", len(doc), MaxBytes)
	}
	// The format comes first: of another one nothing else needs to fit.
	var head struct {
		Format *int `json:"format"`
	}
	dec := json.NewDecoder(bytes.NewReader(doc))
	if err := dec.Decode(&head); err != nil {
		return Report{}, notOurs(err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Report{}, errors.New("report: something follows after the document: it was damaged, take the copy under the control prefix")
	}
	switch {
	case head.Format == nil:
		return Report{}, errors.New("report: no field \"format\": this is not a report")
	case *head.Format > Format:
		return Report{}, fmt.Errorf("report: format is %d, and this version reads %d: a newer crossfade wrote it, read it with that", *head.Format, Format)
	case *head.Format != Format:
		return Report{}, fmt.Errorf("report: format is %d, and there is only %d: this is not a report", *head.Format, Format)
	}
	var r Report
	if err := json.Unmarshal(doc, &r); err != nil {
		return Report{}, notOurs(err)
	}
	return r.Bounded(), nil
}

// notOurs does not wrap err, whose text may repeat the document raw.
func notOurs(err error) error {
	return errors.New("report: not a JSON document of crossfade's: " + visible(cut(err.Error(), maxText)))
}
