package config

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/crossfade-io/crossfade/replicate"
)

// kind is the form of a field's value.
type kind int

const (
	text     kind = iota // one text
	truth                // true or false
	count                // a whole number
	list                 // of texts
	mapping              // of names to texts
	sections             // a list of sections
)

// field is a field of the file: where it is, what it takes, and how it is set.
type field struct {
	path   string
	kind   kind
	secret bool   // the value is told to nobody
	want   string // what to write, for messages that may not tell the value
	set    func(item) error

	element func(path string) []*field // of a list of sections: the fields of one more
}

// draft is a migration on its way, with room for what may not be there.
type draft struct {
	Migration
	backlog                      Backlog
	freeze, unfreeze, switchover Hook
	run                          runDraft
}

const (
	shortest = time.Millisecond
	longest  = 24 * time.Hour
	wantURL  = "write a store URL: " + forms
)

// newDraft has the defaults.
func newDraft() *draft {
	hook := Hook{Timeout: 10 * time.Second}
	return &draft{
		Migration: Migration{
			Deletes: true, Concurrency: 64, FunctionTimeout: 15 * time.Minute,
			Cutover: Cutover{MaxFreeze: 10 * time.Second, MaxLag: 5 * time.Second, Freeze: Freeze{Mode: FreezeNone}},
		},
		backlog: Backlog{Timeout: 5 * time.Second},
		freeze:  hook, unfreeze: hook, switchover: hook,
		run: newRunDraft(),
	}
}

// fields lists every field, bound to d. globs check patterns.
func (d *draft) fields(globs []func(string) error) []*field {
	c, f := &d.Cutover, &d.Cutover.Freeze
	return slices.Concat([]*field{
		{path: "name", want: fmt.Sprintf("write 1 to %d of a-z, 0-9 and -, and no - first", maxName), set: of(migrationName(&d.Name))},
		end("source", &d.Source),
		end("target", &d.Target),
		end("control", &d.Control),
		patterns("include", &d.Include, globs),
		patterns("exclude", &d.Exclude, globs),
		{path: "deletes", kind: truth, want: "write true or false", set: of(boolean(&d.Deletes))},
		{path: "foreign", want: "write keep, adopt or overwrite", set: func(it item) (err error) { d.Foreign, err = replicate.ParseForeign(it.text); return err }},
		whole("concurrency", &d.Concurrency, 1, maxConcurrency),
		span("functions.timeout", &d.FunctionTimeout),
		argument("backlog.command", &d.backlog.Command),
		{path: "backlog.sqs", want: wantQueue, set: of(queue(&d.backlog.SQS))},
		span("backlog.timeout", &d.backlog.Timeout),
		span("cutover.max_freeze", &c.MaxFreeze),
		span("cutover.max_lag", &c.MaxLag),
		whole("cutover.max_errors", &c.MaxErrors, 0, 1_000_000_000),
		{path: "cutover.freeze.mode", want: "write none, hook or s3-policy", set: of(mode(&f.Mode))},
		{path: "cutover.freeze.except", kind: list, want: wantPrincipal, set: of(principal(&f.Except))},
		end("cutover.freeze.probe", &f.Probe),
	}, hook("cutover.freeze.hook", &d.freeze), hook("cutover.unfreeze", &d.unfreeze), hook("cutover.switch", &d.switchover), d.run.fields())
}

func hook(path string, h *Hook) []*field {
	return []*field{
		argument(path+".command", &h.Command),
		{path: path + ".webhook", secret: true, want: "write an http or https URL, such as https://host/path", set: webhook(&h.Webhook)},
		{path: path + ".headers", kind: mapping, secret: true, want: "write one line of printable characters, in quotes", set: header(h)},
		span(path+".timeout", &h.Timeout),
	}
}

// of adapts a parser of texts.
func of(parse func(string) error) func(item) error {
	return func(it item) error { return parse(it.text) }
}

func end(path string, to *Location) *field {
	return &field{path: path, want: wantURL, set: of(location(to))}
}

func span(path string, to *time.Duration) *field {
	want := fmt.Sprintf("write a duration from %s to %s with its unit, such as 10s or 15m", shortest, longest)
	return &field{path: path, want: want, set: of(duration(to, shortest, longest))}
}

func whole(path string, to *int, lowest, highest int) *field {
	want := fmt.Sprintf("write a whole number from %d to %d", lowest, highest)
	return &field{path: path, kind: count, want: want, set: of(number(to, lowest, highest))}
}

func patterns(path string, to *[]string, globs []func(string) error) *field {
	return &field{path: path, kind: list, want: "write globs, such as '**/*.jpg'", set: func(it item) error {
		for _, check := range globs {
			if err := check(it.text); err != nil {
				return err
			}
		}
		*to = append(*to, it.text)
		return nil
	}}
}

// argument appends one argument of a command. Of what the environment gave, only
// the name of the variable is ever told.
func argument(path string, to *[]Secret) *field {
	return &field{path: path, kind: list, want: "write a program and its arguments, such as [./switch.sh, --now]", set: func(it item) error {
		if strings.ContainsRune(it.text, 0) || it.text == "" && len(*to) == 0 {
			return errors.New("the program's name is empty, or an argument has a NUL byte: write a program and its arguments, such as [./switch.sh, --now]")
		}
		*to = append(*to, Secret{value: &it.text, shown: &it.raw})
		return nil
	}}
}

func mode(to *FreezeMode) func(string) error {
	return func(s string) error {
		m := FreezeMode(s)
		if m != FreezeNone && m != FreezeHook && m != FreezeS3Policy {
			return fmt.Errorf("%q is not a mode: write none, hook or s3-policy", s)
		}
		*to = m
		return nil
	}
}

const wantPrincipal = "write ARNs of roles or users that may still write, such as arn:aws:iam::123456789012:role/crossfade"

func principal(to *[]string) func(string) error {
	return func(s string) error {
		p := strings.SplitN(s, ":", 6)
		kind := ""
		if len(p) == 6 {
			kind, _, _ = strings.Cut(p[5], "/")
		}
		switch {
		case len(p) < 6 || p[0] != "arn" || !strings.HasPrefix(p[1], "aws") || strings.ContainsAny(s, " \t\r\n\""):
			return fmt.Errorf("%q is not an ARN: %s", s, wantPrincipal)
		case p[2] == "sts" && kind == "assumed-role":
			return fmt.Errorf("%q is a session, which no policy sees: write the ARN of its role, such as arn:aws:iam::123456789012:role/crossfade", s)
		case p[2] != "iam" && p[2] != "sts" || p[4] == "" || strings.ContainsAny(p[4], "*?") || p[5] == "" || p[5] == "*":
			return fmt.Errorf("%q names no principal of one account: %s", s, wantPrincipal)
		}
		*to = append(*to, s)
		return nil
	}
}

const wantQueue = "write the URL of an SQS queue, such as https://sqs.eu-central-1.amazonaws.com/123456789012/crossfade"

func queue(to *string) func(string) error {
	return func(s string) error {
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return fmt.Errorf("%q is not the URL of a queue: %s", redact(s), wantQueue)
		}
		account, name, _ := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
		if account == "" || name == "" || strings.Contains(name, "/") {
			return fmt.Errorf("%q names no account and queue: %s", redact(s), wantQueue)
		}
		*to = s
		return nil
	}
}

// takes reports whether a value that YAML takes for a tag has the field's type.
func (f *field) takes(tag string) bool {
	switch f.kind {
	case truth:
		return tag == "!!bool"
	case count:
		return tag == "!!int"
	default:
		return tag == "!!str"
	}
}

// wrongType says what is wrong with a value of another type.
func (f *field) wrongType(n *yaml.Node) string {
	value := ""
	if !f.secret {
		value = quoted(n.Value) + " "
	}
	is := map[string]string{"!!bool": "a truth value", "!!int": "a number", "!!float": "a number", "!!timestamp": "a date"}[n.ShortTag()]
	switch {
	case is == "":
		is = "a text"
	case f.kind == list || f.kind == mapping:
		return value + "is " + is + " to YAML, and a text is expected: put it in quotes"
	}
	return value + "is " + is + " to YAML: " + f.want
}
