package telemetry_test

import (
	"strings"
	"testing"

	"github.com/crossfade-io/crossfade/config"
	"github.com/crossfade-io/crossfade/functions/telemetry"
)

// from looks variables up that are written NAME=value.
func from(environ ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for _, e := range environ {
			if n, v, _ := strings.Cut(e, "="); n == name {
				return v, true
			}
		}
		return "", false
	}
}

func TestFromEnv(t *testing.T) {
	t.Parallel()
	const (
		endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT=https://otel.example.com/in/"
		metrics  = "https://otel.example.com/in/v1/metrics"
		traces   = "https://otel.example.com/in/v1/traces"
	)
	for _, c := range []struct {
		name    string
		metrics config.Metrics
		env     []string
		want    telemetry.Settings
	}{
		{"nothing", "", nil, telemetry.Settings{}},
		{"others' variables", "", []string{"OTEL_SERVICE_NAME=x", "OTEL_EXPORTER_OTLP_HEADERS=a=b", "OTEL_TRACES_EXPORTER= ", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, telemetry.Settings{}},
		{"none", config.MetricsNone, nil, telemetry.Settings{}},
		{"emf", config.MetricsEMF, nil, telemetry.Settings{EMF: true}},
		{"emf and traces", config.MetricsEMF, []string{endpoint}, telemetry.Settings{EMF: true, TracesURL: traces}},
		{"no metrics, but traces", config.MetricsNone, []string{endpoint}, telemetry.Settings{TracesURL: traces}},
		{"otlp", config.MetricsOTLP, nil, telemetry.Settings{MetricsURL: "http://localhost:4318/v1/metrics"}},
		{"endpoint", "", []string{endpoint}, telemetry.Settings{MetricsURL: metrics, TracesURL: traces}},
		{"endpoint of one", "", []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://localhost:1234"}, telemetry.Settings{TracesURL: "http://localhost:1234"}},
		{"its own endpoint goes first", "", []string{endpoint, "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT=http://localhost:1234/m"}, telemetry.Settings{MetricsURL: "http://localhost:1234/m", TracesURL: traces}},
		{"exporters", "", []string{"OTEL_METRICS_EXPORTER=otlp", "OTEL_TRACES_EXPORTER=otlp"}, telemetry.Settings{MetricsURL: "http://localhost:4318/v1/metrics", TracesURL: "http://localhost:4318/v1/traces"}},
		{"one exporter off", "", []string{endpoint, "OTEL_METRICS_EXPORTER=none"}, telemetry.Settings{TracesURL: traces}},
		{"protocol", "", []string{endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL=http/protobuf", "OTEL_TRACES_EXPORTER=none"}, telemetry.Settings{MetricsURL: metrics}},
		{"disabled", "", []string{endpoint, "OTEL_SDK_DISABLED=TRUE"}, telemetry.Settings{}},
		{"disabled is not for emf", config.MetricsEMF, []string{endpoint, "OTEL_SDK_DISABLED=true"}, telemetry.Settings{EMF: true}},
	} {
		got, err := telemetry.FromEnv(from(c.env...), c.metrics)
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v, want %+v", c.name, got, err, c.want)
		}
	}
}

// What is wrong is named, with the remedy, and no token that may be in it.
func TestFromEnvErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		metrics config.Metrics
		env     []string
		want    []string
	}{
		{"exporter", "", []string{"OTEL_TRACES_EXPORTER=zipkin"}, []string{`OTEL_TRACES_EXPORTER: "zipkin"`, "otlp or none"}},
		{"protocol", "", []string{"OTEL_TRACES_EXPORTER=otlp", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, []string{`OTEL_EXPORTER_OTLP_PROTOCOL: "grpc"`, "http/protobuf"}},
		{"no URL", "", []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=hunter2:4318"}, []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is no http", "http://localhost:4318"}},
		{"not to be parsed", "", []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://x/%hunter2"}, []string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is no http"}},
		{"user", config.MetricsNone, []string{"OTEL_EXPORTER_OTLP_ENDPOINT=https://user:hunter2@example.com"}, []string{"OTEL_EXPORTER_OTLP_ENDPOINT has a user", "OTEL_EXPORTER_OTLP_HEADERS"}},
		{"query", config.MetricsNone, []string{"OTEL_EXPORTER_OTLP_ENDPOINT=https://example.com?token=hunter2"}, []string{"OTEL_EXPORTER_OTLP_ENDPOINT has a user, a query"}},
		{"attributes", config.MetricsOTLP, []string{"OTEL_RESOURCE_ATTRIBUTES=team=storage,prod"}, []string{`OTEL_RESOURCE_ATTRIBUTES: "prod"`, "name=value"}},
		{"otlp and none", config.MetricsOTLP, []string{"OTEL_METRICS_EXPORTER=none"}, []string{"CROSSFADE_METRICS is otlp, but OTEL_METRICS_EXPORTER is none", "remove"}},
		{"emf and otlp", config.MetricsEMF, []string{"OTEL_METRICS_EXPORTER=otlp"}, []string{"CROSSFADE_METRICS is emf, but OTEL_METRICS_EXPORTER is otlp"}},
		{"none and otlp", config.MetricsNone, []string{"OTEL_METRICS_EXPORTER=otlp"}, []string{"CROSSFADE_METRICS is none, but OTEL_METRICS_EXPORTER is otlp"}},
		{"disabled", config.MetricsOTLP, []string{"OTEL_SDK_DISABLED=true"}, []string{"CROSSFADE_METRICS is otlp, but OTEL_SDK_DISABLED is true"}},
	} {
		_, err := telemetry.FromEnv(from(c.env...), c.metrics)
		if err == nil {
			t.Errorf("%s: accepted", c.name)
			continue
		}
		if strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %q", c.name, err)
		}
		for _, part := range c.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q lacks %q", c.name, err, part)
			}
		}
	}
	_, err := telemetry.FromEnv(from("OTEL_TRACES_EXPORTER=x", "OTEL_METRICS_EXPORTER=y"), "")
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("not all is told: %v", err)
	}
}
