package deploy_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// instruction is one of a Dockerfile, with its continued lines.
type instruction struct{ name, rest string }

func instructions(text string) (all []instruction) {
	text = strings.ReplaceAll(text, "\\\n", " ")
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		name, rest, _ := strings.Cut(line, " ")
		all = append(all, instruction{strings.ToUpper(name), strings.TrimSpace(rest)})
	}
	return all
}

var (
	fromLine    = regexp.MustCompile(`^(?:--platform=\S+ )?(\S+):(\S+) AS (\S+)$`)
	copyFrom    = regexp.MustCompile(`^--from=(\S+) (\S+) (\S+)$`)
	programPath = regexp.MustCompile(`\./cmd/([a-z-]+)`)
	goVersion   = regexp.MustCompile(`(?m)^go (1\.[0-9]+)`)
)

// No container engine runs here: what can be told without one is that stages and
// programs exist, that images are pinned and not root, and that nothing secret
// goes in.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile("../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	type stage struct {
		image                   string
		user, entrypoint, built string
	}
	stages, order := map[string]*stage{}, []string{}
	var now *stage
	for _, in := range instructions(string(raw)) {
		switch in.name {
		case "FROM":
			m := fromLine.FindStringSubmatch(in.rest)
			if m == nil {
				t.Fatalf("FROM %s: it has no tag or no name", in.rest)
			}
			now = &stage{image: m[1]}
			stages[m[3]], order = now, append(order, m[3])
			if m[1] == "golang" && !strings.HasPrefix(m[2], goVersion.FindStringSubmatch(string(mod))[1]) {
				t.Errorf("golang:%s is not the Go of go.mod", m[2])
			}
			if m[2] == "latest" {
				t.Errorf("FROM %s is not pinned", in.rest)
			}
		case "COPY":
			if m := copyFrom.FindStringSubmatch(in.rest); m != nil {
				from := stages[m[1]]
				if from == nil {
					t.Errorf("COPY %s: there is no such stage", in.rest)
				} else if !strings.Contains(from.built, " ./cmd/"+strings.TrimPrefix(m[2], "/out/")) {
					t.Errorf("COPY %s: that is not built", in.rest)
				}
				now.built = m[3]
			}
		case "RUN":
			now.built += " " + in.rest
		case "USER":
			now.user = in.rest
		case "ENTRYPOINT":
			now.entrypoint = in.rest
		case "ARG", "ENV":
			if regexp.MustCompile(`(?i)secret|token|passw|key`).MatchString(in.rest) {
				t.Errorf("%s %s: a secret stays in the image", in.name, in.rest)
			}
		}
	}
	build := stages["build"]
	if build == nil || !strings.Contains(build.built, "main.version=$VERSION") {
		t.Fatalf("the stages are %v", order)
	}
	for _, m := range programPath.FindAllStringSubmatch(build.built, -1) {
		name := m[1]
		if !exists("../cmd/" + name + "/main.go") {
			t.Errorf("there is no program %s", name)
		}
		s := stages[name]
		if s == nil {
			t.Errorf("there is no stage for %s", name)
			continue
		}
		if !strings.Contains(s.image, "distroless/static") || s.user == "" || strings.HasPrefix(s.user, "0") || s.entrypoint != `["`+s.built+`"]` {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if order[len(order)-1] != "crossfade" {
		t.Errorf("a build without a target makes %s", order[len(order)-1])
	}
}

// The builder is sent every directory that the programs are built of.
func TestDockerignore(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../.dockerignore")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(raw), "\n")
	entries, err := os.ReadDir("..")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(lines, "*") {
		t.Error("everything is sent")
	}
	for _, e := range entries {
		switch name := e.Name(); {
		case !e.IsDir() && name != "go.mod" && name != "go.sum":
		case strings.HasPrefix(name, "."), slices.Contains([]string{"bin", "deploy", "dist", "docs"}, name):
		case !slices.Contains(lines, "!"+name):
			t.Errorf("%s is not sent", name)
		}
	}
}
