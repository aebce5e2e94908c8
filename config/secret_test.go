package config

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// printed is every way in which v could be printed, logged or encoded.
func printed(t *testing.T, v any) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T", "%10v"} {
		out[verb] = fmt.Sprintf(verb, v)
	}
	var b strings.Builder
	opts := &slog.HandlerOptions{Level: slog.LevelDebug}
	slog.New(slog.NewJSONHandler(&b, opts)).Info("x", "v", v)
	slog.New(slog.NewTextHandler(&b, opts)).Info("x", "v", v, slog.Group("g", "v", v))
	out["slog"] = b.String()
	for name, marshal := range map[string]func(any) ([]byte, error){"json": json.Marshal, "yaml": yaml.Marshal} {
		enc, err := marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out[name] = string(enc)
	}
	return out
}

func TestSecret(t *testing.T) {
	t.Parallel()
	s := NewSecret("hunter2")
	if s.Reveal() != "hunter2" || (Secret{}).Reveal() != "" || !(Secret{}).IsZero() || s.IsZero() {
		t.Error("the text is lost")
	}
	for form, text := range printed(t, s) {
		if form != "%T" && (!strings.Contains(text, "[redacted]") || strings.Contains(text, "hunter2") || strings.Contains(text, "68756e746572")) {
			t.Errorf("%s: %s", form, text)
		}
	}
	if x, err := xml.Marshal(s); err != nil || strings.Contains(string(x), "hunter2") {
		t.Errorf("%s, %v", x, err)
	}
}

// No form of a migration, of its parts, or of what holds one, has a secret.
func TestMigrationKeepsItsSecrets(t *testing.T) {
	t.Parallel()
	doc := strings.Replace(most, "s3://shop-uploads/in?", "s3://shop-uploads/in?token=hunter2&", 1)
	m, err := load(doc, mostEnv...)
	if err != nil {
		t.Fatal(err)
	}
	text, err := m.Text()
	if err != nil {
		t.Fatal(err)
	}
	hook := *m.Cutover.Freeze.Hook
	for name, v := range map[string]any{
		"migration": m, "pointer": &m, "cutover": m.Cutover, "freeze": m.Cutover.Freeze, "hook": hook, "hook pointer": &hook,
		"switch": m.Cutover.Switch, "headers": hook.Headers, "backlog": m.Backlog, "arguments": m.Backlog.Command, "ends": []Location{m.Source},
		"unexported": struct {
			M Migration
			h Hook
			s Secret
		}{m, hook, hook.Webhook},
		"text": text, "digest": m.Digest(), "warnings": m.Warnings(),
	} {
		for form, text := range printed(t, v) {
			if strings.Contains(text, "hunter2") || strings.Contains(text, "68756e74657232") {
				t.Errorf("%s by %s: %s", name, form, text)
			}
		}
	}
	for _, part := range []string{
		"\nfunctions:\n  timeout: 2m30s\n", "command: [./backlog.sh, '--token=${TOKEN}', \"\"]", "webhook: https://deploy.example.com/…", "Authorization: '[redacted]'",
		"switch:\n    webhook: '[redacted]'", "source: s3://shop-uploads/in/\n", "foreign: adopt\n",
	} {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in\n%s", part, text)
		}
	}
	if s := m.String(); s != "shop-uploads: s3://shop-uploads/in/ to gs://shop-gcp/" {
		t.Error(s)
	}
}

func TestDigest(t *testing.T) {
	t.Parallel()
	digest := func(doc string, environ ...string) string {
		m, err := load(doc, environ...)
		if err != nil {
			t.Fatal(err)
		}
		return m.Digest()
	}
	base := digest(most, mostEnv...)
	if len(base) != 64 || base != digest(most, mostEnv...) {
		t.Errorf("%q", base)
	}
	for _, same := range [][2]string{
		{"Bearer ${TOKEN}", "Basic x"}, {"hunter2?key=hunter2", "other?key=y"}, {"# everything", "# nothing"}, {"150s", "2m30s"}, {"region=eu-central-1", "region=eu-west-1"},
	} {
		if d := digest(strings.Replace(most, same[0], same[1], 1), mostEnv...); d != base {
			t.Errorf("%q for %q changes the digest", same[1], same[0])
		}
	}
	for _, other := range [][2]string{
		{"name: shop-uploads", "name: shop"},
		{"tmp/**", "tmp/*"},
		{"deletes: false", "deletes: true"},
		{"foreign: adopt", "foreign: keep"},
		{"150s", "151s"},
		{"?region=eu-central-1", ""},
		{", X-Env: live", ""},
		{"[./unfreeze.sh]", "[./unfreeze.sh, now]"},
		{"deploy.example.com", "example.com"},
		{"max_errors: 3", "max_errors: 4"},
	} {
		if d := digest(strings.Replace(most, other[0], other[1], 1), mostEnv...); d == base {
			t.Errorf("%q for %q does not change the digest", other[1], other[0])
		}
	}
}
