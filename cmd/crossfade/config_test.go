package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/store"
)

// migrationFile writes a migration's file for the stores of a cli, and returns its
// path.
func migrationFile(t *testing.T, more string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "crossfade.yaml")
	if err := os.WriteFile(file, []byte("name: shop\nsource: s3://source\ntarget: gs://target\n"+more), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

const checkedText = `name: shop
source: s3://source/
target: gs://target/
control: gs://target/
include: []
exclude: [tmp/**]
deletes: true
foreign: keep
concurrency: 64
functions:
  timeout: 15m0s
cutover:
  max_freeze: 10s
  max_lag: 5s
  max_errors: 0
  freeze:
    mode: none
  switch:
    webhook: https://deploy.example.com/…
    headers:
      Authorization: '[redacted]'
    timeout: 10s
`

func TestConfigCheck(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.env.lookup = func(name string) (string, bool) { return "hunter2", name == "TOKEN" }
	file := migrationFile(t, `exclude: [tmp/**]
cutover: {switch: {webhook: "https://deploy.example.com/hunter2", headers: {authorization: "${TOKEN}"}}}
`)
	stdout, stderr := c.want(exitDone, "config", "check", "-f", file)
	if stdout != checkedText || strings.Count(stderr, "\n") != 3 || strings.Count("\n"+stderr, "\nwarning: ") != 3 {
		t.Errorf("%s%s", stdout, stderr)
	}
	if _, stderr = c.want(exitDone, "config", "check", "-f", file, "--quiet"); stderr != "" {
		t.Errorf("quiet: %q", stderr)
	}

	stdout, stderr = c.want(exitDone, "config", "check", "-f", file, "--json", "--open")
	var res struct {
		File, Digest string
		Warnings     []string
		Migration    map[string]any
		Opened       []storeOpened
	}
	if err := json.Unmarshal([]byte(stdout), &res); err != nil || stderr != "" || strings.Contains(stdout, "hunter2") {
		t.Fatalf("%v\n%s%s", err, stdout, stderr)
	}
	if res.File != file || len(res.Digest) != 64 || len(res.Warnings) != 3 || res.Migration["source"] != "s3://source/" || len(res.Opened) != 2 || res.Opened[0].Error != "" {
		t.Errorf("%s", stdout)
	}

	stdout, stderr = c.want(exitIncomplete, "config", "check", "-q", "-f", migrationFile(t, "control: gs://nosuch"), "--open")
	if !strings.HasPrefix(stdout, "name: shop\n") || !strings.HasPrefix(stderr, "crossfade: control: ") || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "create it first") {
		t.Errorf("%s%s", stdout, stderr)
	}
	if _, stderr = c.want(exitDone, "config", "check", "-f", file, "--open"); !strings.Contains(stderr, "target: gs://target/ can be opened\n") {
		t.Errorf("%q", stderr)
	}
}

// What is wrong with a file is told a line each, to every verb, as wrong use.
func TestWrongFile(t *testing.T) {
	t.Parallel()
	file := migrationFile(t, "foreign: x\ninclude: ['a[', 'b']\n")
	for _, args := range [][]string{{"config", "check"}, {"backfill"}, {"verify"}, {"sync", "k"}} {
		c := newCLI(t)
		stdout, stderr := c.want(exitUsage, append(args, "--file", file)...)
		lines := strings.Split(stderr, "\n")
		if stdout != "" || len(lines) != 4 || !strings.HasPrefix(lines[2], "See 'crossfade ") ||
			!strings.HasPrefix(lines[0], "crossfade: "+file+`:4: foreign: "x" is not a policy`) ||
			lines[1] != "crossfade: "+file+`:5: include[0]: pattern "a[" has a [ without its ]` {
			t.Errorf("%q: %q%q", args, stdout, lines)
		}
		_, stderr = c.want(exitUsage, append(args, "--file", file+".yml")...)
		if strings.Count(stderr, "\n") != 2 || !strings.Contains(stderr, "crossfade.yaml.yml: there is no such file: name the migration's file with -f") {
			t.Errorf("%q: %q", args, stderr)
		}
		if _, stderr = c.want(exitUsage, append(args, "--file", filepath.Dir(file))...); strings.Count(stderr, "\n") != 2 || !strings.Contains(stderr, "is a directory") {
			t.Errorf("%q: %q", args, stderr)
		}
	}
}

func TestConfigSchema(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	stdout, _ := c.want(exitDone, "config", "schema")
	var schema map[string]any
	if err := json.Unmarshal([]byte(stdout), &schema); err != nil || schema["$schema"] != "https://json-schema.org/draft/2020-12/schema" {
		t.Errorf("%v: %.100s", err, stdout)
	}
	if stdout, _ = c.want(exitDone, "config"); !strings.Contains(stdout, "\n  check ") || !strings.Contains(stdout, "\n  schema ") {
		t.Error(stdout)
	}
	if _, stderr := c.want(exitUsage, "config", "chek"); !strings.Contains(stderr, "unknown command") {
		t.Error(stderr)
	}
}

