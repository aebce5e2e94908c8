package config_test

import (
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/replicate"
)

// fromEnv reads the configuration from variables written NAME=value.
func fromEnv(environ ...string) (config.Function, error) {
	lookup := func(name string) (string, bool) {
		for _, entry := range environ {
			if n, v, _ := strings.Cut(entry, "="); n == name {
				return v, true
			}
		}
		return "", false
	}
	return config.FromEnv(lookup, environ)
}

var pair = []string{"CROSSFADE_SOURCE=s3://photos/in?region=eu-central-1", "CROSSFADE_TARGET=gs://photos-copy"}

func TestFromEnv(t *testing.T) {
	t.Parallel()
	f, err := fromEnv(append([]string{"PATH=/bin", "AWS_REGION=x"}, pair...)...)
	if err != nil {
		t.Fatal(err)
	}
	if f.Source.ID() != "s3://photos/in/" || f.Target.ID() != "gs://photos-copy/" {
		t.Errorf("%s to %s", f.Source, f.Target)
	}
	if f.Source.URL.Query().Get("region") != "eu-central-1" {
		t.Errorf("the region is lost: %s", f.Source.URL)
	}
	if !f.Deletes || f.Foreign != replicate.KeepForeign || f.Concurrency != 16 || f.Timeout != 0 || f.LogLevel != slog.LevelInfo || f.LogFormat != "" || f.Metrics != "" {
		t.Errorf("defaults: %+v", f)
	}
	f, err = fromEnv(append([]string{
		"CROSSFADE_DELETES=false", "CROSSFADE_FOREIGN=adopt", "CROSSFADE_CONCURRENCY=4", "CROSSFADE_TIMEOUT=9m", "CROSSFADE_LOG_LEVEL=Warn",
		"CROSSFADE_LOG_FORMAT=gcp", "CROSSFADE_METRICS=emf", "CROSSFADE_DEAD_LETTER=" + deadLetter,
	}, pair...)...)
	if err != nil {
		t.Fatal(err)
	}
	if f.Deletes || f.Foreign != replicate.AdoptForeign || f.Concurrency != 4 || f.Timeout != 9*time.Minute || f.LogLevel != slog.LevelWarn ||
		f.LogFormat != config.LogGCP || f.Metrics != config.MetricsEMF || f.DeadLetter != deadLetter {
		t.Errorf("settings: %+v", f)
	}
}

const deadLetter = "https://sqs.eu-central-1.amazonaws.com/123456789012/crossfade-dead"

// What a function is told of its migration.
func TestFromEnvMigration(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		env     []string
		control string
		reverse bool
	}{
		{"", nil, "", false},
		{"", []string{"CROSSFADE_DIRECTION=forward", "CROSSFADE_MIGRATION= "}, "", false},
		{"shop-1", []string{"CROSSFADE_MIGRATION=shop-1"}, "gs://photos-copy/", false},
		{"shop", []string{"CROSSFADE_MIGRATION=shop", "CROSSFADE_DIRECTION=forward", "CROSSFADE_CONTROL=gs://ops/x"}, "gs://ops/x/", false},
		// In reverse the migration's target is the function's source.
		{"shop", []string{"CROSSFADE_MIGRATION=shop", "CROSSFADE_DIRECTION=reverse"}, "s3://photos/in/", true},
		// Beside the source is not in it.
		{"shop", []string{"CROSSFADE_MIGRATION=shop", "CROSSFADE_CONTROL=s3://photos"}, "s3://photos/", false},
	} {
		f, err := fromEnv(append(c.env, pair...)...)
		if err != nil || f.Migration != c.name || f.Control.ID() != c.control || f.Reverse != c.reverse {
			t.Errorf("%q: %+v, %v", c.env, f, err)
		}
	}
}

