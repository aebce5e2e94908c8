package fence

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// mutant is a guard of the code that is taken out: %s stands for the condition
// that it is.
type mutant struct {
	name, file string
	old, new   string
	breaks     string // the invariants of which one has to break, as digits
}

var mutants = []mutant{
	{
		"a guard relies on what it read though a turn is announced", "replicate/control/guard.go",
		"	return g.within(ctx, State.Steady)\n",
		"	return g.within(ctx, func(s State) bool { return s.Steady() || %s })\n", "1",
	},
	{
		"a late write is overwritten and not kept", "functions/follow/late.go",
		"		if err = verr; err == nil && !seen {\n", "		if err = verr; err == nil && !seen && !(%s) {\n", "4",
	},
	{
		"the sweep takes what is older than the turn for stragglers'", "cutover/sweep_judge.go",
		"f.copiedOver(auth) && !seconds(auth.ModTime).Before(seconds(f.turn.Born))",
		"f.copiedOver(auth) && (!seconds(auth.ModTime).Before(seconds(f.turn.Born)) || %s)", "3",
	},
	{
		"the sweep takes what was there before for what came back", "cutover/sweep_judge.go",
		"!stamp.Created {", "!stamp.Created && !(%s) {", "3",
	},
	{
		"the sweep takes what was verified for stragglers'", "cutover/sweep_judge.go",
		"	return auth != nil && !seen.auth &&", "	return auth != nil && (!seen.auth || %s) &&", "3",
	},
}

const (
	huntEnv   = "CROSSFADE_FENCE_HUNT"
	mutantEnv = "CROSSFADE_FENCE_MUTANT"
)

// TestHunt looks for a turn that breaks an invariant: for a short while, or in
// many turns where TestMutants says so.
func TestHunt(t *testing.T) {
	t.Parallel()
	early := Scenario{Before: []Change{Write}, At: -1, Wake: -1, LateAt: -1}
	turns := append(lateTurns(), early)
	if os.Getenv(huntEnv) == "" {
		play(t, turns[len(turns)-5:])
		return
	}
	play(t, append(turns, everything()...))
	for seed := range uint64(150) {
		if !t.Failed() {
			judge(t, seed)
		}
	}
}

// TestMutants shows that the model bites: with a guard of the code taken out, a
// turn is found that breaks an invariant, and with all in place none. All mutants
// are in one program, and the environment says which of them is one.
func TestMutants(t *testing.T) {
	t.Parallel()
	bin := build(t)
	for _, m := range append([]mutant{{name: "no mutant"}}, mutants...) {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), bin, "-test.run", "^TestHunt$")
			cmd.Env = append(os.Environ(), huntEnv+"=1", mutantEnv+"="+m.name)
			out, err := cmd.CombinedOutput()
			found := regexp.MustCompile(`breaks invariant (\d)[^\n]*`).FindSubmatch(out)
			switch {
			case m.file == "" && err == nil:
			case err == nil:
				t.Error("it survived: no turn breaks an invariant")
			case found == nil:
				t.Errorf("no invariant broke, but: %v\n%s", err, out)
			case m.file == "" || !strings.Contains(m.breaks, string(found[1])):
				t.Errorf("one of %q may break; found:\n%s", m.breaks, out)
			default:
				t.Logf("caught: %s", found[0])
			}
		})
	}
}

// build compiles the tests of this package with all mutants in place.
func build(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	texts := map[string]string{}
	for _, m := range mutants {
		if texts[m.file] == "" {
			text, err := os.ReadFile(filepath.Join(root, m.file))
			if err != nil {
				t.Fatal(err)
			}
			texts[m.file] = string(text)
		}
		if n := strings.Count(texts[m.file], m.old); n != 1 {
			t.Fatalf("%s has %d times, not once: %s", m.file, n, m.old)
		}
		texts[m.file] = strings.Replace(texts[m.file], m.old, fmt.Sprintf(m.new, fmt.Sprintf("isMutant(%q)", m.name)), 1)
	}
	replace := map[string]string{}
	add := func(file, text string) {
		path := filepath.Join(dir, fmt.Sprintf("%d.go", len(replace)))
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(root, file)] = path
	}
	for file, text := range texts {
		add(file, text)
		pkg := filepath.Dir(file)
		if helper := filepath.Join(pkg, "is_mutant.go"); replace[filepath.Join(root, helper)] == "" {
			add(helper, fmt.Sprintf("package %s\n\nimport \"os\"\n\nfunc isMutant(name string) bool { return os.Getenv(%q) == name }\n", filepath.Base(pkg), mutantEnv))
		}
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	path, bin := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "mutants")
	if err := os.WriteFile(path, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-overlay", path, "-o", bin, ".")
	// As the other targets of the Makefile build, to share what they compiled.
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath -buildvcs=false")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}