// The file that the help shows is one.
func TestConfigHelpShowsAFile(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	c.env.lookup = func(name string) (string, bool) { return "x", name == "DEPLOY_TOKEN" }
	stdout, _ := c.want(exitDone, "config", "--help")
	_, shown, _ := strings.Cut(stdout, "with -f:\n")
	shown, _, _ = strings.Cut(shown, "\nOnly name,")
	file := filepath.Join(t.TempDir(), "x.yaml")
	if err := os.WriteFile(file, []byte(shown), 0o600); err != nil {
		t.Fatal(err)
	}
	if stdout, stderr := c.want(exitDone, "config", "check", "-f", file); stderr != "" || !strings.HasPrefix(stdout, "name: shop-uploads\n") {
		t.Errorf("%s%s", stdout, stderr)
	}
}

// Stores, globs and policies come from the file, and flags win over it.
func TestVerbsTakeAFile(t *testing.T) {
	t.Parallel()
	c := newCLI(t)
	for _, key := range []string{"a", "b", "tmp/x"} {
		c.put(c.src, key, key)
	}
	c.put(c.dst, "b", "foreign")
	file := migrationFile(t, "exclude: [tmp/**]\nforeign: overwrite\nconcurrency: 2\n")
	keep := migrationFile(t, "include: [b]\ndeletes: false\n")
	c.want(exitDone, "init", "-f", file)

	stdout, _ := c.want(exitIncomplete, "backfill", "-q", "-f", file, "--foreign", "keep")
	if !strings.HasPrefix(stdout, "failed  b: foreign") {
		t.Errorf("the flag does not win: %s", stdout)
	}
	stdout, _ = c.want(exitDone, "backfill", "-q", "-f", file, "--json")
	if !strings.Contains(stdout, `"source": "s3://source/"`) || !strings.Contains(stdout, `"copied": 1`) || !strings.Contains(stdout, `"excluded": 1`) {
		t.Errorf("%s", stdout)
	}
	if stdout, _ = c.want(exitDone, "verify", "-q", "-f", file); !strings.HasPrefix(stdout, "2 equal, 0 missing") {
		t.Errorf("%s", stdout)
	}
	if stdout, _ = c.want(exitIncomplete, "verify", "-q", "-f", file, "--exclude", "none"); !strings.HasPrefix(stdout, "missing    tmp/x\n2 equal, 1 missing") {
		t.Errorf("%s", stdout)
	}
	if stdout, _ = c.want(exitDone, "verify", "-q", "-f", keep); !strings.HasPrefix(stdout, "1 equal, 0 missing") {
		t.Errorf("%s", stdout)
	}

	// A deletion is carried as the file says, unless a flag does.
	for _, key := range []string{"a", "b"} {
		if err := c.src.Delete(t.Context(), key, store.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	if stdout, _ = c.want(exitDone, "backfill", "-q", "-f", file); !strings.Contains(stdout, "2 more on the target") || !strings.Contains(stdout, " 0 deleted") {
		t.Errorf("a backfill deletes without --delete: %s", stdout)
	}
	if stdout, _ = c.want(exitDone, "sync", "-f", keep, "b"); !strings.HasPrefix(stdout, "skip ") {
		t.Errorf("%s", stdout)
	}
	if stdout, _ = c.want(exitDone, "sync", "-f", file, "--delete=false", "a"); !strings.HasPrefix(stdout, "skip ") {
		t.Errorf("%s", stdout)
	}
	if stdout, _ = c.want(exitDone, "sync", "-f", file, "a"); !strings.HasPrefix(stdout, "delete ") {
		t.Errorf("%s", stdout)
	}
	if stdout, _ = c.want(exitDone, "sync", "-f", keep, "--delete", "b"); !strings.HasPrefix(stdout, "delete ") {
		t.Errorf("%s", stdout)
	}
}

func TestFileUsageErrors(t *testing.T) {
	t.Parallel()
	file := migrationFile(t, "exclude: [tmp/**]\n")
	for _, tc := range []struct{ args, says string }{
		{"backfill -f FILE s3://source gs://target", "give either --file or a source and a target, not both"},
		{"backfill -f FILE key", "not both"},
		{"verify s3://source gs://target --file=FILE", "not both"},
		{"sync -f FILE s3://source gs://target k", "not both"},
		{"sync -f FILE", "give at least one key"},
		{"sync -f FILE tmp/x", `key "tmp/x": the migration's include and exclude do not choose it`},
		{"sync -f FILE .crossfade/x", "never copied"},
		{"backfill -f FILE --concurrency 0", "it must be from 1 to"},
		{"backfill --file=", "or a migration's file with -f"},
		{"config check s3://source", "unknown command"},
	} {
		c := newCLI(t)
		stdout, stderr := c.want(exitUsage, strings.Fields(strings.ReplaceAll(tc.args, "FILE", file))...)
		if stdout != "" || strings.Count(stderr, "\n") != 2 || !strings.Contains(stderr, tc.says) {
			t.Errorf("%s: %q %q", tc.args, stdout, stderr)
		}
	}
}
