// Command bench measures crossfade: a backfill from S3 to S3 on a real server
// beside rclone sync at the same concurrency, the events per second of one
// function beside a plain loop of GET and PUT, the ceilings of cloudsim, and the
// freeze of a cutover and of a rollback beside the cold way.
// `make bench` runs it; docs/benchmarks.md says how to read it.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

type options struct {
	objects     int
	size        int64
	large       int
	largeSize   int64
	concurrency int
	rounds      int
	seconds     float64
	dir         string
	crossfade   string
	rclone      string
	http        bool
	json        bool
	parts       string

	freeze      []int // numbers of objects
	freezePairs int
	freezeRuns  int
	freezeRate  float64
}

func main() {
	if len(os.Args) > 2 && os.Args[1] == measureVerb {
		os.Exit(measureChild(os.Args[2], os.Args[3:]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var o options
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.IntVar(&o.objects, "objects", 8000, "small objects")
	f.Int64Var(&o.size, "size", 4096, "bytes of a small object")
	f.IntVar(&o.large, "large", 3, "large objects")
	f.Int64Var(&o.largeSize, "large-size", 256<<20, "bytes of a large object; rclone sends up to 200 MiB in one request")
	f.IntVar(&o.concurrency, "concurrency", 64, "keys in work at once, for both tools")
	f.IntVar(&o.rounds, "rounds", 3, "rounds; medians are reported")
	f.Float64Var(&o.seconds, "seconds", 3, "seconds for each measurement in this process")
	f.StringVar(&o.dir, "dir", "", "directory of the server's data; empty: memory if there is enough, else the temporary directory")
	f.StringVar(&o.crossfade, "crossfade", "bin/crossfade", "the crossfade to measure")
	f.StringVar(&o.rclone, "rclone", ".cache/bin/rclone", "the rclone to measure")
	f.BoolVar(&o.http, "http", false, "plain HTTP to the server, where the AWS SDK signs every byte with SHA-256; else HTTPS as to a cloud")
	f.BoolVar(&o.json, "json", false, "print JSON")
	f.StringVar(&o.parts, "parts", "small,large,function,cloudsim,freeze,coldstart", "what to measure")
	sizes := f.String("freeze", "1k,10k", "numbers of objects for the freeze of a cutover, such as 1k,10k,100k,1M")
	pairs := f.String("freeze-pairs", "", "number of objects for the freeze between all pairs of clouds, such as 10k; empty: S3 to GCS only")
	f.IntVar(&o.freezeRuns, "freeze-runs", 10, "cutovers, and as many rollbacks, for each")
	f.Float64Var(&o.freezeRate, "freeze-rate", 100, "writes and deletes of the application a second")
	if err := f.Parse(args); err != nil {
		return err
	}
	if err := o.parseFreeze(*sizes, *pairs); err != nil {
		return err
	}
	if f.NArg() > 0 || o.rounds < 1 || o.objects < 1 || o.large < 1 || o.concurrency < 1 || o.freezeRuns < 1 || !(o.freezeRate >= 1) {
		return errors.New("wrong use; see --help")
	}
	parts, err := parseParts(o.parts)
	if err != nil {
		return err
	}
	rep := report{
		Machine: machine{CPUs: runtime.NumCPU(), OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version()},
		Options: reported{Objects: o.objects, Size: o.size, Large: o.large, LargeSize: o.largeSize, Concurrency: o.concurrency, Rounds: o.rounds},
	}
	if parts["small"] || parts["large"] {
		if err := contests(ctx, o, parts, &rep); err != nil {
			return err
		}
	}
	d := time.Duration(o.seconds * float64(time.Second))
	if parts["function"] {
		if rep.Function, err = functionRates(ctx, d); err != nil {
			return fmt.Errorf("function: %w", err)
		}
	}
	if parts["cloudsim"] {
		if rep.Cloudsim, err = cloudsimRates(ctx, d, o.concurrency); err != nil {
			return fmt.Errorf("cloudsim: %w", err)
		}
	}
	if parts["freeze"] {
		if rep.Freeze, err = freezes(ctx, o); err != nil {
			return err
		}
	}
	if parts["coldstart"] {
		if rep.ColdStart, err = coldStarts(ctx, coldPackages(), coldRuns); err != nil {
			return fmt.Errorf("cold start: %w", err)
		}
	}
	if o.json {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(rep)
	}
	return rep.print(os.Stdout)
}

func (o *options) parseFreeze(sizes, pairs string) (err error) {
	if o.freeze, err = parseSizes(sizes); err != nil {
		return fmt.Errorf("--freeze: %w", err)
	}
	one, err := parseSizes(pairs)
	if err != nil || len(one) > 1 {
		return fmt.Errorf("--freeze-pairs: %q is not one number of objects", pairs)
	}
	if len(one) == 1 {
		o.freezePairs = one[0]
	}
	return nil
}

// absolute makes the paths of the tools independent of the working directory
// and checks that they are there.
func (o *options) absolute() error {
	for _, p := range []*string{&o.crossfade, &o.rclone} {
		abs, err := filepath.Abs(*p)
		if err != nil {
			return err
		}
		if _, err := os.Stat(abs); err != nil {
			return fmt.Errorf("%w: run make bench, which builds it", err)
		}
		*p = abs
	}
	return nil
}

// parseParts reads the list of what to measure.
func parseParts(list string) (map[string]bool, error) {
	parts := map[string]bool{}
	for p := range strings.SplitSeq(list, ",") {
		switch p {
		case "small", "large", "function", "cloudsim", "freeze", "coldstart":
			parts[p] = true
		default:
			return nil, fmt.Errorf("--parts: %q is none of small, large, function, cloudsim, freeze, coldstart", p)
		}
	}
	return parts, nil
}
