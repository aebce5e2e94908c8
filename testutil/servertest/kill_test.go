//go:build servers

package servertest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/crossfade-io/crossfade/testutil/killtest"
	"github.com/crossfade-io/crossfade/testutil/servers"
)

// killed is a way into versitygw. The source is simulated: it delivers events,
// and versitygw does not serve a whole object while it is overwritten.
func killed(t *testing.T, dir, name string, flags ...string) (killtest.Backfill, *killtest.Sim) {
	t.Helper()
	if err := killtest.Build(dir, "testutil/cloudsimd", "cmd/crossfade-gcs"); err != nil {
		t.Fatal(err)
	}
	sim := killtest.StartSim(t, filepath.Join(dir, "cloudsimd"), append(flags, "-latency=2ms")...)
	url := os.Getenv("AWS_ENDPOINT_URL_S3")
	return killtest.Backfill{
		Crossfade: binary, Kills: 50, Seed: 1,
		// The last value of a name counts.
		Env: append(sim.Env(t.TempDir()), "AWS_ENDPOINT_URL_S3="+url, "AWS_REGION="+servers.S3Region,
			"AWS_ACCESS_KEY_ID="+servers.S3AccessKey, "AWS_SECRET_ACCESS_KEY="+servers.S3SecretKey),
		Source: killtest.GCS(t, sim.GCS, name),
		Target: killtest.S3(t, url, servers.S3AccessKey, servers.S3SecretKey, name),
	}, sim
}

func TestBackfillKilled(t *testing.T) {
	b, _ := killed(t, t.TempDir(), "backfill-killed")
	b.Run(t)
}

func TestFunctionKilled(t *testing.T) {
	dir, run := t.TempDir(), killtest.NewCloudRun(t)
	b, sim := killed(t, dir, "function-killed", "-deliver=gcs:function-killed="+run.URL())
	killtest.Function{Program: filepath.Join(dir, "crossfade-gcs"), Platform: run, Sim: sim, Backfill: b}.Run(t)
}
