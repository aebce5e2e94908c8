package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/replicate"
)

type backfillFlags struct {
	scope
	dryRun    bool
	delete    bool
	maxDelete int
	foreign   string
	shard     string

	narrowed     bool // to fewer keys than a file chooses
	abortUploads bool // given at all
	uploadAge    time.Duration
}

func newBackfillCommand(e *env) *cobra.Command {
	var f backfillFlags
	cmd := &cobra.Command{
		Use:   "backfill {SRC DST | -f FILE}",
		Short: "Copy what differs from one store to another",
		Long: `Backfill lists both stores, merges the listings, and copies what is missing or
differs on the target. Run again, it copies nothing; interrupted, it goes on
where it was. It may run while functions replicate live changes.

Objects on the target that this migration did not put there, or that were changed
since, are foreign: they are left alone and reported, unless --foreign says
otherwise.

A writer that is killed in the middle of a large object leaves an unfinished
multipart upload on S3, which is paid for until it is aborted. --abort-uploads AGE
aborts, when the run is through, those of the chosen keys that were begun more
than AGE before it, by the server's clock and whoever began them; 0s means all
that were begun before it: first stop functions that may be writing large
objects. Cloud Storage and Azure drop unfinished uploads by themselves after a
week.

--shard I/N does the I-th part of N of all keys, counted from 0, for N tasks of a
job that run at once: each lists everything, and copies what a hash of the key
gives to it. --shard auto takes both numbers from the environment of a task, as
Cloud Run jobs (CLOUD_RUN_TASK_INDEX, CLOUD_RUN_TASK_COUNT) and AWS Batch arrays
(AWS_BATCH_JOB_ARRAY_INDEX, AWS_BATCH_JOB_ARRAY_SIZE) set them. --max-delete then
counts for each task.

With -f the stores, globs, the policy for foreign objects and the concurrency are
those of the migration's file, where no flag says otherwise. Its deletes is what
functions carry: a backfill deletes with --delete only. When everything that the
file chooses is copied and nothing failed, the migration is seeded; after shards,
that takes a run without --shard, which finds nothing to copy.

Where a migration is declared between the two stores, by -f or by control documents
that are found on them, nothing is copied towards the side that the application
writes to, no cutover begins while a backfill runs, and none runs in a cutover.

` + globHelp,
		Example: `  # see what would be done, then do it
  crossfade backfill s3://photos gs://photos-new --dry-run
  crossfade backfill s3://photos gs://photos-new

  # the same of a declared migration, with its filters and policies
  crossfade backfill -f crossfade.yaml

  # a part of the keys
  crossfade backfill s3://photos/2025 az://archive/2025 --include '**/*.jpg' --exclude 'tmp/**'

  # make the target equal: delete there what is gone from the source
  crossfade backfill file:///srv/uploads gs://uploads --delete --max-delete 100

  # four tasks at once, this is the first
  crossfade backfill s3://photos gs://photos-new --shard 0/4

  # clear up what killed runs left on S3
  crossfade backfill gs://photos s3://photos-new --abort-uploads 24h

  # for a script
  crossfade backfill s3://photos gs://photos-new --json --quiet`,
		Args:              storesAnd(0),
		ValidArgsFunction: completeStores,
		RunE: func(cmd *cobra.Command, args []string) error {
			f.abortUploads = cmd.Flags().Changed("abort-uploads")
			p, err := e.pair(args, f.file)
			if err != nil {
				return err
			}
			f.narrowed = cmd.Flags().Changed("include") || cmd.Flags().Changed("exclude") || cmd.Flags().Changed("shard")
			f.fill(p.file, cmd.Flags().Changed)
			if p.file != nil && !cmd.Flags().Changed("foreign") {
				f.foreign = p.file.Foreign.String()
			}
			return e.backfill(cmd.Context(), p, f)
		},
	}
	f.flags(cmd)
	flags := cmd.Flags()
	flags.BoolVar(&f.dryRun, "dry-run", false, "say what would be done, and change nothing")
	flags.BoolVar(&f.delete, "delete", false, "delete objects of this migration whose keys are gone from the source")
	flags.IntVar(&f.maxDelete, "max-delete", 1000, "with --delete: if there are more than this `number`, delete none and fail")
	flags.StringVar(&f.foreign, "foreign", "keep", "`policy` for foreign objects on the target: keep, adopt where the bytes are equal, or overwrite")
	flags.StringVar(&f.shard, "shard", "", "only the `I/N`-th part of the keys, such as 0/4; auto: as the task's environment says")
	flags.DurationVar(&f.uploadAge, "abort-uploads", 0, "at the end, abort unfinished multipart uploads on the target begun more than `AGE` before this run, such as 1h")
	flags.Lookup("abort-uploads").DefValue = "off"
	completeForeign(cmd)
	return cmd
}

