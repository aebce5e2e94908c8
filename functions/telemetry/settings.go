package telemetry

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/crossfade-io/crossfade/config"
)

// Settings say what is to be measured, and where it goes.
type Settings struct {
	EMF bool // metrics as documents in the log

	// MetricsURL and TracesURL are where OpenTelemetry's protocol sends metrics
	// and spans, "" for not at all.
	MetricsURL, TracesURL string
}

// The variables of OpenTelemetry that decide whether there is anything to send,
// and where to. The exporters read the others: headers, certificates, timeouts,
// sampling, the interval, attributes of the resource.
const (
	envDisabled = "OTEL_SDK_DISABLED"
	envMetrics  = "CROSSFADE_METRICS"

	envAttributes = "OTEL_RESOURCE_ATTRIBUTES"

	envEndpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	envProtocol = "OTEL_EXPORTER_OTLP_PROTOCOL"

	// collector is where one listens unless told otherwise.
	collector = "http://localhost:4318"
)

// signal is metrics or traces, and the variables that are about it.
type signal struct {
	path                         string
	exporter, endpoint, protocol string
}

func metricsSignal() signal {
	return signal{"/v1/metrics", "OTEL_METRICS_EXPORTER", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL"}
}

func tracesSignal() signal {
	return signal{"/v1/traces", "OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"}
}

// FromEnv reads the settings: metrics as CROSSFADE_METRICS says, and where that
// is not set, and for traces, what OpenTelemetry's own variables ask for. Nothing
// is measured unless one of them does. What is wrong or contradictory is
// returned, one line each.
func FromEnv(lookup func(string) (string, bool), metrics config.Metrics) (Settings, error) {
	e := environment{lookup: lookup, disabled: strings.EqualFold(get(lookup, envDisabled), "true")}
	s := Settings{EMF: metrics == config.MetricsEMF}
	m := metricsSignal()
	switch asked := e.get(m.exporter); {
	case metrics == config.MetricsOTLP && e.disabled:
		e.fail("%s is otlp, but %s is true: remove one of them", envMetrics, envDisabled)
	case metrics == config.MetricsOTLP && asked == "none", (metrics == config.MetricsEMF || metrics == config.MetricsNone) && asked == "otlp":
		e.fail("%s is %s, but %s is %s: remove one of them", envMetrics, metrics, m.exporter, asked)
	case metrics == config.MetricsOTLP:
		s.MetricsURL = e.url(m, true)
	case metrics == "":
		s.MetricsURL = e.url(m, false)
	}
	s.TracesURL = e.url(tracesSignal(), false)
	if s.MetricsURL != "" || s.TracesURL != "" {
		e.attributes()
	}
	return s, errors.Join(e.errs...)
}

func get(lookup func(string) (string, bool), name string) string {
	v, _ := lookup(name)
	return strings.TrimSpace(v)
}

// environment is the one to read, and what is wrong with it.
type environment struct {
	lookup   func(string) (string, bool)
	disabled bool
	errs     []error
}

func (e *environment) get(name string) string { return get(e.lookup, name) }

func (e *environment) fail(format string, args ...any) {
	e.errs = append(e.errs, fmt.Errorf(format, args...))
}

// attributes checks those of the resource.
func (e *environment) attributes() {
	all := e.get(envAttributes)
	if all == "" {
		return
	}
	for item := range strings.SplitSeq(all, ",") {
		if !strings.Contains(item, "=") {
			e.fail("%s: %q is no attribute: write name=value, with commas between them", envAttributes, item)
			return
		}
	}
}

// url is where a signal is sent, "" for not at all. wanted says that it is asked
// for elsewhere.
func (e *environment) url(s signal, wanted bool) string {
	if e.disabled {
		return ""
	}
	own, all := e.get(s.endpoint), e.get(envEndpoint)
	switch asked := e.get(s.exporter); asked {
	case "":
		wanted = wanted || own != "" || all != ""
	case "otlp":
		wanted = true
	case "none":
	default:
		e.fail("%s: %q is not to be had: write otlp or none", s.exporter, asked)
		return ""
	}
	if !wanted {
		return ""
	}
	for _, name := range []string{s.protocol, envProtocol} {
		if p := e.get(name); p == "http/protobuf" {
			break
		} else if p != "" {
			e.fail("%s: %q is not to be had: write http/protobuf, and an endpoint that takes it (port 4318)", name, p)
			return ""
		}
	}
	switch {
	case own != "":
		return e.checked(s.endpoint, own, "")
	case all != "":
		return e.checked(envEndpoint, all, s.path)
	default:
		return collector + s.path
	}
}

// checked is the URL that a variable holds, with path behind it. It is not
// repeated where it is wrong: it may hold a token.
func (e *environment) checked(name, value, path string) string {
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		e.fail("%s is no http:// or https:// URL: write one, such as %s", name, collector)
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		e.fail("%s has a user, a query or a fragment, which are not sent: put credentials into OTEL_EXPORTER_OTLP_HEADERS", name)
	default:
		u.Path = strings.TrimSuffix(u.Path, "/") + path
		return u.String()
	}
	return ""
}
