package model

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// mutant is a Sync with one of its guards taken out.
type mutant struct {
	name     string
	file     string // of package replicate
	old, new string
	breaks   string // the invariants of which one has to break, as digits
}

var mutants = []mutant{
	{
		"no confirming read", "sync.go",
		"\treturn s.confirm(ctx, src)\n", "\treturn true, nil\n", "13",
	},
	{
		"the source is read before the target", "sync.go",
		`	dst, err := head(ctx, s.dst, s.key)
	if err != nil {
		return false, err
	}
	src, body, err := s.readSource(ctx, dst)
	if err != nil {
		return false, err
	}
	defer closeReader(body)
`,
		`	src, body, err := s.readSource(ctx, nil)
	if err != nil {
		return false, err
	}
	defer closeReader(body)
	dst, err := head(ctx, s.dst, s.key)
	if err != nil {
		return false, err
	}
`, "2",
	},
	{
		"a write over an object has no condition", "copy.go",
		"cond = store.IfMatch(dst.Version)", "cond = store.Condition{}", "26",
	},
	{
		"a write of a new object has no condition", "copy.go",
		"cond := store.IfAbsent()", "cond := store.Condition{}", "267",
	},
	{
		"a delete has no condition", "sync.go",
		"err = s.dst.Delete(ctx, s.key, store.IfMatch(dst.Version))", "err = s.dst.Delete(ctx, s.key, store.Condition{})", "146",
	},
	{
		"an update of metadata is bound to whatever is there", "copy.go",
		"		updated, err := s.update.UpdateMetadata(ctx, s.key, carried(src.Attrs, stamp), store.IfMatch(dst.Version))\n",
		"		updated, err := s.update.UpdateMetadata(ctx, s.key, carried(src.Attrs, stamp), store.Condition{})\n", "256",
	},
	{
		"a small body is read without a pin", "copy.go",
		"store.ReadOptions{Version: src.Version}", "store.ReadOptions{}", "5",
	},
	{
		"a large body is read without a pin", "copy.go",
		"store.ReadOptions{Version: p.object.Version, Offset: offset, Length: length}", "store.ReadOptions{Offset: offset, Length: length}", "5",
	},
	{
		"any error of the source counts as absence", "sync.go",
		`	body, err := s.src.Open(ctx, s.key, store.ReadOptions{})
	if store.KindOf(err) == store.NotFound {`,
		`	body, err := s.src.Open(ctx, s.key, store.ReadOptions{})
	if err != nil {`, "4",
	},
	{
		"a HEAD is believed that there is nothing", "sync.go",
		`		if err != nil || src != nil {
			return src, nil, err
		}`,
		"		return src, nil, err", "4",
	},
	{
		"foreign objects are overwritten", "plan.go",
		"		return planForeign(src, dst, policy)\n", "		return Decision{Copy, \"a mutant\"}\n", "6",
	},
	{
		"foreign objects are deleted", "plan.go",
		"	case !ours && !policy.replaces(dst):", "	case !ours && policy.Foreign > OverwriteForeign:", "6",
	},
	{
		"a foreign object is known by its stamp only", "stamp.go",
		" || s.Size != o.Size || s.Sums.Differ(o.Checksums) != \"\" {", " {", "6",
	},
	{
		"bytes are not verified", "copy.go",
		"	if err := hash.Verify(int64(len(data))); err != nil {", "	if err := hash.Verify(int64(len(data))); err != nil && len(data) < 0 {", "5",
	},
	{
		"the same size counts as the same bytes", "plan.go",
		"	return strong(src.Checksums, dst.Checksums) || strong(src.Checksums, stamp.Sums) ||\n		src.Size == 0\n",
		"	return true\n", "5",
	},
	{
		"attributes are not compared", "plan.go",
		"		stamp.Size == src.Size && stamp.Attrs == attrsDigest(src.Attrs)\n", "		stamp.Size == src.Size\n", "1",
	},
	{
		"a delete is not confirmed where versions of the target recur", "replicate.go",
		"r.recurs = !uniqueSource || !uniqueTarget", "r.recurs = !uniqueSource\n\t_ = uniqueTarget", "1",
	},
	{
		"a delete is not confirmed where versions of the source recur", "replicate.go",
		"r.recurs = !uniqueSource || !uniqueTarget", "r.recurs = !uniqueTarget\n\t_ = uniqueSource", "1",
	},
	{
		"what was created in vain stays", "sync.go",
		"	policy.Deletes = policy.Deletes || s.owns(dst)\n", "", "3",
	},
	{
		"what another Sync wrote is taken back", "sync.go",
		"	policy.Deletes = policy.Deletes || s.owns(dst)\n", "	policy.Deletes = policy.Deletes || s.created != \"\"\n", "4",
	},
	{
		"a failed write is acknowledged", "sync.go",
		"		s.recent.add(s.key)\n		return false, nil\n	}\n	return false, err\n", "		s.recent.add(s.key)\n		return false, nil\n	}\n	return true, nil\n", "13",
	},
	{
		"echoes are copied back", "plan.go",
		"	case isEcho(src, ends, policy):", "	case isEcho(src, ends, policy) && src == nil:", "7",
	},
}

