package main

import (
	"fmt"
	"regexp"
	"time"
)

// envFunctionTimeout is the app setting that overrides functionTimeout of
// host.json, which a custom handler cannot see: Azure Functions documentation,
// "host.json reference", "Override host.json values".
const envFunctionTimeout = "AzureFunctionsJobHost__functionTimeout"

// defaultFunctionTimeout is that of the Consumption plan, the shortest of all.
const defaultFunctionTimeout = 5 * time.Minute

var timeSpan = regexp.MustCompile(`^(\d{1,4}):(\d{1,2}):(\d{1,2})$`)

// functionTimeout is the host's limit for one invocation: hh:mm:ss, or -1 for
// none, which is 0 here.
func functionTimeout(lookup func(string) (string, bool)) (time.Duration, error) {
	s, _ := lookup(envFunctionTimeout)
	switch s {
	case "":
		return defaultFunctionTimeout, nil
	case "-1":
		return 0, nil
	}
	d, err := time.ParseDuration(timeSpan.ReplaceAllString(s, "${1}h${2}m${3}s"))
	if err != nil || d <= 0 || !timeSpan.MatchString(s) {
		return 0, fmt.Errorf("%s is %q: want hh:mm:ss, such as 00:10:00, or -1 for no limit", envFunctionTimeout, s)
	}
	return d, nil
}
