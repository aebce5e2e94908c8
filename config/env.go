package config

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/crossfade-io/crossfade/replicate"
)

// Function is the configuration of a function, as its environment gives it.
type Function struct {
	Source      Location          // CROSSFADE_SOURCE, required: the store whose events it gets, in either direction
	Target      Location          // CROSSFADE_TARGET, required: the store that it writes to
	Deletes     bool              // CROSSFADE_DELETES, default true
	Foreign     replicate.Foreign // CROSSFADE_FOREIGN, default keep
	Concurrency int               // CROSSFADE_CONCURRENCY: keys of a batch at once; default 16
	Timeout     time.Duration     // CROSSFADE_TIMEOUT: the platform's limit for one invocation; 0 where unset
	LogLevel    slog.Level        // CROSSFADE_LOG_LEVEL, default info
	LogFormat   LogFormat         // CROSSFADE_LOG_FORMAT; "" for the platform's own
	Metrics     Metrics           // CROSSFADE_METRICS; "" leaves it to the OTEL_ variables
	DeadLetter  string            // CROSSFADE_DEAD_LETTER: URL of the SQS queue for what no retry can help; "" leaves that to the redrive policy

	// Migration is the name of the migration whose phase the function follows
	// (CROSSFADE_MIGRATION), "" where there is none. Control is where its control
	// documents are (CROSSFADE_CONTROL, default the migration's target, which in
	// reverse is Source), zero without a migration. Reverse says that the function
	// carries writes back after the switch (CROSSFADE_DIRECTION).
	Migration string
	Control   Location
	Reverse   bool
}

// LogFormat is the form of a log line.
type LogFormat string

// The forms.
const (
	LogJSON LogFormat = "json" // log/slog's
	LogGCP  LogFormat = "gcp"  // Cloud Logging's
)

// Metrics is where metrics go.
type Metrics string

// The ways.
const (
	MetricsNone Metrics = "none"
	MetricsEMF  Metrics = "emf"  // CloudWatch's embedded metric format, in the log
	MetricsOTLP Metrics = "otlp" // OpenTelemetry's protocol over HTTP
)

const (
	envPrefix      = "CROSSFADE_"
	envSource      = envPrefix + "SOURCE"
	envTarget      = envPrefix + "TARGET"
	envDeletes     = envPrefix + "DELETES"
	envForeign     = envPrefix + "FOREIGN"
	envConcurrency = envPrefix + "CONCURRENCY"
	envTimeout     = envPrefix + "TIMEOUT"
	envLogLevel    = envPrefix + "LOG_LEVEL"
	envMigration   = envPrefix + "MIGRATION"
	envControl     = envPrefix + "CONTROL"
	envDirection   = envPrefix + "DIRECTION"
	envLogFormat   = envPrefix + "LOG_FORMAT"
	envMetrics     = envPrefix + "METRICS"
	envDeadLetter  = envPrefix + "DEAD_LETTER"

	maxConcurrency = 1024
	maxTimeout     = 24 * time.Hour
	maxName        = 40
)

// FromEnv reads the configuration of a function. lookup is os.LookupEnv or its
// like, environ the whole environment as of os.Environ, in which a CROSSFADE_
// variable that is not known is an error: a misspelt policy must not be a
// silent default. An empty variable counts as unset. All that is wrong is
// returned, one line each.
func FromEnv(lookup func(string) (string, bool), environ []string) (Function, error) {
	f := Function{Deletes: true, Concurrency: 16, LogLevel: slog.LevelInfo}
	parsers := map[string]func(string) error{
		envSource:      location(&f.Source),
		envTarget:      location(&f.Target),
		envDeletes:     boolean(&f.Deletes),
		envForeign:     func(s string) (err error) { f.Foreign, err = replicate.ParseForeign(s); return err },
		envConcurrency: number(&f.Concurrency, 1, maxConcurrency),
		envTimeout:     duration(&f.Timeout, time.Second, maxTimeout),
		envLogLevel:    level(&f.LogLevel),
		envMigration:   migrationName(&f.Migration),
		envControl:     location(&f.Control),
		envDirection:   direction(&f.Reverse),
		envLogFormat:   choice(&f.LogFormat, "a log format", LogJSON, LogGCP),
		envMetrics:     choice(&f.Metrics, "a way for metrics", MetricsNone, MetricsEMF, MetricsOTLP),
		envDeadLetter:  queue(&f.DeadLetter),
	}
	var known []string
	for _, v := range Variables() {
		known = append(known, v.Name)
	}
	slices.Sort(known)

	var errs []error
	given, ok := map[string]bool{}, map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(parsers)) {
		value, _ := lookup(name)
		value = strings.TrimSpace(value)
		given[name] = value != ""
		if value == "" {
			if name == envSource || name == envTarget {
				errs = append(errs, fmt.Errorf("%s is not set: set it to a store URL, such as s3://bucket/prefix, gs://bucket or az://container", name))
			}
			continue
		}
		if err := parsers[name](value); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			continue
		}
		ok[name] = true
	}
	errs = append(errs, unknown(environ, known)...)
	if ok[envSource] && ok[envTarget] {
		errs = append(errs, distinct(f.Source, f.Target))
	}
	errs = append(errs, f.migrating(given, ok)...)
	return f, errors.Join(errs...)
}

