package file

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/crossfade-io/crossfade/store"
	"github.com/crossfade-io/crossfade/testutil/storetest"
)

// childDir, where set, makes the test binary a child process of a test here.
const childDir = "CROSSFADE_TEST_CHILD_DIR"

const childSteps = 40

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		work := count
		if os.Getenv("CROSSFADE_TEST_FILL") != "" {
			work = fillForEver
		}
		if err := work(dir); err != nil {
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

const (
	fillKeys = 5
	fillSize = 100_000
)

func fillBody(i int) storetest.Synthetic {
	return storetest.Synthetic{Seed: uint64(i), Length: fillSize + int64(i)}
}

// fillForEver overwrites a few keys, and says so after each, until it is killed.
func fillForEver(dir string) error {
	s, err := New(dir, Options{NoSync: true, Sidecar: os.Getenv("CROSSFADE_TEST_SIDECAR") != ""})
	if err != nil {
		return err
	}
	for i := 0; ; i++ {
		_, err := s.Put(context.Background(), "dir/"+strconv.Itoa(i%fillKeys), fillBody(i), store.PutOptions{Attrs: store.Attrs{ContentType: "n/" + strconv.Itoa(i)}})
		if err != nil {
			return err
		}
		if _, err := fmt.Println(i); err != nil {
			return err
		}
	}
}

// TestKilled: what a killed process leaves is whole, with the attributes that
// belong to it, and not older than what it was told to be stored.
func TestKilled(t *testing.T) {
	t.Parallel()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for round := range 6 {
		dir := t.TempDir()
		c := exec.CommandContext(t.Context(), exe)
		c.Env = append(os.Environ(), childDir+"="+dir, "CROSSFADE_TEST_FILL=1")
		opts := Options{}
		if round%2 == 1 {
			c.Env, opts.Sidecar = append(c.Env, "CROSSFADE_TEST_SIDECAR=1"), true
		}
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		acked, lines := map[int]int{}, bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			i, err := strconv.Atoi(lines.Text())
			if err != nil {
				t.Fatal(err)
			}
			acked[i%fillKeys] = i
			if n == 20+7*round {
				_ = c.Process.Kill() // what it says until then is still read
			}
		}
		if err := c.Wait(); err == nil {
			t.Fatal("the child ended by itself")
		}
		s, err := New(dir, opts)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		keys := 0
		for o, err := range s.List(t.Context(), store.ListOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			keys++
			r, err := s.Open(t.Context(), o.Key, store.ReadOptions{})
			if err != nil {
				t.Fatal(err)
			}
			b, err := io.ReadAll(r.Body)
			_ = r.Body.Close()
			i := len(b) - fillSize
			if err != nil || i < 0 || string(b) != string(fillBody(i).Bytes()) || r.ContentType != "n/"+strconv.Itoa(i) || i < acked[i%fillKeys] {
				t.Errorf("%s holds write %d of type %q, acknowledged was %d: %v", o.Key, i, r.ContentType, acked[i%fillKeys], err)
			}
		}
		if keys != fillKeys {
			t.Errorf("%d keys, want %d", keys, fillKeys)
		}
	}
}
