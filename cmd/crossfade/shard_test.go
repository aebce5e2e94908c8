package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// The tasks of a job share the keys, by a flag of each or by what its platform
// tells it.
func TestBackfillShards(t *testing.T) {
	t.Parallel()
	for name, task := range map[string]func(i int) (flag string, env map[string]string){
		"by flags": func(i int) (string, map[string]string) { return fmt.Sprintf("%d/3", i), nil },
		"on Cloud Run": func(i int) (string, map[string]string) {
			return "auto", map[string]string{"CLOUD_RUN_TASK_INDEX": fmt.Sprint(i), "CLOUD_RUN_TASK_COUNT": "3"}
		},
		"on AWS Batch": func(i int) (string, map[string]string) {
			return "auto", map[string]string{"AWS_BATCH_JOB_ARRAY_INDEX": fmt.Sprint(i), "AWS_BATCH_JOB_ARRAY_SIZE": "3"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newCLI(t)
			for i := range 60 {
				c.put(c.src, fmt.Sprintf("k%d", i), "v")
			}
			var copied int64
			for i := range 3 {
				flag, env := task(i)
				c.env.lookup = func(name string) (string, bool) { v, ok := env[name]; return v, ok }
				stdout, _ := c.want(exitDone, "backfill", "s3://source", "gs://target", "--shard", flag, "--json", "--quiet")
				var res backfillResult
				if err := json.Unmarshal([]byte(stdout), &res); err != nil {
					t.Fatal(err)
				}
				if res.Shard != fmt.Sprintf("%d/3", i) || res.Copied == 0 || res.Listed != res.Copied {
					t.Errorf("task %d: %+v", i, res)
				}
				copied += res.Copied
			}
			if copied != 60 || c.dst.Bucket().Len() != 60 {
				t.Errorf("%d copied, %d on the target", copied, c.dst.Bucket().Len())
			}
		})
	}
}

func TestWrongShards(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		flag string
		env  map[string]string
		says string
	}{
		{"4/4", nil, `--shard: "4/4" is no shard`},
		{"auto", nil, "this is no task of a job that has several, for there is neither CLOUD_RUN_TASK_INDEX and CLOUD_RUN_TASK_COUNT nor AWS_BATCH_JOB_ARRAY_INDEX"},
		{"auto", map[string]string{"CLOUD_RUN_TASK_INDEX": "1"}, `--shard auto: CLOUD_RUN_TASK_INDEX="1" and CLOUD_RUN_TASK_COUNT=""`},
	} {
		c := newCLI(t)
		c.env.lookup = func(name string) (string, bool) { v, ok := x.env[name]; return v, ok }
		if _, stderr := c.want(exitUsage, "backfill", "s3://source", "gs://target", "--shard", x.flag); !strings.Contains(stderr, x.says) {
			t.Errorf("%s: %s", x.flag, stderr)
		}
	}
}