// backfillResult is the JSON of the verb.
type backfillResult struct {
	Source string `json:"source"`
	Target string `json:"target"`
	Shard  string `json:"shard,omitempty"`
	backfill.Summary
	Error string `json:"error,omitempty"`
}

func (e *env) backfill(ctx context.Context, p pair, f backfillFlags) error {
	screen := &console{w: e.stderr}
	log := e.logger(screen)
	opts, err := f.options(ctx, e, log)
	if err != nil {
		return err
	}
	if f.maxDelete < 0 {
		return usagef("--max-delete %d: it cannot be negative", f.maxDelete)
	}
	if f.uploadAge < 0 {
		return usagef("--abort-uploads %s: it cannot be negative", f.uploadAge)
	}
	if opts.Shard, err = e.shard(f.shard); err != nil {
		return err
	}
	policy := replicate.Policy{Deletes: f.delete}
	if policy.Foreign, err = replicate.ParseForeign(f.foreign); err != nil {
		return usagef("--foreign: %w", err)
	}
	o, err := e.openToWrite(ctx, p, opts.Concurrency, true, log)
	if err != nil {
		return err
	}
	defer o.close() //nolint:errcheck // nothing is left to be written
	work, cancel := e.abandonable(ctx)
	defer cancel()
	if o.fence != nil {
		if !f.dryRun {
			fenced, end, err := o.fence.register(work, log)
			if err != nil {
				return err
			}
			defer end()
			work = fenced
		}
		policy = o.fence.policy(policy)
	}
	rep, err := o.replicator(policy, opts.Progress, log)
	if err != nil {
		return err
	}
	opts.DryRun, opts.Ends, opts.Policy = f.dryRun, o.Ends, policy
	opts.Delete, opts.MaxDelete = f.delete, f.maxDelete
	opts.AbortUploads, opts.UploadAge = f.abortUploads, f.uploadAge
	if !f.dryRun {
		o.warn(ctx)
	}

	done := e.showProgress(screen, opts.Progress, "copying")
	sum, err := backfill.Run(work, o.src, o.dst, rep, opts)
	done()
	if err != nil && errors.Is(context.Cause(work), errUnseen) {
		err = errUnseen
	}
	if err == nil && sum.Failed == 0 && p.file != nil && !f.dryRun && !f.narrowed {
		err = e.seeded(work, *p.file, o, sum.Listed, log)
	}

	if f.json {
		res := backfillResult{Source: o.Source, Target: o.Target, Shard: opts.Shard.String(), Summary: sum}
		if err != nil {
			res.Error = err.Error()
		}
		if err := writeJSON(e.stdout, res); err != nil {
			return err
		}
	} else {
		e.printSummary(sum)
	}
	switch {
	case errors.Is(err, backfill.ErrInterrupted):
		return errors.New("interrupted; to go on, run the same command again: what is done is skipped")
	case err != nil:
		return err
	case sum.Failed > 0:
		return errIncomplete
	default:
		return nil
	}
}
