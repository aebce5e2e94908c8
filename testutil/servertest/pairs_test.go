//go:build servers

package servertest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

// backfilled and verified are the JSON that crossfade prints, as scripts read it.
type backfilled struct {
	Listed, Copied, Updated, Skipped, Deleted, Failed, Bytes int64
	Failures                                                 []struct{ Key, Reason string }
}

type verified struct {
	Equal, Missing, Different, Extra, Foreign int64
	Keys                                      map[string][]string
}

// crossfade runs the binary and reads its JSON. It fails the test unless the
// exit code is want.
func crossfade[T any](t *testing.T, want int, args ...string) T {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, append(args, "--json")...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	var v T
	jerr := json.Unmarshal(out.Bytes(), &v)
	if got := cmd.ProcessState.ExitCode(); got != want || jerr != nil {
		t.Fatalf("crossfade %s: exit %d, want %d (JSON: %v)\n%s%s", strings.Join(args, " "), got, want, jerr, tailOf(out.String()), tailOf(errs.String()))
	}
	return v
}

func tailOf(s string) string { return s[max(0, len(s)-4000):] }

// pairs are the ways between two clouds.
func pairs() [][2]string {
	return [][2]string{{"s3", "gs"}, {"s3", "az"}, {"gs", "s3"}, {"gs", "az"}, {"az", "s3"}, {"az", "gs"}}
}

// move is one source and one target bucket.
type move struct {
	src, dst cloud
	from, to string // buckets
}

func newMove(t *testing.T, name string, src, dst cloud) move {
	t.Helper()
	m := move{src: src, dst: dst, from: name + "-from", to: name + "-to"}
	if err := errors.Join(src.create(t.Context(), m.from), dst.create(t.Context(), m.to)); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m move) args(verb string, more ...string) []string {
	return append([]string{verb, m.src.url(m.from), m.dst.url(m.to)}, more...)
}

func (m move) seed(t *testing.T, files map[string]object) {
	t.Helper()
	each(t, files, func(ctx context.Context, key string, o object) error {
		return m.src.put(ctx, m.from, key, o)
	})
}

