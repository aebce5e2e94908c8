package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/crossfade-io/crossfade/backfill"
	"github.com/crossfade-io/crossfade/replicate"
	"github.com/crossfade-io/crossfade/store"
)

type syncFlags struct {
	delete  bool
	foreign string
	json    bool
	file    string
}

func newSyncCommand(e *env) *cobra.Command {
	var f syncFlags
	cmd := &cobra.Command{
		Use:   "sync {SRC DST | -f FILE} KEY...",
		Short: "Make single keys of the target equal to the source",
		Long: `Sync looks each key up on both sides, now, and makes the target equal to the
source, just as a function does for an event. Keys are relative to the prefixes
of the stores. Running it twice is safe.

With -f the stores are those of the migration's file, and so are its policies for
deletions and foreign objects where no flag says otherwise. Keys that its globs do
not choose are refused. Where a migration is declared between the two stores, by -f
or by control documents that are found on them, nothing is copied towards the side
that the application writes to.`,
		Example: `  crossfade sync s3://photos gs://photos-new 2025/cat.jpg 2025/dog.jpg
  crossfade sync -f crossfade.yaml 2025/cat.jpg

  # a key that is gone from the source, from the target as well
  crossfade sync s3://photos gs://photos-new --delete 2025/old.jpg`,
		Args:              storesAnd(1),
		ValidArgsFunction: completeStores,
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := e.pair(args, f.file)
			if err != nil {
				return err
			}
			if p.file != nil && !cmd.Flags().Changed("delete") {
				f.delete = p.file.Deletes
			}
			if p.file != nil && !cmd.Flags().Changed("foreign") {
				f.foreign = p.file.Foreign.String()
			}
			return e.sync(cmd.Context(), p, f)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.delete, "delete", false, "delete a key on the target that is gone from the source")
	flags.StringVar(&f.foreign, "foreign", "keep", "`policy` for a foreign object on the target: keep, adopt where the bytes are equal, or overwrite")
	flags.BoolVar(&f.json, "json", false, "print the outcome as one JSON object on standard output")
	fileFlag(cmd, &f.file)
	completeForeign(cmd)
	return cmd
}

// syncRequests bounds the requests to each store: keys go one by one, the parts
// of a large object several at once.
const syncRequests = 64

// syncResult is the JSON of the verb.
type syncResult struct {
	Source string    `json:"source"`
	Target string    `json:"target"`
	Failed int       `json:"failed"`
	Keys   []keyDone `json:"keys"`
}

// keyDone is what was done about one key.
type keyDone struct {
	Key      string `json:"key"`
	Action   string `json:"action"` // skip, copy, update, delete, conflict or failed
	Reason   string `json:"reason"`
	Bytes    int64  `json:"bytes"` // copied
	Attempts int    `json:"attempts"`
}

func (e *env) sync(ctx context.Context, p pair, f syncFlags) error {
	policy := replicate.Policy{Deletes: f.delete}
	var err error
	if policy.Foreign, err = replicate.ParseForeign(f.foreign); err != nil {
		return usagef("--foreign: %w", err)
	}
	var filter backfill.Filter
	if p.file != nil {
		if filter, err = backfill.NewFilter(p.file.Include, p.file.Exclude); err != nil {
			return usagef("%w", err)
		}
	}
	for _, key := range p.keys {
		if key == "" || strings.HasPrefix(key, store.ControlPrefix) {
			return usagef("key %q: empty keys and those below %s are never copied", key, store.ControlPrefix)
		}
		if !filter.Match(key) {
			return usagef("key %q: the migration's include and exclude do not choose it; to sync it all the same, give source and target", key)
		}
	}
	log := e.logger(&console{w: e.stderr})
	o, err := e.openToWrite(ctx, p, syncRequests, false, log)
	if err != nil {
		return err
	}
	defer o.close() //nolint:errcheck // nothing is left to be written
	if o.fence != nil {
		policy = o.fence.policy(policy)
		if err := o.fence.record(ctx, p.keys); err != nil {
			return err
		}
	}
	rep, err := o.replicator(policy, nil, log)
	if err != nil {
		return err
	}
	o.warn(ctx)
	work, cancel := e.abandonable(ctx)
	defer cancel()
	out := syncResult{Source: o.Source, Target: o.Target, Keys: []keyDone{}}
	for _, key := range p.keys {
		if ctx.Err() != nil {
			break
		}
		done := syncOne(work, rep, key)
		if done.Action == "failed" || done.Action == replicate.Conflict.String() {
			out.Failed++
		}
		out.Keys = append(out.Keys, done)
		if !f.json {
			fmt.Fprintf(e.stdout, "%-8s  %s  (%s)\n", done.Action, oneLine(key), done.Reason)
		}
	}
	if f.json {
		if err := writeJSON(e.stdout, out); err != nil {
			return err
		}
	}
	switch {
	case len(out.Keys) < len(p.keys):
		return fmt.Errorf("interrupted before key %q; what is done may be done again", p.keys[len(out.Keys)])
	case out.Failed > 0:
		return errIncomplete
	default:
		return nil
	}
}

func syncOne(ctx context.Context, rep *replicate.Replicator, key string) keyDone {
	res, err := rep.Sync(ctx, key, replicate.HintNone)
	done := keyDone{Key: key, Action: res.Action.String(), Reason: res.Reason, Bytes: res.Bytes, Attempts: res.Attempts}
	if err != nil {
		done.Action, done.Reason = "failed", oneLine(err.Error())
	}
	return done
}
