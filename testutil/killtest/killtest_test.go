package killtest_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/crossfade-io/crossfade/testutil/killtest"
)

var (
	kills = flag.Int("kills", 50, "how often each scenario kills")
	seed  = flag.Uint64("seed", 1, "of what is drawn")

	dir string // of the programs
)

func TestMain(m *testing.M) {
	flag.Parse()
	code := 1
	err := func() (err error) {
		if dir, err = os.MkdirTemp("", "crossfade-kill-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		if err := killtest.Build(dir, "cmd/crossfade", "cmd/crossfade-s3", "cmd/crossfade-gcs", "testutil/cloudsimd"); err != nil {
			return err
		}
		code = m.Run()
		return nil
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

func program(name string) string { return filepath.Join(dir, name) }

// Latency makes the moments in the middle of things long enough to be hit.
const latency = "-latency=2ms"

func TestBackfillS3ToGCS(t *testing.T) {
	t.Parallel()
	sim := killtest.StartSim(t, program("cloudsimd"), latency)
	killtest.Backfill{
		Crossfade: program("crossfade"), Env: sim.Env(t.TempDir()), Kills: *kills, Seed: *seed,
		Source: killtest.S3(t, sim.S3, "key", "secret", "source"), Target: killtest.GCS(t, sim.GCS, "target"),
	}.Run(t)
}

func TestBackfillGCSToS3(t *testing.T) {
	t.Parallel()
	sim := killtest.StartSim(t, program("cloudsimd"), latency)
	killtest.Backfill{
		Crossfade: program("crossfade"), Env: sim.Env(t.TempDir()), Kills: *kills, Seed: *seed,
		Source: killtest.GCS(t, sim.GCS, "source"), Target: killtest.S3(t, sim.S3, "key", "secret", "target"),
	}.Run(t)
}
