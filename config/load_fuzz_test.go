package config

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// FuzzLoad: whatever the document, each mistake is one printable line without
// what the environment holds; what is accepted keeps its promises, and loads the
// same when it is written in another way.
func FuzzLoad(f *testing.F) {
	f.Add(most, "CROSSFADE_CONCURRENCY=1")
	f.Add(frozen+"s3-policy\n    "+except+"\n    "+probe+"\nbacklog: {sqs: 'https://h/1/q'}\n", "CROSSFADE_FOREIGN=adopt")
	f.Add(running, "CROSSFADE_RUN_LISTEN=:80")
	for _, c := range refusals {
		f.Add(c.doc, strings.Join(c.env, ""))
	}
	const secret = "hunter2secret"
	f.Fuzz(func(t *testing.T, doc, variable string) {
		environ := []string{"BUCKET=" + secret, "JOBS=32", "TOKEN=" + secret + "\x00", "HOST=" + secret, "A=" + secret, "T=" + secret + "\n"}
		if !strings.Contains(variable, secret) && !strings.Contains(doc, secret) {
			environ = append(environ, variable)
		}
		m, err := load(doc, environ...)
		if err != nil {
			wrong, ok := err.(Problems) //nolint:errorlint // the very type is promised
			if !ok || len(wrong) == 0 || len(wrong) > maxProblems+1 {
				t.Fatalf("%T: %v", err, err)
			}
			for _, line := range wrong {
				named := strings.HasPrefix(line, "crossfade.yaml:") || strings.HasPrefix(strings.TrimPrefix(line, `"`), envPrefix)
				if !named || strings.ContainsFunc(line, unicode.IsControl) || !utf8.ValidString(line) {
					t.Errorf("the line %q", line)
				}
				if strings.Contains(line, secret) && !strings.Contains(doc, secret) {
					t.Errorf("a secret is told: %q", line)
				}
			}
			return
		}
		c := m.Cutover
		switch {
		case m.Name == "" || m.Source.URL == nil || m.Target.URL == nil || m.Source.Overlaps(m.Target) || m.Control.within(m.Source):
			t.Errorf("%+v", m.view())
		case m.Concurrency < 1 || m.FunctionTimeout <= 0 || c.MaxFreeze <= 0 || c.MaxLag <= 0 || c.MaxErrors < 0:
			t.Errorf("%+v", m.view())
		case c.Freeze.Mode == FreezeHook && (c.Freeze.Hook == nil || c.Unfreeze == nil):
			t.Errorf("mode hook without hooks: %+v", m.view())
		case c.Freeze.Mode == FreezeS3Policy && (len(c.Freeze.Except) == 0 || c.Freeze.Probe.URL == nil || m.Source.Scheme != "s3"):
			t.Errorf("mode s3-policy: %+v", m.view())
		}
		for _, h := range []*Hook{c.Freeze.Hook, c.Unfreeze, c.Switch} {
			if h != nil && ((len(h.Command) > 0) == !h.Webhook.IsZero() || h.Timeout <= 0) {
				t.Errorf("%+v", h.view())
			}
		}
		var v any
		if err := yaml.Unmarshal([]byte(doc), &v); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		n, err := load(string(again), environ...)
		if err != nil || n.Digest() != m.Digest() {
			t.Errorf("%s: %v", again, err)
		}
	})
}