const huntEnv = "CROSSFADE_MODEL_HUNT"

// TestHunt looks for a schedule that breaks an invariant: a short while, or
// until it has one where TestMutants says so.
func TestHunt(t *testing.T) {
	t.Parallel()
	seeds := func(from, to uint64) {
		for seed := from; seed < to && !t.Failed(); seed++ {
			judge(t, seed)
		}
	}
	seeds(0, 300)
	if os.Getenv(huntEnv) == "" {
		return
	}
	seeds(300, 3000)
	count := 0
	// First those where only few orders break something.
	for _, i := range []int{1, 3, 4, 2, 0, 5, 6} {
		if !t.Failed() {
			count += explore(t, scenarios(pairs[i], 2, someHints, smallBodies))
		}
	}
	seeds(3000, 10_000)
	t.Logf("hunted through 10000 schedules, and %d interleavings of two Syncs and two changes", count)
}

// TestMutants shows that the model bites: with any guard of Sync taken out, a
// schedule is found that breaks an invariant. The same hunt finds nothing with
// all guards in place. The hunts are processes without the race detector, which
// has nothing to find where only one coroutine runs, and costs much.
func TestMutants(t *testing.T) {
	t.Parallel()
	dir, err := filepath.Abs("../../replicate")
	if err != nil {
		t.Fatal(err)
	}
	// Two compilers at once are enough beside the other tests.
	turns := make(chan struct{}, 2)
	for _, m := range append([]mutant{{name: "no mutant"}}, mutants...) {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			args := []string{"test", "-count=1", "-vet=off", "-v", "-run", "^TestHunt$"}
			if m.file != "" {
				args = append(args, "-overlay", m.overlay(t, dir))
			}
			turns <- struct{}{}
			defer func() { <-turns }()
			cmd := exec.CommandContext(t.Context(), "go", append(args, ".")...)
			// As the other targets of the Makefile build, to share what they compiled.
			cmd.Env = append(os.Environ(), huntEnv+"=1", "CGO_ENABLED=0", "GOFLAGS=-trimpath -buildvcs=false")
			out, err := cmd.CombinedOutput()
			if _, failed := errors.AsType[*exec.ExitError](err); err != nil && !failed {
				t.Fatal(err)
			}
			found := regexp.MustCompile(`breaks invariant (\d)[^\n]*`).FindSubmatch(out)
			switch {
			case err == nil && m.file == "":
				t.Logf("%s", regexp.MustCompile("hunted[^\n]*").Find(out))
			case err == nil:
				t.Errorf("it survived: no schedule breaks an invariant")
			case found == nil:
				t.Errorf("no invariant broke, but:\n%s", out)
			case !strings.Contains(m.breaks, string(found[1])) || m.file == "":
				t.Errorf("one of %q may break; found:\n%s", m.breaks, out)
			default:
				t.Logf("caught: %s", found[0])
			}
		})
	}
}

// overlay writes the mutant and the file that puts it in the place of the
// original, and returns the path of that.
func (m mutant) overlay(t *testing.T, dir string) string {
	t.Helper()
	original := filepath.Join(dir, m.file)
	text, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), m.old); n != 1 {
		t.Fatalf("%s has %d times, not once: %s", m.file, n, m.old)
	}
	tmp := t.TempDir()
	mutated := filepath.Join(tmp, m.file)
	if err := os.WriteFile(mutated, []byte(strings.Replace(string(text), m.old, m.new, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {original: mutated}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(tmp, "overlay.json")
	if err := os.WriteFile(path, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// No two mutants are the same, and each has something to break.
func TestMutantsAreDistinct(t *testing.T) {
	t.Parallel()
	for i, m := range mutants {
		if m.breaks == "" || m.old == m.new || slices.ContainsFunc(mutants[:i], func(o mutant) bool { return o.name == m.name }) {
			t.Errorf("%+v", m)
		}
	}
}