// Each wrong value is one line that names the variable, the value and the
// remedy.
func TestFromEnvErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		env  []string
		want []string // parts of the line
	}{
		{"no source", pair[1:], []string{"CROSSFADE_SOURCE is not set", "s3://bucket"}},
		{"empty target", []string{pair[0], "CROSSFADE_TARGET= "}, []string{"CROSSFADE_TARGET is not set"}},
		{"source no URL", []string{"CROSSFADE_SOURCE=photos", pair[1]}, []string{"CROSSFADE_SOURCE: ", `"photos"`, "s3://bucket"}},
		{"target of another scheme", []string{pair[0], "CROSSFADE_TARGET=gcs://x"}, []string{"CROSSFADE_TARGET: ", "gcs", "gs://"}},
		{"deletes", append([]string{"CROSSFADE_DELETES=maybe"}, pair...), []string{`CROSSFADE_DELETES: "maybe"`, "true"}},
		{"foreign", append([]string{"CROSSFADE_FOREIGN=delete"}, pair...), []string{`CROSSFADE_FOREIGN: "delete"`, "keep, adopt or overwrite"}},
		{"concurrency zero", append([]string{"CROSSFADE_CONCURRENCY=0"}, pair...), []string{`CROSSFADE_CONCURRENCY: "0"`, "from 1 to 1024"}},
		{"concurrency no number", append([]string{"CROSSFADE_CONCURRENCY=many"}, pair...), []string{`CROSSFADE_CONCURRENCY: "many"`}},
		{"timeout without unit", append([]string{"CROSSFADE_TIMEOUT=60"}, pair...), []string{`CROSSFADE_TIMEOUT: "60"`, "60s"}},
		{"timeout negative", append([]string{"CROSSFADE_TIMEOUT=-5m"}, pair...), []string{`CROSSFADE_TIMEOUT: "-5m"`}},
		{"log level", append([]string{"CROSSFADE_LOG_LEVEL=verbose"}, pair...), []string{`CROSSFADE_LOG_LEVEL: "verbose"`, "debug, info, warn or error"}},
		{"log format", append([]string{"CROSSFADE_LOG_FORMAT=text"}, pair...), []string{`CROSSFADE_LOG_FORMAT: "text"`, "json or gcp"}},
		{"metrics", append([]string{"CROSSFADE_METRICS=statsd"}, pair...), []string{`CROSSFADE_METRICS: "statsd"`, "none, emf or otlp"}},
		{"dead letters by an ARN", append([]string{"CROSSFADE_DEAD_LETTER=arn:aws:sqs:eu-central-1:123456789012:dead"}, pair...), []string{"CROSSFADE_DEAD_LETTER: ", `"arn:aws:sqs:eu-central-1:123456789012:dead"`, "the URL of a queue"}},
		{"dead letters without an account", append([]string{"CROSSFADE_DEAD_LETTER=https://sqs.eu-central-1.amazonaws.com/dead"}, pair...), []string{"names no account and queue"}},
		{"misspelt", append([]string{"CROSSFADE_DELETE=false"}, pair...), []string{"CROSSFADE_DELETE is not known", "CROSSFADE_DELETES"}},
		{"misspelt, empty", append([]string{"CROSSFADE_FOREIGNS="}, pair...), []string{"CROSSFADE_FOREIGNS is not known", "CROSSFADE_FOREIGN"}},
		{"same store", []string{pair[0], "CROSSFADE_TARGET=s3://photos/in/"}, []string{"s3://photos/in/", "hold the same objects"}},
		{"target within source", []string{pair[0], "CROSSFADE_TARGET=s3://photos/in/copy"}, []string{"hold the same objects"}},
		{"name", append([]string{"CROSSFADE_MIGRATION=Shop"}, pair...), []string{`CROSSFADE_MIGRATION: "Shop"`, "a-z, 0-9 and -"}},
		{"name with a dash first", append([]string{"CROSSFADE_MIGRATION=-shop"}, pair...), []string{`CROSSFADE_MIGRATION: "-shop"`}},
		{"long name", append([]string{"CROSSFADE_MIGRATION=" + strings.Repeat("x", 41)}, pair...), []string{"CROSSFADE_MIGRATION: ", "1 to 40"}},
		{"control without migration", append([]string{"CROSSFADE_CONTROL=gs://ops"}, pair...), []string{"CROSSFADE_CONTROL is set without CROSSFADE_MIGRATION"}},
		{"control no URL", append([]string{"CROSSFADE_CONTROL=ops", "CROSSFADE_MIGRATION=shop"}, pair...), []string{"CROSSFADE_CONTROL: ", `"ops"`}},
		{"control in source", append([]string{"CROSSFADE_CONTROL=s3://photos/in/ops", "CROSSFADE_MIGRATION=shop"}, pair...), []string{"CROSSFADE_CONTROL s3://photos/in/ops/ lies in CROSSFADE_SOURCE s3://photos/in/"}},
		{"control in the migration's source, in reverse", append([]string{"CROSSFADE_CONTROL=gs://photos-copy", "CROSSFADE_MIGRATION=shop", "CROSSFADE_DIRECTION=reverse"}, pair...), []string{"lies in CROSSFADE_TARGET"}},
		{"direction", append([]string{"CROSSFADE_DIRECTION=back", "CROSSFADE_MIGRATION=shop"}, pair...), []string{`CROSSFADE_DIRECTION: "back"`, "forward or reverse"}},
		{"reverse without migration", append([]string{"CROSSFADE_DIRECTION=reverse"}, pair...), []string{"CROSSFADE_DIRECTION is reverse without CROSSFADE_MIGRATION"}},
		{"source within target", []string{pair[0], "CROSSFADE_TARGET=s3://photos"}, []string{"hold the same objects"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := fromEnv(c.env...)
			if err == nil {
				t.Fatal("accepted")
			}
			if n := strings.Count(err.Error(), "\n"); n != 0 {
				t.Errorf("%d lines: %v", n+1, err)
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q lacks %q", err, part)
				}
			}
		})
	}
}

