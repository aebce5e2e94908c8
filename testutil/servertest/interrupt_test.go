//go:build servers

package servertest

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// A backfill that is stopped in the middle, politely or not, leaves only whole
// objects, and goes on where it was.
func TestInterrupted(t *testing.T) {
	files := realFiles(t)
	for name, sig := range map[string]os.Signal{"sigint": os.Interrupt, "sigterm": syscall.SIGTERM, "sigkill": os.Kill} {
		t.Run(name, func(t *testing.T) {
			m := newMove(t, name, clouds["s3"], clouds["gs"])
			m.seed(t, files)
			var out, errs bytes.Buffer
			cmd := exec.CommandContext(t.Context(), binary, m.args("backfill", "--concurrency", "1", "--json")...)
			cmd.Stdout, cmd.Stderr = &out, &errs
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Process.Kill() //nolint:errcheck // it has ended unless the test failed
			m.waitForSome(t, 10)
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatalf("it ended before it was stopped: %v\n%s", err, errs.String())
			}
			err := cmd.Wait()
			if err == nil {
				t.Fatalf("exit 0 after %s:\n%s", name, errs.String())
			}
			var done backfilled
			if sig != os.Kill {
				if code := cmd.ProcessState.ExitCode(); code != 1 {
					t.Errorf("exit %d, want 1\n%s", code, errs.String())
				}
				if !bytes.Contains(errs.Bytes(), []byte("run the same command again")) {
					t.Errorf("it does not say how to go on:\n%s", errs.String())
				}
				if err := json.Unmarshal(out.Bytes(), &done); err != nil || done.Copied == 0 || done.Failed != 0 {
					t.Errorf("summary %+v, %v; want some copied and none failed", done, err)
				}
			}
			m.onlyWhole(t, files)

			sum := crossfade[backfilled](t, 0, m.args("backfill")...)
			if sum.Skipped == 0 || sum.Skipped < done.Copied || sum.Copied+sum.Skipped != int64(len(files)) {
				t.Errorf("after %s with %d copied the next run did %+v, want those skipped and the rest copied", name, done.Copied, sum)
			}
			m.same(t, files)
		})
	}
}

// waitForSome returns once the target has n objects.
func (m move) waitForSome(t *testing.T, n int) {
	t.Helper()
	for {
		keys, err := m.dst.list(t.Context(), m.to)
		if err != nil {
			t.Fatal(err)
		}
		if len(keys) >= n {
			return
		}
	}
}

// onlyWhole checks that what the target has so far is as on the source.
func (m move) onlyWhole(t *testing.T, files map[string]object) {
	t.Helper()
	keys, err := m.dst.list(t.Context(), m.to)
	if err != nil {
		t.Fatal(err)
	}
	if len(keys) == len(files) {
		t.Fatal("it was done before it was stopped")
	}
	there := map[string]object{}
	for _, key := range keys {
		there[key] = files[key]
	}
	each(t, there, func(ctx context.Context, key string, want object) error {
		got, err := m.dst.get(ctx, m.to, key)
		if err == nil && !bytes.Equal(got.body, want.body) {
			t.Errorf("%q: the target has %d other bytes, want %d", key, len(got.body), len(want.body))
		}
		return err
	})
}
