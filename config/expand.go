package config

import (
	"errors"
	"fmt"
	"strings"
)

// expand fills the environment into a text: ${NAME} is that variable, which must
// be set and not empty, ${NAME:-text} has the text where it is not, and $$ is one
// dollar sign. expanded reports whether a variable was named. What it yields is
// not expanded again.
func expand(raw string, lookup func(string) (string, bool)) (text string, expanded bool, err error) {
	var b strings.Builder
	for rest := raw; rest != ""; {
		before, after, found := strings.Cut(rest, "$")
		b.WriteString(before)
		switch {
		case !found:
			return b.String(), expanded, nil
		case strings.HasPrefix(after, "$"):
			b.WriteByte('$')
			rest = after[1:]
			continue
		case !strings.HasPrefix(after, "{"):
			return "", expanded, errors.New("has a lone $: write $$ for a dollar sign, ${NAME} for a variable of the environment")
		}
		inner, behind, closed := strings.Cut(after[1:], "}")
		name, instead, hasDefault := strings.Cut(inner, ":-")
		if !closed || !isVariable(name) {
			return "", expanded, errors.New("has a ${ that begins no variable: write ${NAME} or ${NAME:-default}, and $$ for a dollar sign")
		}
		value, set := lookup(name)
		switch {
		case set && value != "":
			b.WriteString(value)
		case hasDefault:
			b.WriteString(instead)
		default:
			return "", expanded, fmt.Errorf("the variable %s is not set, or empty: set it, or write ${%[1]s:-default}", printable(name))
		}
		expanded, rest = true, behind
	}
	return b.String(), expanded, nil
}

func isVariable(name string) bool {
	for i, c := range []byte(name) {
		letter := c == '_' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}