// All that is wrong is told at once.
func TestFromEnvJoinsErrors(t *testing.T) {
	t.Parallel()
	_, err := fromEnv("CROSSFADE_DELETES=x", "CROSSFADE_FOREIGN=y", "CROSSFADE_TIMEOUT=z", "CROSSFADE_TYPO=1")
	if err == nil {
		t.Fatal("accepted")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 6 { // with source and target
		t.Errorf("%d lines:\n%v", len(lines), err)
	}
	for _, name := range []string{"SOURCE", "TARGET", "DELETES", "FOREIGN", "TIMEOUT", "TYPO"} {
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "CROSSFADE_"+name) }) {
			t.Errorf("nothing of %s:\n%v", name, err)
		}
	}
}

// Neighbours by prefix are two stores.
func TestFromEnvNeighbours(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"s3://photos/in2", "s3://photos/out", "s3://photos2/in", "gs://photos/in"} {
		if _, err := fromEnv(pair[0], "CROSSFADE_TARGET="+target); err != nil {
			t.Errorf("%s: %v", target, err)
		}
	}
}

// A credential that someone put into a URL is not repeated.
func TestFromEnvSecrets(t *testing.T) {
	t.Parallel()
	_, err := fromEnv(
		"CROSSFADE_SOURCE=s3://key:hunter2@photos", "CROSSFADE_TARGET=https://account.example.net/c?sv=1&sig=hunter2")
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
}

// One mistake in a known name, and it is the one that is suggested.
func TestFromEnvSuggests(t *testing.T) {
	t.Parallel()
	known := []string{"SOURCE", "TARGET", "DELETES", "FOREIGN", "CONCURRENCY", "TIMEOUT", "LOG_LEVEL", "MIGRATION", "CONTROL", "DIRECTION", "LOG_FORMAT", "METRICS"}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(known).Draw(t, "name")
		at := rapid.IntRange(0, len(name)-1).Draw(t, "at")
		var typo string
		switch rapid.IntRange(0, 2).Draw(t, "mistake") {
		case 0:
			typo = name[:at] + name[at+1:]
		case 1:
			typo = name[:at] + "X" + name[at:]
		default:
			typo = name[:at] + "X" + name[at+1:]
		}
		_, err := fromEnv(append([]string{"CROSSFADE_" + typo + "=1"}, pair...)...)
		if err == nil || !strings.Contains(err.Error(), "did you mean CROSSFADE_"+name+"?") {
			t.Fatalf("%s: %v", typo, err)
		}
	})
}