// each calls f for every object, several at once.
func each(t *testing.T, files map[string]object, f func(context.Context, string, object) error) {
	t.Helper()
	g, ctx := errgroup.WithContext(t.Context())
	g.SetLimit(8)
	for key, o := range files {
		g.Go(func() error {
			if err := f(ctx, key, o); err != nil {
				return fmt.Errorf("%q: %w", key, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// same compares the target with what was put into the source, byte for byte and
// attribute for attribute, through the target's plain SDK.
func (m move) same(t *testing.T, want map[string]object) {
	t.Helper()
	keys, err := m.dst.list(t.Context(), m.to)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(keys)
	if !slices.Equal(keys, sortedKeys(want)) {
		t.Errorf("the target has %d keys, want %d; missing %q, too many %q", len(keys), len(want), minus(sortedKeys(want), keys), minus(keys, sortedKeys(want)))
		return
	}
	each(t, want, func(ctx context.Context, key string, w object) error {
		got, err := m.dst.get(ctx, m.to, key)
		if err != nil {
			return err
		}
		if !bytes.Equal(got.body, w.body) {
			t.Errorf("%q: the target has %d other bytes, want %d", key, len(got.body), len(w.body))
		}
		if got.metadata["crossfade"] == "" {
			t.Errorf("%q: carries no stamp", key)
		}
		delete(got.metadata, "crossfade")
		got.body, w.body = nil, nil
		if w.metadata == nil {
			w.metadata = map[string]string{}
		}
		if g, w := fmt.Sprintf("%q", got.attrs()), fmt.Sprintf("%q", w.attrs()); g != w {
			t.Errorf("%q: the target has attributes\n  %s, want\n  %s", key, g, w)
		}
		return nil
	})
}

func (o object) attrs() []string {
	all := []string{o.contentType, o.cacheControl, o.encoding, o.disposition, o.language}
	for _, k := range slices.Sorted(maps.Keys(o.metadata)) {
		all = append(all, k+"="+o.metadata[k])
	}
	return all
}

func minus(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(k string) bool { return slices.Contains(b, k) })
}

// A backfill, its repetition, and a backfill after changes, for each pair.
func TestPairs(t *testing.T) {
	files := realFiles(t)
	maps.Copy(files, specialFiles(t))
	var total int64
	for _, o := range files {
		total += int64(len(o.body))
	}
	t.Logf("%d objects, %d bytes", len(files), total)
	for _, p := range pairs() {
		t.Run(p[0]+"-to-"+p[1], func(t *testing.T) {
			m := newMove(t, p[0]+"-to-"+p[1], clouds[p[0]], clouds[p[1]])
			m.seed(t, files)
			n := int64(len(files))

			sum := crossfade[backfilled](t, 0, m.args("backfill")...)
			if sum.Copied != n || sum.Bytes != total || sum.Failed != 0 || len(sum.Failures) != 0 {
				t.Errorf("backfill: %+v, want %d objects and %d bytes copied", sum, n, total)
			}
			m.same(t, files)
			for _, args := range [][]string{nil, {"--checksum"}} {
				if v := crossfade[verified](t, 0, m.args("verify", args...)...); v.Equal != n {
					t.Errorf("verify %v: %+v, want %d equal", args, v, n)
				}
			}
			sum = crossfade[backfilled](t, 0, m.args("backfill")...)
			if sum.Listed != n || sum.Skipped != n || sum.Copied != 0 || sum.Updated != 0 || sum.Bytes != 0 {
				t.Errorf("second backfill: %+v, want nothing copied", sum)
			}
			m.changes(t, files)
		})
	}
}

// changes alters both sides, sees verify name each difference, and has backfill
// mend what is its to mend.
func (m move) changes(t *testing.T, files map[string]object) {
	t.Helper()
	ctx := t.Context()
	body := func(s string) object {
		return object{body: []byte(s), contentType: "text/plain"}
	}
	const changed, retouched, gone, extra = "go/image/draw/draw.go", "go/image/names.go", "go/image/geom.go", "elsewhere/not-ours"
	touched := files[retouched]
	touched.cacheControl = "no-store"
	err := errors.Join(
		m.src.put(ctx, m.from, changed, body("changed")),
		m.src.put(ctx, m.from, retouched, touched),
		m.src.put(ctx, m.from, "new", body("new")),
		m.src.remove(ctx, m.from, gone),
		m.dst.put(ctx, m.to, extra, body("somebody else's")),
	)
	if err != nil {
		t.Fatal(err)
	}
	n := int64(len(files)) - 3
	v := crossfade[verified](t, 1, m.args("verify")...)
	want := map[string][]string{"missing": {"new"}, "different": {changed, retouched}, "extra": {gone}, "foreign": {extra}}
	for class, keys := range want {
		if !slices.Equal(v.Keys[class], keys) {
			t.Errorf("verify names as %s %q, want %q", class, v.Keys[class], keys)
		}
	}
	if v.Equal != n {
		t.Errorf("verify: %d equal, want %d", v.Equal, n)
	}

	// The new key and the changed one are copied, and the third at least gets its
	// new attribute; what is gone from the source is deleted; what is not ours
	// stays.
	sum := crossfade[backfilled](t, 0, m.args("backfill", "--delete")...)
	if sum.Copied < 2 || sum.Copied+sum.Updated != 3 || sum.Deleted != 1 || sum.Skipped != n {
		t.Errorf("backfill after changes: %+v, want 3 copied or updated, 1 deleted, %d skipped", sum, n)
	}
	other, err := m.dst.get(ctx, m.to, extra)
	if err != nil || string(other.body) != "somebody else's" {
		t.Errorf("the foreign object is now %q, %v", other.body, err)
	}
	if err := m.dst.remove(ctx, m.to, extra); err != nil {
		t.Fatal(err)
	}
	now := maps.Clone(files)
	now[changed], now[retouched], now["new"] = body("changed"), touched, body("new")
	delete(now, gone)
	m.same(t, now)
}
