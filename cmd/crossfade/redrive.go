package main

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"time"

	cloudpubsub "cloud.google.com/go/pubsub/v2"
	"github.com/spf13/cobra"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/functions/redrive"
	"github.com/crossfade-io/crossfade/functions/service"
)

type redriveFlags struct {
	file      string
	direction string
	directed  bool // by the flag
	list      bool
	to        string
	discard   bool
	dryRun    bool
	most      int
	wait      time.Duration
	json      bool
}

func newRedriveCommand(e *env) *cobra.Command {
	var f redriveFlags
	cmd := &cobra.Command{
		Use:   "redrive QUEUE [--list | --to QUEUE | -f FILE]",
		Short: "List the events in a dead-letter queue, and sync or send them again",
		Long: `Redrive deals with the events that ended in a dead-letter queue: an SQS queue by
its URL, or a Pub/Sub subscription of the dead-letter topic as
projects/PROJECT/subscriptions/NAME.

With --list it prints them and leaves them where they are. With -f, or where there
is a crossfade.yaml, it syncs each key here and now, as the functions of that
migration would: within its phase, and by its policies. A message is deleted only
after all of its events were acknowledged; what still fails stays, with the reason,
and the exit code is 1. A key that is in order already costs a comparison: nothing
is copied twice, however often it is run.

With --to the messages are sent, unchanged, to another queue, most often the one
that they came from, and deleted once that has taken them; to a topic,
projects/PROJECT/topics/NAME, on Pub/Sub.

Messages that no event can be read from are kept, unless --discard-undecodable
says to delete them. What is kept is given back as soon as it ends; if it is
killed, after half an hour (SQS) or ten minutes (Pub/Sub).`,
		Example: `  # what is there, and why
  crossfade redrive https://sqs.eu-central-1.amazonaws.com/123456789012/crossfade-dead --list

  # the permission is granted now: do it again
  crossfade redrive https://sqs.eu-central-1.amazonaws.com/123456789012/crossfade-dead -f crossfade.yaml

  # let the functions do it
  crossfade redrive projects/shop/subscriptions/crossfade-dead --to projects/shop/topics/crossfade`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("give the dead-letter queue: the URL of an SQS queue, or projects/PROJECT/subscriptions/NAME")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(cmd.Flags().Changed); err != nil {
				return err
			}
			f.directed = cmd.Flags().Changed("direction")
			return e.redrive(cmd.Context(), args[0], f)
		},
	}
	flags := cmd.Flags()
	migrationFlag(cmd, &f.file)
	flags.StringVar(&f.direction, "direction", "forward", "`way` of the migration that the events are of: forward, from source to target, or reverse")
	flags.BoolVar(&f.list, "list", false, "only print the events")
	flags.StringVar(&f.to, "to", "", "send the messages to this `queue` instead of syncing the keys")
	flags.BoolVar(&f.discard, "discard-undecodable", false, "delete messages that no event can be read from")
	flags.BoolVar(&f.dryRun, "dry-run", false, "say what would be done, and change nothing")
	flags.IntVar(&f.most, "max", 1000, "look at no more than this `number` of messages")
	flags.DurationVar(&f.wait, "wait", 3*time.Second, "the queue counts as empty when nothing comes within this `time`, up to 20s")
	flags.BoolVar(&f.json, "json", false, "print the outcome as one JSON object on standard output")
	if err := cmd.RegisterFlagCompletionFunc("direction", cobra.FixedCompletions([]string{"forward", "reverse"}, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag does not exist: a mistake in this program
	}
	return cmd
}

// maxRedrive bounds what is held in memory, and hidden from others.
const maxRedrive = 100_000

// maxRedriveWait is the bound of SQS.
const maxRedriveWait = 20 * time.Second

// check refuses flags that contradict each other.
func (f redriveFlags) check(given func(flag string) bool) error {
	switch {
	case f.list && f.to != "", f.to != "" && given("file"), f.list && given("file"):
		return usagef("give one of --list, --to and --file")
	case f.list && (f.discard || f.dryRun):
		return usagef("--list changes nothing: leave out --discard-undecodable and --dry-run, or leave out --list")
	case (f.list || f.to != "") && given("direction"):
		return usagef("--direction is of a migration: it goes with --file")
	case f.most < 1 || f.most > maxRedrive:
		return usagef("--max %d: it must be from 1 to %d", f.most, maxRedrive)
	case f.wait < 0 || f.wait > maxRedriveWait:
		return usagef("--wait %s: it must be from 0s to %s", f.wait, maxRedriveWait)
	case f.direction != "forward" && f.direction != "reverse":
		return usagef("--direction %q: write forward or reverse", f.direction)
	}
	return nil
}

func (e *env) redrive(ctx context.Context, queue string, f redriveFlags) (err error) {
	opts := redrive.Options{Discard: f.discard, DryRun: f.dryRun, Max: f.most}
	if !f.list && f.to == "" {
		svc, err := e.redriveService(ctx, queue, f)
		if err != nil {
			return err
		}
		defer svc.Close() //nolint:errcheck // nothing is left to be written
		opts.Proc = svc.Processor
	}
	q := queues{wait: f.wait}
	defer func() { err = errors.Join(err, q.close()) }()
	if f.to != "" {
		from, _ := queueKind(queue)
		to, _ := queueKind(f.to)
		switch {
		case f.to == queue:
			return usagef("--to is the queue itself: name the one that the events are to go to")
		case to != "" && (from == "sqs") != (to == "sqs"):
			return usagef("--to %q is of another service than the queue: the events of each have a form of their own", f.to)
		}
		if opts.To, err = q.sender(ctx, f.to); err != nil {
			return err
		}
	}
	if opts.From, err = q.receiver(ctx, queue); err != nil {
		return err
	}
	out := redriveResult{Queue: queue, DryRun: f.dryRun, Messages: []redriven{}}
	opts.Each = func(o redrive.Outcome) {
		if f.json {
			out.Messages = append(out.Messages, newRedriven(o))
			return
		}
		e.printRedriven(o)
	}
	work, cancel := e.abandonable(ctx)
	defer cancel()
	out.Summary, err = redrive.Run(ctx, work, opts)
	return e.redriven(ctx, out, f, err)
}

