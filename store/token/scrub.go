package token

import (
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode"
)

const (
	hidden    = "[redacted]"
	maxAnswer = 400 // of what is repeated of an answer, in bytes
	runLength = 40
)

var (
	// jwt is a JSON Web Token, or the beginning of one: each begins so, for its
	// header is a JSON object. Within another encoding it is part of that.
	jwt = regexp.MustCompile(`(^|[^\w+/%-])eyJ[\w-]+(\.[\w-]*)*`)

	// bearer is an access token of Google.
	bearer = regexp.MustCompile(`(^|[^\w+/%-])ya29\.[\w.-]+`)

	// run is a text that may be a token in some encoding. The names of resources
	// are too: see random.
	run = regexp.MustCompile(`[\w+/=%-]{40,}`)
)

// Scrub makes one short line of what a token service said, without anything that
// is or may be a token. secrets are those that are known to have been sent.
func Scrub(text string, secrets ...string) string {
	for _, s := range secrets {
		if s != "" {
			text = strings.NewReplacer(s, hidden, url.QueryEscape(s), hidden).Replace(text)
		}
	}
	text = bearer.ReplaceAllString(jwt.ReplaceAllString(text, "${1}"+hidden), "${1}"+hidden)
	text = run.ReplaceAllStringFunc(text, func(s string) string {
		if random(s) {
			return hidden
		}
		return s
	})
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if len(text) > maxAnswer {
		text = strings.ToValidUTF8(text[:maxAnswer], "") + "…"
	}
	return text
}

// random tells what was encoded from the names of resources: it has the signs of
// base64, or somewhere between two slashes digits and letters of both cases close
// together, or is just too long.
func random(s string) bool {
	if strings.Contains(s, "+") || strings.HasSuffix(s, "=") {
		return true
	}
	few := 0
	for part := range strings.SplitSeq(s, "/") {
		mixed := strings.ContainsAny(part, "0123456789") && strings.ToLower(part) != part && strings.ToUpper(part) != part
		if mixed {
			few++
		}
		if few > 1 || mixed && len(part) >= runLength/2 || len(part) >= runLength && strings.ContainsAny(part, "0123456789") || len(part) >= 2*runLength {
			return true
		}
	}
	return false
}

// Answer is what an answer of a token service with this status and body says: its
// error by the members that OAuth, Google and Microsoft Entra use, and nothing of
// a body that has none of them.
func Answer(status int, body []byte, secrets ...string) string {
	var doc struct {
		Error       json.RawMessage `json:"error"`
		Description string          `json:"error_description"`
	}
	text := fmt.Sprintf("status %d", status)
	if json.Unmarshal(body, &doc) != nil || doc.Error == nil {
		return text
	}
	var code string
	var google struct {
		Status  string `json:"status"`
		Message string `json:"message"`
	}
	if json.Unmarshal(doc.Error, &code) != nil && json.Unmarshal(doc.Error, &google) == nil {
		code, doc.Description = google.Status, google.Message
	}
	for _, s := range []string{code, doc.Description} {
		if s = Scrub(s, secrets...); s != "" {
			text += ", " + s
		}
	}
	return text
}
