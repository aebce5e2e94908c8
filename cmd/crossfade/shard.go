package main

import (
	"strings"

	"github.com/crossfade-io/crossfade/backfill"
)

// taskVariables are how platforms tell a task its place among those of a job:
// Cloud Run, "Container runtime contract", and AWS Batch user guide, "Job
// environment variables".
var taskVariables = []struct{ index, count string }{
	{"CLOUD_RUN_TASK_INDEX", "CLOUD_RUN_TASK_COUNT"},
	{"AWS_BATCH_JOB_ARRAY_INDEX", "AWS_BATCH_JOB_ARRAY_SIZE"},
}

// shard is the part of the keys that --shard asks for.
func (e *env) shard(flag string) (backfill.Shard, error) {
	switch flag {
	case "":
		return backfill.Shard{}, nil
	case "auto":
	default:
		s, err := backfill.ParseShard(flag)
		if err != nil {
			return s, usagef("--shard: %w", err)
		}
		return s, nil
	}
	var names []string
	for _, v := range taskVariables {
		index, known := e.lookup(v.index)
		count, counted := e.lookup(v.count)
		if known || counted {
			s, err := backfill.ParseShard(index + "/" + count)
			if err != nil {
				return s, usagef("--shard auto: %s=%q and %s=%q: %w", v.index, index, v.count, count, err)
			}
			return s, nil
		}
		names = append(names, v.index+" and "+v.count)
	}
	return backfill.Shard{}, usagef("--shard auto: this is no task of a job that has several, for there is neither %s: write --shard I/N", strings.Join(names, " nor "))
}