// redriven prints the outcome as a whole, and chooses the exit code.
func (e *env) redriven(ctx context.Context, out redriveResult, f redriveFlags, err error) error {
	if ctx.Err() != nil {
		err = errors.New("interrupted; what was not dealt with is given back: run the same command again")
	}
	if f.json {
		if err != nil {
			out.Error = oneLine(err.Error())
		}
		if werr := writeJSON(e.stdout, out); werr != nil {
			return werr
		}
	} else {
		e.printRedriveSummary(out)
	}
	switch {
	case err != nil:
		return err
	case out.Kept > 0:
		return errIncomplete
	default:
		return nil
	}
}

// redriveService is what the functions of the migration do.
func (e *env) redriveService(ctx context.Context, queue string, f redriveFlags) (*service.Service, error) {
	m, err := e.migration(f.file)
	if err != nil {
		return nil, err
	}
	cfg := asFunction(m, f.direction == "reverse")
	cfg.LogLevel = max(e.minLevel(), slog.LevelWarn) // one line a message is printed anyway
	if err := ofSource(queue, cfg.Source, m, f); err != nil {
		return nil, err
	}
	if e.level < slog.LevelInfo { // asked for
		cfg.LogLevel = e.level
	}
	return e.service(ctx, cfg, e.stderr)
}

// ofSource complains of a queue whose events cannot be of the end that is read: in
// the other direction they would count as done, and be deleted.
func ofSource(queue string, source config.Location, m config.Migration, f redriveFlags) error {
	kind, _ := queueKind(queue)
	want := map[string]string{"sqs": "s3", "subscriptions": "gs"}[kind]
	switch {
	case want != "" && want != source.Scheme:
		return usagef("queue %q has events of %s:// stores, and with --direction %s those of %s are synced: give the other direction, or the queue of this one", queue, want, f.direction, source)
	case m.Source.Scheme == m.Target.Scheme && m.Source.Bucket() == m.Target.Bucket() && !f.directed:
		return usagef("both ends are called %s: say with --direction whose events these are", m.Source.Bucket())
	default:
		return nil
	}
}

// queues opens queues by what names them, and closes what it opened.
type queues struct {
	wait    time.Duration
	closers []func() error
}

func (q *queues) close() error {
	var errs []error
	for i := len(q.closers) - 1; i >= 0; i-- {
		errs = append(errs, q.closers[i]())
	}
	return errors.Join(errs...)
}

const queueForms = "the URL of an SQS queue, such as https://sqs.eu-central-1.amazonaws.com/123456789012/crossfade, or "

func (q *queues) receiver(ctx context.Context, name string) (redrive.Queue, error) {
	switch kind, project := queueKind(name); kind {
	case "sqs":
		client, err := newSQS(ctx, "the queue", name)
		if err != nil {
			return nil, err
		}
		return redrive.NewSQS(client, name, q.wait), nil
	case "subscriptions":
		client, err := q.pubsub(ctx, project)
		if err != nil {
			return nil, err
		}
		return redrive.NewPubSub(client, name, q.wait), nil
	case "topics":
		return nil, usagef("queue %q is a topic: messages are received from a subscription of it, projects/%s/subscriptions/NAME", name, project)
	}
	return nil, usagef("queue %q: write %sprojects/PROJECT/subscriptions/NAME", name, queueForms)
}

func (q *queues) sender(ctx context.Context, name string) (redrive.Sender, error) {
	switch kind, project := queueKind(name); kind {
	case "sqs":
		client, err := newSQS(ctx, "--to", name)
		if err != nil {
			return nil, err
		}
		return redrive.NewSQS(client, name, q.wait), nil
	case "topics":
		client, err := q.pubsub(ctx, project)
		if err != nil {
			return nil, err
		}
		topic := redrive.NewTopic(client, name)
		q.closers = append(q.closers, func() error { topic.Stop(); return nil })
		return topic, nil
	case "subscriptions":
		return nil, usagef("--to %q is a subscription: messages are sent to its topic, projects/%s/topics/NAME", name, project)
	}
	return nil, usagef("--to %q: write %sprojects/PROJECT/topics/NAME", name, queueForms)
}

func (q *queues) pubsub(ctx context.Context, project string) (*cloudpubsub.Client, error) {
	client, err := cloudpubsub.NewClient(ctx, project)
	if err != nil {
		return nil, err
	}
	q.closers = append(q.closers, client.Close)
	return client, nil
}

// queueKind is sqs, subscriptions or topics, and "" for what is none of them.
func queueKind(name string) (kind, project string) {
	if strings.HasPrefix(name, "https://") || strings.HasPrefix(name, "http://") {
		return "sqs", ""
	}
	parts := strings.Split(name, "/")
	if len(parts) != 4 || parts[0] != "projects" || parts[1] == "" || parts[3] == "" {
		return "", ""
	}
	if parts[2] != "subscriptions" && parts[2] != "topics" {
		return "", ""
	}
	return parts[2], parts[1]
}
