package killtest_test

import (
	"testing"

	"github.com/crossfade-io/crossfade/testutil/killtest"
)

// The bootstrap on Lambda, with a queue in front of it.
func TestFunctionS3ToGCS(t *testing.T) {
	t.Parallel()
	lambda := killtest.NewLambda(t)
	sim := killtest.StartSim(t, program("cloudsimd"), latency, "-deliver=s3:source="+lambda.URL())
	killtest.Function{
		Program: program("crossfade-s3"), Platform: lambda, Sim: sim,
		Backfill: killtest.Backfill{
			Crossfade: program("crossfade"), Env: sim.Env(t.TempDir()), Kills: *kills, Seed: *seed,
			Source: killtest.S3(t, sim.S3, "key", "secret", "source"), Target: killtest.GCS(t, sim.GCS, "target"),
		},
	}.Run(t)
}

// The server on Cloud Run, called as Eventarc does.
func TestFunctionGCSToS3(t *testing.T) {
	t.Parallel()
	run := killtest.NewCloudRun(t)
	sim := killtest.StartSim(t, program("cloudsimd"), latency, "-deliver=gcs:source="+run.URL())
	killtest.Function{
		Program: program("crossfade-gcs"), Platform: run, Sim: sim,
		Backfill: killtest.Backfill{
			Crossfade: program("crossfade"), Env: sim.Env(t.TempDir()), Kills: *kills, Seed: *seed,
			Source: killtest.GCS(t, sim.GCS, "source"), Target: killtest.S3(t, sim.S3, "key", "secret", "target"),
		},
	}.Run(t)
}