// migrating checks what belongs to a migration, and completes it. given are the
// variables that are set, ok those that are right.
func (f *Function) migrating(given, ok map[string]bool) (errs []error) {
	original, at, copied := f.Source, envSource, f.Target
	if f.Reverse {
		original, at, copied = f.Target, envTarget, f.Source
	}
	switch {
	case !given[envMigration]:
		if given[envControl] {
			errs = append(errs, fmt.Errorf("%s is set without %s: set that to the migration's name, or remove this", envControl, envMigration))
		}
		if f.Reverse {
			errs = append(errs, fmt.Errorf("%s is reverse without %s: set that to the migration's name, for a function that carries writes back asks the migration whether it may", envDirection, envMigration))
		}
	case !given[envControl]:
		f.Control = copied
	case ok[envControl] && ok[at] && f.Control.within(original):
		errs = append(errs, fmt.Errorf("%s %s lies in %s %s: choose a place outside of the migration's source, such as its target", envControl, f.Control, at, original))
	}
	return errs
}

// distinct complains of a source and a target that share objects.
func distinct(source, target Location) error {
	if source.Overlaps(target) {
		return fmt.Errorf("%s %s and %s %s hold the same objects: choose two stores, or two prefixes of which neither is within the other",
			envSource, source, envTarget, target)
	}
	return nil
}

// unknown complains of CROSSFADE_ variables that are not known.
func unknown(environ, known []string) (errs []error) {
	for _, entry := range environ {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, envPrefix) && !slices.Contains(known, name) {
			likely := nearest(name, known)
			if strings.ContainsFunc(name, unicode.IsControl) || !utf8.ValidString(name) { // a line for each mistake
				name = strconv.Quote(name)
			}
			errs = append(errs, fmt.Errorf("%s is not known: did you mean %s? Remove it or correct its name", name, likely))
		}
	}
	return errs
}

func location(to *Location) func(string) error {
	return func(s string) (err error) {
		*to, err = ParseLocation(s)
		return err
	}
}

func boolean(to *bool) func(string) error {
	return func(s string) error {
		b, err := strconv.ParseBool(s)
		if err != nil {
			return fmt.Errorf("%q is neither true nor false: write one of them", s)
		}
		*to = b
		return nil
	}
}

func number(to *int, lowest, highest int) func(string) error {
	return func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < lowest || n > highest {
			return fmt.Errorf("%q is not a whole number from %d to %d: write one", s, lowest, highest)
		}
		*to = n
		return nil
	}
}

func duration(to *time.Duration, lowest, highest time.Duration) func(string) error {
	return func(s string) error {
		d, err := time.ParseDuration(s)
		if err != nil || d < lowest || d > highest {
			return fmt.Errorf("%q is not a duration from %s to %s: write it with its unit, such as 60s or 9m", s, lowest, highest)
		}
		*to = d
		return nil
	}
}

// migrationName accepts what can name a directory and a document everywhere.
func migrationName(to *string) func(string) error {
	return func(s string) error {
		ok := s != "" && len(s) <= maxName && s[0] != '-'
		for _, c := range []byte(s) {
			ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-')
		}
		if !ok {
			return fmt.Errorf("%q is no name for a migration: write 1 to %d of a-z, 0-9 and -, and no - first", s, maxName)
		}
		*to = s
		return nil
	}
}

func direction(reverse *bool) func(string) error {
	return func(s string) error {
		if s != "forward" && s != "reverse" {
			return fmt.Errorf("%q is not a direction: write forward or reverse", s)
		}
		*reverse = s == "reverse"
		return nil
	}
}

// choice accepts one of the values, which are of what.
func choice[T ~string](to *T, what string, values ...T) func(string) error {
	return func(s string) error {
		var names []string
		for _, v := range values {
			if s == string(v) {
				*to = v
				return nil
			}
			names = append(names, string(v))
		}
		last := len(names) - 1
		return fmt.Errorf("%q is not %s: write %s or %s", s, what, strings.Join(names[:last], ", "), names[last])
	}
}

func level(to *slog.Level) func(string) error {
	return func(s string) error {
		for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
			if strings.EqualFold(s, l.String()) {
				*to = l
				return nil
			}
		}
		return fmt.Errorf("%q is not a log level: use debug, info, warn or error", s)
	}
}

// nearest returns the candidate with the least edit distance from s.
func nearest(s string, candidates []string) string {
	best, least := "", -1
	for _, c := range candidates {
		if d := distance(s, c); least < 0 || d < least {
			best, least = c, d
		}
	}
	return best
}

// distance is the number of bytes to insert, remove or replace between a and b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
