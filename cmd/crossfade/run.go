package main

import (
	"context"
	"errors"
	"log/slog"
	"net"

	"github.com/spf13/cobra"

	"github.com/crossfade-io/crossfade/config"
	frun "github.com/crossfade-io/crossfade/functions/run"
	"github.com/crossfade-io/crossfade/functions/telemetry/prom"
)

type runFlags struct {
	file      string
	direction string
	logFormat string
}

func newRunCommand(e *env) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run [-f FILE]",
		Short: "Follow a store's events in this process, where there are no functions",
		Long: `Run does what the functions do, in a process that stays: it takes events from the
places that the section run: of the migration's file names, and makes the other
side equal, key by key. For Kubernetes, a virtual machine, or a server of your own.

  run:
    listen: 0.0.0.0:8080          # webhooks, /healthz, /readyz and /metrics
    concurrency: 16               # events in work at once
    grace: 25s                    # for what is in work when the process is to end
    events:                       # of the source, any number
      - sqs: https://sqs.eu-central-1.amazonaws.com/123456789012/crossfade
        dead_letter: https://sqs.eu-central-1.amazonaws.com/123456789012/crossfade-dead
      - webhook: s3               # /events/s3, as MinIO sends them
        token: ${WEBHOOK_TOKEN}   # Authorization: Bearer …
    reverse_events:               # of the target, for the way back after the switch
      - pubsub: projects/shop/subscriptions/crossfade
        dead_letter: projects/shop/topics/crossfade-dead
      - webhook: gcs              # Eventarc or Pub/Sub push; or eventgrid, for Azure

A source on file:// is watched: - watch: {rescan: 15m}. The file's include and
exclude do not count for queues and webhooks, as they do not for functions.

It minds the phase of the migration: until crossfade init all events are told to
come again. One process follows one direction; run one for each to be able to go
back. Any number of processes can share a queue.

The first SIGTERM lets what is in work finish, within the grace, and takes no more
events; /readyz says so at once. The second ends it. Nothing is lost either way:
what is not done comes again. Log lines are JSON, on standard output, with
--log-format gcp as Cloud Logging reads them.`,
		Example: `  crossfade run
  crossfade run -f shop.yaml --direction reverse`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.follow(cmd.Context(), f) },
	}
	migrationFlag(cmd, &f.file)
	cmd.Flags().StringVar(&f.direction, "direction", "forward", "`way`: forward, from source to target, or reverse")
	if err := cmd.RegisterFlagCompletionFunc("direction", cobra.FixedCompletions([]string{"forward", "reverse"}, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag does not exist: a mistake in this program
	}
	cmd.Flags().StringVar(&f.logFormat, "log-format", string(config.LogJSON), "`form` of log lines: json, or gcp for Cloud Logging")
	if err := cmd.RegisterFlagCompletionFunc("log-format", cobra.FixedCompletions([]string{string(config.LogJSON), string(config.LogGCP)}, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag does not exist: a mistake in this program
	}
	return cmd
}

// follow takes events until ctx is done.
func (e *env) follow(ctx context.Context, f runFlags) error {
	m, err := e.migration(f.file)
	if err != nil {
		return err
	}
	cfg, events, err := following(m, f.direction)
	if err != nil {
		return err
	}
	cfg.LogLevel, cfg.LogFormat = e.minLevel(), config.LogFormat(f.logFormat)
	if cfg.LogFormat != config.LogJSON && cfg.LogFormat != config.LogGCP {
		return usagef("--log-format %q: write json or gcp", f.logFormat)
	}
	reader, metrics, err := prom.New()
	if err != nil {
		return err
	}
	svc, err := e.service(ctx, cfg, e.stdout, reader)
	if err != nil {
		return err
	}
	opts := frun.Options{
		Processor: svc.Processor, Metrics: metrics, Log: svc.Log,
		Concurrency: cfg.Concurrency, Timeout: cfg.Timeout, Grace: m.Run.Grace, Abort: e.abort,
	}
	w := wiring{env: e, svc: svc, cfg: cfg, m: m}
	for _, from := range events {
		if err = w.add(ctx, &opts, from); err != nil {
			break
		}
	}
	if err == nil {
		opts.Listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", m.Run.Listen)
	}
	if err == nil {
		err = frun.Run(ctx, opts)
	}
	err = errors.Join(err, w.close(), svc.Close())
	svc.Log.LogAttrs(context.WithoutCancel(ctx), slog.LevelInfo, "stopped")
	return err
}

// following is the configuration of one direction, and where its events come from.
func following(m config.Migration, direction string) (config.Function, []config.Events, error) {
	if m.Run == nil {
		return config.Function{}, nil, usagef("the file has no section run: say there where events come from; 'crossfade run --help' shows one")
	}
	cfg := asFunction(m, direction == "reverse")
	cfg.Concurrency = m.Run.Concurrency
	field, events := "run.events", m.Run.Events
	switch direction {
	case "forward":
	case "reverse":
		field, events = "run.reverse_events", m.Run.ReverseEvents
	default:
		return cfg, nil, usagef("--direction %q: write forward or reverse", direction)
	}
	if len(events) == 0 {
		return cfg, nil, usagef("%s is not set: say where events of %s come from", field, cfg.Source)
	}
	return cfg, events, nil
}
