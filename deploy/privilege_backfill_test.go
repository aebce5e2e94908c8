package deploy_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zclconf/go-cty/cty"

	"github.com/crossfade-io/crossfade/replicate/control"
	"github.com/crossfade-io/crossfade/testutil/cloudsim"
	"github.com/crossfade-io/crossfade/testutil/killtest"
)

// taskContainer is what the task definition says of it.
type taskContainer struct {
	Command     []string `json:"command"`
	Environment []struct{ Name, Value string }
}

func (p *plan) container(t testing.TB, resource string) taskContainer {
	t.Helper()
	v, ok := p.value(p.module.resources[resource].Body.Attributes["container_definitions"].Expr, nil)
	if !ok || !v.IsWhollyKnown() {
		t.Fatal("the containers are not known")
	}
	var all []taskContainer
	if err := json.Unmarshal([]byte(v.AsString()), &all); err != nil || len(all) != 1 {
		t.Fatalf("%v: %s", err, v.AsString())
	}
	return all[0]
}

// The same for the backfill, with the program, the command and the environment of
// its task: a first run, one over changes and an upload that fails, one that
// deletes, and a comparison of every byte.
func TestLeastPrivilegeBackfill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := killtest.Build(dir, "cmd/crossfade"); err != nil {
		t.Fatal(err)
	}
	all := loaded(t, os.DirFS("."))
	backfill := cty.ObjectVal(given("image", "i", "subnet_ids", []string{"s"}))
	for name, with := range map[string]map[string]cty.Value{
		"to another cloud": given("bucket", "photos-v", "target", "gs://copies", "prefix", "in/", "backfill", backfill),
		"to S3":            given("bucket", "photos-v", "target", "s3://copies-v/of/", "migration", "m", "backfill", backfill),
		"control in S3": given("bucket", "photos-v", "target", "gs://copies", "migration", "m", "control", "s3://control/at/", "backfill",
			cty.ObjectVal(given("image", "i", "subnet_ids", []string{"s"}, "command", []string{"backfill", "-f", "crossfade.yaml"}))),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			plan := awsPlan(t, all, with)
			p := newPrivilege(t, "photos-v", "copies", "copies-v", "control")
			gcs := cloudsim.NewCore(nil)
			gcs.CreateBucket("copies", false)
			emulator, stop := cloudsim.Serve(cloudsim.NewGCS(gcs, cloudsim.GCSOptions{}))
			defer stop()
			fn, _, _ := plan.function(t, "aws_lambda_function.changes")
			if fn.Migration != "" {
				st, err := fn.Control.Open(t.Context(), p.openers)
				if err != nil {
					t.Fatal(err)
				}
				docs, err := control.Open(st, fn.Migration, func() string { return "writer" })
				if err != nil {
					t.Fatal(err)
				}
				if _, err := docs.Create(t.Context(), control.State{Source: fn.Source.ID(), Target: fn.Target.ID(), Phase: control.Seeding, Authority: control.Source}); err != nil {
					t.Fatal(err)
				}
			}
			p.rec.take()
			task := plan.container(t, "aws_ecs_task_definition.backfill")
			env := []string{
				"HOME=" + dir, "AWS_ENDPOINT_URL_S3=" + p.url, "STORAGE_EMULATOR_HOST=" + emulator,
				"AWS_ACCESS_KEY_ID=AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY=example", "AWS_EC2_METADATA_DISABLED=true",
			}
			for _, v := range task.Environment {
				env = append(env, v.Name+"="+v.Value)
			}
			file := "name: m\nsource: s3://photos-v\ntarget: gs://copies\ncontrol: s3://control/at\n"
			work := t.TempDir()
			if err := os.WriteFile(filepath.Join(work, "crossfade.yaml"), []byte(file), 0o600); err != nil {
				t.Fatal(err)
			}
			run := func(command ...string) {
				t.Helper()
				cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "crossfade"), command...)
				cmd.Env, cmd.Dir, cmd.WaitDelay = env, work, time.Second
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("crossfade %s: %v\n%s", strings.Join(command, " "), err, out)
				}
			}
			prefix, large := fn.Source.Prefix(), slices.Repeat([]byte("crossfade"), 1<<20)
			p.put("photos-v", prefix+"a", []byte("a"), "text/plain")
			p.put("photos-v", prefix+"b", []byte("b"), "text/plain")
			p.put("photos-v", prefix+"large", large, "text/plain")
			run(task.Command...)
			p.put("photos-v", prefix+"a", []byte("another"), "text/html")
			p.put("photos-v", prefix+"large", large[1:], "text/plain")
			p.rec.spoil()
			p.remove("photos-v", prefix+"b")
			run(append(task.Command, "--delete")...)
			run(append([]string{"verify", "--checksum"}, task.Command[1:]...)...)
			denied, surplus := compare(plan.documents()["backfill"], p.rec.take())
			if denied != nil {
				t.Errorf("the backfill needs what its role does not grant: %q", denied)
			}
			if surplus != nil {
				t.Errorf("its role grants what the backfill never needs: %q", surplus)
			}
		})
	}
}
