package config

import (
	"fmt"
	"strings"
)

// finish checks what no field can say alone, and puts the parts together.
func (l *loading) finish() {
	d := l.draft
	for _, path := range []string{"name", "source", "target"} {
		if !l.has(path) {
			want := map[string]string{"name": "such as name: shop-uploads", "source": "such as source: s3://bucket/prefix", "target": "such as target: gs://bucket"}[path]
			l.add(place{line: l.doc.lines[""]}, path, "is not set: write one, %s", want)
		}
	}
	if !l.has("control") {
		d.Control = d.Target
	}
	l.apart()
	d.timeoutAssumed = !l.has("functions.timeout")
	l.finishBacklog()
	c := &d.Cutover
	c.Freeze.Hook = l.finishHook("cutover.freeze.hook", &d.freeze)
	c.Unfreeze = l.finishHook("cutover.unfreeze", &d.unfreeze)
	c.Switch = l.finishHook("cutover.switch", &d.switchover)
	l.finishFreeze()
	l.finishRun()
}

// apart keeps source, target and control documents apart.
func (l *loading) apart() {
	d := l.draft
	if l.right("source", "target") && d.Source.Overlaps(d.Target) {
		l.add(l.at("target"), "target", "%s and source %s hold the same objects: choose two stores, or two prefixes of which neither is within the other",
			l.told("target", d.Target), l.told("source", d.Source))
		return
	}
	if l.right("source", "control") && d.Control.within(d.Source) {
		l.add(l.at("control"), "control", "%s lies in the source %s: choose a place outside, such as the target", l.told("control", d.Control), l.told("source", d.Source))
	}
}

func (l *loading) finishBacklog() {
	if !l.any("backlog") || l.wrong["backlog"] {
		return
	}
	l.draft.Backlog = &l.draft.backlog
	l.oneOf("backlog", "command", "sqs")
}

// finishHook returns the hook at path, nil if nothing is said of it.
func (l *loading) finishHook(path string, h *Hook) *Hook {
	if !l.any(path) || l.wrong[path] {
		return nil
	}
	l.oneOf(path, "command", "webhook")
	if l.has(path+".headers") && !l.has(path+".webhook") {
		l.add(l.at(path+".headers"), path+".headers", "belong to a webhook: give one, or remove the headers")
	}
	return h
}

// finishFreeze holds the mode of the freeze against what else is said of it.
func (l *loading) finishFreeze() {
	const freeze = "cutover.freeze"
	d, f := l.draft, &l.draft.Cutover.Freeze
	if l.wrong[freeze+".mode"] {
		return
	}
	needs := func(mode FreezeMode, path, what string) {
		switch {
		case f.Mode == mode && !l.any(path):
			l.add(l.at(freeze), path, "is not set: mode %s needs %s", mode, what)
		case f.Mode != mode && l.any(path) && strings.HasPrefix(path, freeze):
			l.add(l.at(path), path, "is for mode %s, and the mode is %s: set %s.mode to %[1]s, or remove this", mode, f.Mode, freeze)
		}
	}
	needs(FreezeHook, freeze+".hook", "a hook that stops the writers")
	needs(FreezeHook, "cutover.unfreeze", "a hook that lets them write again")
	needs(FreezeS3Policy, freeze+".except", "the principals that may still write, at least crossfade's own")
	needs(FreezeS3Policy, freeze+".probe", "the source with the application's credentials, to see that they are refused")
	if f.Mode != FreezeS3Policy {
		return
	}
	if l.right(freeze+".except") && len(f.Except) == 0 {
		l.add(l.at(freeze+".except"), freeze+".except", "is empty, and crossfade itself could not write: %s", wantPrincipal)
	}
	if !l.right("source") {
		return
	}
	if d.Source.Scheme != "s3" {
		l.add(l.at(freeze+".mode"), freeze+".mode", "s3-policy is for sources on S3, and this one is %s: use hook or none", l.told("source", d.Source))
		return
	}
	if p := f.Probe; l.right(freeze + ".probe") {
		said := l.told(freeze+".probe", p)
		switch {
		case !p.within(d.Source):
			l.add(l.at(freeze+".probe"), freeze+".probe", "%s is not in the source %s: write the source's URL with the application's credentials, such as ?profile=app", said, l.told("source", d.Source))
		case p.URL.Query().Get("profile") == d.Source.URL.Query().Get("profile"):
			l.add(l.at(freeze+".probe"), freeze+".probe", "%s has the credentials of the source, which are not refused: name the application's, such as ?profile=app", said)
		}
	}
}

// oneOf requires exactly one of two fields of a section.
func (l *loading) oneOf(section, a, b string) {
	switch hasA, hasB := l.has(section+"."+a), l.has(section+"."+b); {
	case hasA && hasB:
		l.add(l.at(section+"."+b), section, "has both %s and %s: keep one", a, b)
	case !hasA && !hasB:
		l.add(l.at(section), section, "has neither %s nor %s: give one of them, or remove the section", a, b)
	case hasA && len(l.doc.items[section+"."+a]) == 0 && !l.wrong[section+"."+a]:
		l.add(l.at(section+"."+a), section+"."+a, "is empty: %s", l.fields[section+"."+a].want)
	}
}

// has reports whether a field is given, be it wrong.
func (l *loading) has(path string) bool { return l.doc.items[path] != nil }

// any reports whether a section, a field or a field below it is given.
func (l *loading) any(path string) bool {
	if _, ok := l.doc.lines[path]; ok || l.has(path) {
		return true
	}
	for p := range l.doc.items {
		if strings.HasPrefix(p, path+".") { // by the environment alone
			return true
		}
	}
	return false
}

// right reports whether all of these are given and accepted.
func (l *loading) right(paths ...string) bool {
	for _, p := range paths {
		if !l.has(p) || l.wrong[p] {
			return false
		}
	}
	return true
}

// at is the place of a field or section, or of the nearest section around it.
func (l *loading) at(path string) place {
	if items := l.doc.items[path]; len(items) > 0 {
		return items[0].at
	}
	for {
		if line, ok := l.doc.lines[path]; ok {
			return place{line: line}
		}
		path = path[:max(0, strings.LastIndexByte(path, '.'))]
	}
}

// told is a location as messages may name it: as the file does where it has
// something of the environment.
func (l *loading) told(path string, where Location) string {
	if it := l.doc.items[path][0]; it.expanded {
		return quoted(it.raw)
	}
	return where.ID()
}

func element(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }
