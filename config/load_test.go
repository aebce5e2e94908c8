package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/crossfade-io/crossfade/replicate"
)

// load reads a document with variables written NAME=value.
func load(doc string, environ ...string) (Migration, error) {
	return Load([]byte(doc), "crossfade.yaml", lookupIn(environ), environ, noBracket)
}

func lookupIn(environ []string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, entry := range environ {
			if n, v, _ := strings.Cut(entry, "="); n == name {
				return v, true
			}
		}
		return "", false
	}
}

// noBracket stands for the backfill's check of globs.
func noBracket(pattern string) error {
	if strings.Contains(pattern, "[") {
		return fmt.Errorf("pattern %q has a [ without its ]", pattern)
	}
	return nil
}

const least = "name: shop\nsource: s3://shop?region=eu-central-1\ntarget: gs://shop-gcp\n"

const most = `# everything
name: shop-uploads
source: s3://shop-uploads/in?region=eu-central-1
target: gs://${BUCKET}
control: gs://ops/crossfade
include: ["**", 'a$$b']
exclude:
  - tmp/**
  - "${NONE:-old}/**"
deletes: false
foreign: adopt
concurrency: ${JOBS}
functions:
  timeout: 150s
backlog:
  command: ["./backlog.sh", "--token=${TOKEN}", ""]
  timeout: 3s
cutover:
  max_freeze: 20s
  max_lag: 1.5s
  max_errors: 3
  freeze:
    mode: hook
    hook:
      webhook: https://user:hunter2@deploy.example.com/hunter2?key=hunter2
      headers: {authorization: "Bearer ${TOKEN}", X-Env: live}
      timeout: 4s
  unfreeze: {command: [./unfreeze.sh]}
  switch: {webhook: "https://${HOST}/x"}
`

var mostEnv = []string{"BUCKET=shop-gcp", "JOBS=32", "TOKEN=hunter2", "HOST=hunter2.example.com"}

func TestLoadLeast(t *testing.T) {
	t.Parallel()
	m, err := load(least, "PATH=/bin", "AWS_REGION=x")
	if err != nil {
		t.Fatal(err)
	}
	if m.Source.URL.Query().Get("region") != "eu-central-1" || m.Control.ID() != "gs://shop-gcp/" || m.Backlog != nil {
		t.Errorf("%+v", m.view())
	}
	want := view{
		Name: "shop", Source: "s3://shop/", Target: "gs://shop-gcp/", Control: "gs://shop-gcp/",
		Include: []string{}, Exclude: []string{}, Deletes: true, Foreign: "keep", Concurrency: 64,
		Functions: functions{Timeout: "15m0s"},
		Cutover:   cutover{MaxFreeze: "10s", MaxLag: "5s", Freeze: freeze{Mode: FreezeNone}},
	}
	if !reflect.DeepEqual(m.view(), want) {
		t.Errorf("%+v\nwant\n%+v", m.view(), want)
	}
}

func TestLoadMost(t *testing.T) {
	t.Parallel()
	m, err := load(most, mostEnv...)
	if err != nil {
		t.Fatal(err)
	}
	c := m.Cutover
	for what, ok := range map[string]bool{
		"ends":        m.Name == "shop-uploads" && m.Source.ID() == "s3://shop-uploads/in/" && m.Target.ID() == "gs://shop-gcp/" && m.Control.ID() == "gs://ops/crossfade/",
		"globs":       slices.Equal(m.Include, []string{"**", "a$b"}) && slices.Equal(m.Exclude, []string{"tmp/**", "old/**"}),
		"policy":      !m.Deletes && m.Foreign == replicate.AdoptForeign && m.Concurrency == 32,
		"timeout":     m.FunctionTimeout == 150*time.Second,
		"backlog":     slices.Equal(Argv(m.Backlog.Command), []string{"./backlog.sh", "--token=hunter2", ""}) && m.Backlog.Timeout == 3*time.Second,
		"thresholds":  c.MaxFreeze == 20*time.Second && c.MaxLag == 1500*time.Millisecond && c.MaxErrors == 3,
		"freeze":      c.Freeze.Mode == FreezeHook && c.Freeze.Hook.Timeout == 4*time.Second,
		"webhook":     c.Freeze.Hook.Webhook.Reveal() == "https://user:hunter2@deploy.example.com/hunter2?key=hunter2",
		"headers":     len(c.Freeze.Hook.Headers) == 2 && c.Freeze.Hook.Headers["Authorization"].Reveal() == "Bearer hunter2" && c.Freeze.Hook.Headers["X-Env"].Reveal() == "live",
		"unfreeze":    slices.Equal(Argv(c.Unfreeze.Command), []string{"./unfreeze.sh"}) && c.Unfreeze.Timeout == 10*time.Second && c.Unfreeze.Webhook.IsZero(),
		"switch":      c.Switch.Webhook.Reveal() == "https://hunter2.example.com/x" && c.Switch.Command == nil,
		"no warnings": len(m.Warnings()) == 0,
	} {
		if !ok {
			t.Errorf("%s: %+v", what, m.view())
		}
	}
}

func TestLoadS3Policy(t *testing.T) {
	t.Parallel()
	m, err := load(least + `
cutover:
  freeze:
    mode: s3-policy
    except: ["arn:aws:iam::123456789012:role/crossfade", "arn:aws-cn:iam::1:user/*", "arn:aws:iam::1:root", "arn:aws:sts::1:federated-user/x"]
    probe: s3://shop?profile=app
backlog: {sqs: "https://sqs.eu-central-1.amazonaws.com/123456789012/crossfade"}
`)
	if err != nil {
		t.Fatal(err)
	}
	f := m.Cutover.Freeze
	if f.Mode != FreezeS3Policy || len(f.Except) != 4 || f.Probe.URL.Query().Get("profile") != "app" || f.Hook != nil ||
		m.Backlog.SQS != "https://sqs.eu-central-1.amazonaws.com/123456789012/crossfade" || m.Backlog.Timeout != 5*time.Second {
		t.Errorf("%+v", m.view())
	}
}

// Every field with a single value has its variable; it wins over the file, and
// what it holds is not expanded.
func TestOverrides(t *testing.T) {
	t.Parallel()
	m, err := load(most, append([]string{
		"CROSSFADE_MIGRATION=other", "CROSSFADE_SOURCE=az://$web", "CROSSFADE_TARGET= file:///srv ", "CROSSFADE_CONTROL=", "CROSSFADE_DELETES=true",
		"CROSSFADE_FOREIGN=overwrite", "CROSSFADE_CONCURRENCY=5", "CROSSFADE_FUNCTIONS_TIMEOUT=9m", "CROSSFADE_BACKLOG_TIMEOUT=7s",
		"CROSSFADE_CUTOVER_MAX_FREEZE=30s", "CROSSFADE_CUTOVER_MAX_LAG=9s", "CROSSFADE_CUTOVER_MAX_ERRORS=7",
		"CROSSFADE_CUTOVER_FREEZE_HOOK_WEBHOOK=http://127.0.0.1:1/x", "CROSSFADE_CUTOVER_UNFREEZE_TIMEOUT=8s", "CROSSFADE_CUTOVER_SWITCH_WEBHOOK=https://w/${X}",
	}, mostEnv...)...)
	if err != nil {
		t.Fatal(err)
	}
	c := m.Cutover
	if m.Name != "other" || m.Source.ID() != "az://$web/" || m.Target.ID() != "file:///srv" || m.Control.ID() != "gs://ops/crossfade/" || !m.Deletes ||
		m.Foreign != replicate.OverwriteForeign || m.Concurrency != 5 || m.FunctionTimeout != 9*time.Minute || m.Backlog.Timeout != 7*time.Second ||
		c.MaxFreeze != 30*time.Second || c.MaxLag != 9*time.Second || c.MaxErrors != 7 || c.Freeze.Hook.Webhook.Reveal() != "http://127.0.0.1:1/x" ||
		c.Unfreeze.Timeout != 8*time.Second || c.Switch.Webhook.Reveal() != "https://w/${X}" {
		t.Errorf("%+v", m.view())
	}

	// The environment alone can make a section.
	m, err = load("name: shop", "CROSSFADE_SOURCE=s3://shop", "CROSSFADE_TARGET=gs://shop", "CROSSFADE_CUTOVER_SWITCH_WEBHOOK=https://w/",
		"CROSSFADE_BACKLOG_SQS=https://sqs.x.amazonaws.com/1/q", "CROSSFADE_CUTOVER_FREEZE_MODE=none")
	if err != nil || m.Cutover.Switch == nil || m.Cutover.Unfreeze != nil || m.Backlog == nil {
		t.Errorf("%+v, %v", m.view(), err)
	}

	seen := map[string]string{}
	for _, f := range newDraft().fields(nil) {
		if other := seen[f.variable()]; other != "" {
			t.Errorf("%s overrides both %s and %s", f.variable(), other, f.path)
		}
		seen[f.variable()] = f.path
	}
}

func TestExpand(t *testing.T) {
	t.Parallel()
	lookup := lookupIn([]string{"A=a", "_B1=${A}", "EMPTY="})
	for _, c := range []struct {
		raw, want string
		expanded  bool
	}{
		{"", "", false},
		{"plain", "plain", false},
		{"$$", "$", false},
		{"$${A}", "${A}", false},
		{"$$$$x$$", "$$x$", false},
		{"${A}", "a", true},
		{"x${A}y${A}$$", "xaya$", true},
		{"${_B1}", "${A}", true},
		{"${NO:-z}", "z", true},
		{"${NO:-}", "", true},
		{"${EMPTY:-z:-y$}", "z:-y$", true},
		{"${A:-z}", "a", true},
	} {
		text, expanded, err := expand(c.raw, lookup)
		if err != nil || text != c.want || expanded != c.expanded {
			t.Errorf("%q: %q, %v, %v", c.raw, text, expanded, err)
		}
	}
	for _, raw := range []string{"$", "a$b", "$A", "${", "${A", "${}", "${1}", "${A-b}", "${A:b}", "${a b}", "${NO}", "${EMPTY}", "${${A}}"} {
		if text, _, err := expand(raw, lookup); err == nil || text != "" {
			t.Errorf("%q: %q, %v", raw, text, err)
		}
	}
}

func TestWarnings(t *testing.T) {
	t.Parallel()
	m, err := load(least)
	if err != nil {
		t.Fatal(err)
	}
	wants := []string{"cutover.switch: ", "cutover.freeze.mode: none", "functions.timeout: is not set", "backlog: "}
	if w := m.Warnings(); len(w) != len(wants) || !slices.EqualFunc(w, wants, strings.HasPrefix) {
		t.Errorf("%q", w)
	}
	m, err = load(least + `functions: {timeout: 15m}
backlog: {command: [x]}
cutover:
  max_freeze: 1s
  freeze: {mode: hook, hook: {webhook: "http://deploy.example.com/"}}
  unfreeze: {webhook: "http://localhost/"}
  switch: {webhook: "http://[::1]:80/"}
`)
	if err != nil {
		t.Fatal(err)
	}
	wants = []string{"cutover.switch.timeout: 10s", "cutover.freeze.hook.webhook: http://"}
	if w := m.Warnings(); len(w) != len(wants) || !slices.EqualFunc(w, wants, strings.HasPrefix) {
		t.Errorf("%q", w)
	}
}
