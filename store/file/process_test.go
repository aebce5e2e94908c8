package file

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/crossfade-io/crossfade/store"
)

// childDir, where set, makes the test binary a child process of a test here.
const childDir = "CROSSFADE_TEST_CHILD_DIR"

const childSteps = 40

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := count(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// count adds one to a number in the store, childSteps times.
func count(dir string) error {
	ctx := context.Background()
	s, err := New(dir, Options{NoSync: true, Sidecar: os.Getenv("CROSSFADE_TEST_SIDECAR") != ""})
	if err != nil {
		return err
	}
	for done := 0; done < childSteps; {
		err := increment(ctx, s)
		switch {
		case err == nil:
			done++
		case store.KindOf(err) != store.Precondition:
			return err
		}
	}
	return s.Close()
}

func increment(ctx context.Context, s *Store) error {
	r, err := s.Open(ctx, "dir/counter", store.ReadOptions{})
	if store.KindOf(err) == store.NotFound && err != nil {
		_, err = s.Put(ctx, "dir/counter", store.Bytes("1"), store.PutOptions{If: store.IfAbsent(), Attrs: store.Attrs{ContentType: "n/1"}})
		return err
	}
	if err != nil {
		return err
	}
	b, err := io.ReadAll(r.Body)
	_ = r.Body.Close()
	if err != nil {
		return err
	}
	n, err := strconv.Atoi(string(b))
	if err != nil {
		return err
	}
	if r.ContentType != "n/"+string(b) {
		return fmt.Errorf("the number %d has the attributes of another: %s", n, r.ContentType)
	}
	next := strconv.Itoa(n + 1)
	_, err = s.Put(ctx, "dir/counter", store.Bytes(next), store.PutOptions{If: store.IfMatch(r.Version), Attrs: store.Attrs{ContentType: "n/" + next}})
	return err
}

// TestConditionsHoldAmongProcesses has several processes count together.
func TestConditionsHoldAmongProcesses(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, sidecar := range []string{"", "1"} {
		dir := t.TempDir()
		var children []*exec.Cmd
		for range 3 {
			c := exec.CommandContext(t.Context(), exe)
			c.Env = append(os.Environ(), childDir+"="+dir, "CROSSFADE_TEST_SIDECAR="+sidecar)
			c.Stderr = os.Stderr
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			children = append(children, c)
		}
		for _, c := range children {
			if err := c.Wait(); err != nil {
				t.Errorf("child: %v", err)
			}
		}
		b, err := os.ReadFile(dir + "/dir/counter")
		if want := strconv.Itoa(len(children) * childSteps); err != nil || string(b) != want {
			t.Errorf("sidecar %q: %d processes counted to %s, want %s (%v)", sidecar, len(children), b, want, err)
		}
	}
}
