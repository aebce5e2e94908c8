package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problems is all that is wrong with a migration's file and environment, one line
// each: the place, the field, the value unless it is secret, and the remedy.
type Problems []string

func (p Problems) Error() string { return strings.Join(p, "\n") }

// maxProblems bounds what is told of a file that is something else altogether.
const maxProblems = 50

// place is a line of the file, or a variable of the environment; with envPrefix
// alone for one that is not known.
type place struct {
	line     int
	variable string
}

// problems collects what is wrong.
type problems struct {
	file string
	list []problem
}

type problem struct {
	at   place
	text string
}

// add notes what is wrong with the field at path. No part of it may hold a line
// end or a secret.
func (p *problems) add(at place, path, format string, args ...any) {
	if p.full() {
		return
	}
	if path != "" {
		path += ": "
	}
	p.list = append(p.list, problem{at, path + fmt.Sprintf(format, args...)})
}

func (p *problems) full() bool { return len(p.list) == maxProblems }

// err returns what was collected in the order of the file, then of the
// environment; nil if there is nothing.
func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	slices.SortStableFunc(p.list, func(a, b problem) int {
		return cmp.Or(strings.Compare(a.at.variable, b.at.variable), cmp.Compare(a.at.line, b.at.line))
	})
	var lines Problems
	for _, q := range p.list {
		switch {
		case q.at.variable == envPrefix: // the text names the variable
			lines = append(lines, q.text)
		case q.at.variable != "":
			lines = append(lines, q.at.variable+": "+q.text)
		case q.at.line > 0:
			lines = append(lines, fmt.Sprintf("%s:%d: %s", p.file, q.at.line, q.text))
		default:
			lines = append(lines, p.file+": "+q.text)
		}
	}
	if p.full() {
		lines = append(lines, p.file+": there may be more: mend these first")
	}
	return lines
}
