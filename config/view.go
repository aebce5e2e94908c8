package config

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// view is what may be shown of a migration: the file as it was resolved, with
// the names of the file.
type view struct {
	Name        string    `json:"name" yaml:"name"`
	Source      string    `json:"source" yaml:"source"`
	Target      string    `json:"target" yaml:"target"`
	Control     string    `json:"control" yaml:"control"`
	Include     []string  `json:"include" yaml:"include,flow"`
	Exclude     []string  `json:"exclude" yaml:"exclude,flow"`
	Deletes     bool      `json:"deletes" yaml:"deletes"`
	Foreign     string    `json:"foreign" yaml:"foreign"`
	Concurrency int       `json:"concurrency" yaml:"concurrency"`
	Functions   functions `json:"functions" yaml:"functions"`
	Backlog     *backlog  `json:"backlog,omitempty" yaml:"backlog,omitempty"`
	Cutover     cutover   `json:"cutover" yaml:"cutover"`
	Run         *runView  `json:"run,omitempty" yaml:"run,omitempty"`
}

type functions struct {
	Timeout string `json:"timeout" yaml:"timeout"`
}

type backlog struct {
	Command []Secret `json:"command,omitempty" yaml:"command,flow,omitempty"`
	SQS     string   `json:"sqs,omitempty" yaml:"sqs,omitempty"`
	Timeout string   `json:"timeout" yaml:"timeout"`
}

type cutover struct {
	MaxFreeze string    `json:"max_freeze" yaml:"max_freeze"`
	MaxLag    string    `json:"max_lag" yaml:"max_lag"`
	MaxErrors int       `json:"max_errors" yaml:"max_errors"`
	Freeze    freeze    `json:"freeze" yaml:"freeze"`
	Unfreeze  *hookView `json:"unfreeze,omitempty" yaml:"unfreeze,omitempty"`
	Switch    *hookView `json:"switch,omitempty" yaml:"switch,omitempty"`
}

type freeze struct {
	Mode   FreezeMode `json:"mode" yaml:"mode"`
	Hook   *hookView  `json:"hook,omitempty" yaml:"hook,omitempty"`
	Except []string   `json:"except,omitempty" yaml:"except,omitempty"`
	Probe  string     `json:"probe,omitempty" yaml:"probe,omitempty"`
}

type hookView struct {
	Command []Secret          `json:"command,omitempty" yaml:"command,flow,omitempty"`
	Webhook string            `json:"webhook,omitempty" yaml:"webhook,omitempty"`
	Headers map[string]Secret `json:"headers,omitempty" yaml:"headers,omitempty"`
	Timeout string            `json:"timeout" yaml:"timeout"`
}

func (m Migration) view() view {
	v := view{
		Name: m.Name, Source: m.Source.ID(), Target: m.Target.ID(), Control: m.Control.ID(),
		Include: append([]string{}, m.Include...), Exclude: append([]string{}, m.Exclude...),
		Deletes: m.Deletes, Foreign: m.Foreign.String(), Concurrency: m.Concurrency,
		Functions: functions{Timeout: m.FunctionTimeout.String()},
		Cutover: cutover{
			MaxFreeze: m.Cutover.MaxFreeze.String(), MaxLag: m.Cutover.MaxLag.String(), MaxErrors: m.Cutover.MaxErrors,
			Freeze: freeze{
				Mode: m.Cutover.Freeze.Mode, Hook: m.Cutover.Freeze.Hook.view(),
				Except: m.Cutover.Freeze.Except, Probe: m.Cutover.Freeze.Probe.ID(),
			},
			Unfreeze: m.Cutover.Unfreeze.view(), Switch: m.Cutover.Switch.view(),
		},
	}
	v.Run = m.Run.view()
	if b := m.Backlog; b != nil {
		v.Backlog = &backlog{Command: b.Command, SQS: b.SQS, Timeout: b.Timeout.String()}
	}
	return v
}

func (h *Hook) view() *hookView {
	if h == nil {
		return nil
	}
	v := &hookView{Command: h.Command, Headers: h.Headers, Timeout: h.Timeout.String()}
	if !h.Webhook.IsZero() {
		v.Webhook = h.Webhook.String()
	}
	return v
}

// MarshalJSON is the migration with the file's names, defaults filled in and
// secrets redacted; store URLs are without their queries.
func (m Migration) MarshalJSON() ([]byte, error) { return json.Marshal(m.view()) }

// MarshalYAML is as MarshalJSON.
func (m Migration) MarshalYAML() (any, error) { return m.view(), nil }

// Text is the migration as YAML, for people.
func (m Migration) Text() (string, error) {
	var b strings.Builder
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	err := errors.Join(e.Encode(m), e.Close())
	return b.String(), err
}

// Digest tells two migrations apart in reports: the SHA-256, in hexadecimal, of
// what MarshalJSON yields and the names of the parameters of store URLs. Of
// secrets only their presence counts.
func (m Migration) Digest() string {
	parameters := [][]string{}
	for _, l := range []Location{m.Source, m.Target, m.Control, m.Cutover.Freeze.Probe} {
		names := []string{}
		if l.URL != nil {
			names = append(names, slices.Sorted(maps.Keys(l.URL.Query()))...)
		}
		parameters = append(parameters, names)
	}
	b, err := json.Marshal(struct {
		Migration  view       `json:"migration"`
		Parameters [][]string `json:"parameters"`
	}{m.view(), parameters})
	if err != nil {
		panic(err) // texts and numbers can be encoded
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Warnings tells, a line each, what is permitted and yet likely not meant.
func (m Migration) Warnings() (lines []string) {
	c := m.Cutover
	if c.Switch == nil {
		lines = append(lines, "cutover.switch: there is no hook that moves the application: a cutover will be refused")
	}
	if c.Freeze.Mode == FreezeNone {
		lines = append(lines, "cutover.freeze.mode: none: what the application writes to the source after the switch is kept and listed, not carried over")
	}
	if m.timeoutAssumed {
		lines = append(lines, "functions.timeout: is not set: a cutover will wait "+m.FunctionTimeout.String()+" after its announcement; write the limit of the functions as deployed")
	}
	if m.Backlog == nil {
		lines = append(lines, "backlog: is not set: a cutover cannot see how many events wait in the queue")
	}
	if c.Switch != nil && c.Switch.Timeout > c.MaxFreeze {
		lines = append(lines, "cutover.switch.timeout: "+c.Switch.Timeout.String()+" is more than max_freeze, "+c.MaxFreeze.String()+": a slow switch ends in an abort")
	}
	for _, h := range []struct {
		path string
		hook *Hook
	}{{"cutover.freeze.hook", c.Freeze.Hook}, {"cutover.unfreeze", c.Unfreeze}, {"cutover.switch", c.Switch}} {
		if h.hook != nil && inClear(h.hook.Webhook.Reveal()) {
			lines = append(lines, h.path+".webhook: http:// sends the request and its headers in clear: use https://")
		}
	}
	return lines
}
