package deploy_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/crossfade-io/crossfade/functions"
	"github.com/crossfade-io/crossfade/functions/s3"
)

// The bucket tells of every type of event that the function acts upon, and of no
// other: those that S3 has by name, as the SDK lists them.
func TestS3Events(t *testing.T) {
	t.Parallel()
	p := awsPlan(t, loaded(t, os.DirFS(".")), nil)
	patterns := p.list(t, "local.s3_events")
	names := 0
	for _, e := range types.Event("").Values() {
		name := string(e)
		if strings.HasSuffix(name, ":*") {
			continue
		}
		names++
		told := slices.ContainsFunc(patterns, func(pattern string) bool {
			prefix, wild := strings.CutSuffix(pattern, "*")
			return pattern == name || wild && strings.HasPrefix(name, prefix)
		})
		doc := fmt.Sprintf(`{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","eventName":%q,"s3":{"bucket":{"name":"photos"},"object":{"key":"k"}}}]}`,
			strings.TrimPrefix(name, "s3:"))
		if acted := actsUpon(t, doc); acted != told {
			t.Errorf("%s: the function acts upon it: %t; deploy/aws asks for it: %t", name, acted, told)
		}
	}
	for _, pattern := range patterns {
		if !slices.Contains(types.Event("").Values(), types.Event(pattern)) {
			t.Errorf("%s is no type of event of S3", pattern)
		}
	}
	if names < 20 {
		t.Errorf("only %d types of events are known", names)
	}
}

// detailTypes are all of S3's in EventBridge: Amazon S3 user guide, "Using
// EventBridge", mapping of event types.
var detailTypes = []string{
	"Object ACL Updated", "Object Access Tier Changed", "Object Created", "Object Deleted", "Object Restore Completed",
	"Object Restore Expired", "Object Restore Initiated", "Object Storage Class Changed", "Object Tags Added", "Object Tags Deleted",
}

// The same for EventBridge.
func TestEventBridgeEvents(t *testing.T) {
	t.Parallel()
	p := awsPlan(t, loaded(t, os.DirFS(".")), given("notifications", "eventbridge"))
	asked := p.list(t, "local.eventbridge_events")
	for _, name := range detailTypes {
		doc := fmt.Sprintf(`{"version":"0","id":"1","detail-type":%q,"source":"aws.s3","detail":{"version":"0","bucket":{"name":"photos"},"object":{"key":"k"},"reason":"x"}}`, name)
		if acted, told := actsUpon(t, doc), slices.Contains(asked, name); acted != told {
			t.Errorf("%s: the function acts upon it: %t; deploy/aws asks for it: %t", name, acted, told)
		}
	}
	for _, name := range asked {
		if !slices.Contains(detailTypes, name) {
			t.Errorf("%s is no type of event of S3", name)
		}
	}
}

func actsUpon(t testing.TB, doc string) bool {
	t.Helper()
	events := s3.Decode([]byte(doc))
	if slices.ContainsFunc(events, func(e functions.Event) bool { return e.Malformed != nil }) {
		t.Fatalf("%s: %v", doc, events[0].Malformed)
	}
	return !slices.ContainsFunc(events, func(e functions.Event) bool { return e.Ignored != "" })
}

// The rule passes changes of the bucket, and of crossfade's own objects there the
// signals of the migration alone.
func TestEventBridgeRule(t *testing.T) {
	t.Parallel()
	all := loaded(t, os.DirFS("."))
	plain := awsPlan(t, all, given("notifications", "eventbridge"))
	migrating := awsPlan(t, all, given("notifications", "eventbridge", "migration", "photos"))
	part := awsPlan(t, all, given("notifications", "eventbridge", "prefix", "in/"))
	for _, c := range []struct {
		plan *plan
		key  string
		want bool
	}{
		{plain, "a", true},
		{plain, ".crossfad", true},
		{plain, "in/.crossfade/x", true},
		{plain, ".crossfade/photos/state.json", false},
		{plain, ".crossfade/photos/signal/1", false},
		{migrating, "a", true},
		{migrating, ".crossfade/photos/state.json", false},
		{migrating, ".crossfade/photos/journal/1/2.json", false},
		{migrating, ".crossfade/photos/signal/1", true},
		{migrating, ".crossfade/other/signal/1", false},
		{part, "in/a", true},
		{part, "out/a", false},
		{part, ".crossfade/photos/state.json", false},
	} {
		doc := c.plan.document(t, "aws_cloudwatch_event_rule.changes", "event_pattern")
		event := map[string]any{"source": "aws.s3", "detail-type": "Object Created", "detail": map[string]any{
			"bucket": map[string]any{"name": "photos"}, "object": map[string]any{"key": c.key},
		}}
		if got := matches(t, doc, event); got != c.want {
			t.Errorf("%s passes: %t, want %t", c.key, got, c.want)
		}
		event["detail"].(map[string]any)["bucket"].(map[string]any)["name"] = "photos-old"
		if matches(t, doc, event) {
			t.Errorf("%s of another bucket passes", c.key)
		}
	}
}

// matches applies an event pattern: Amazon EventBridge user guide, "Comparison
// operators". Those that are not known here fail the test.
func matches(t testing.TB, pattern, event map[string]any) bool {
	t.Helper()
	for name, want := range pattern {
		got, ok := event[name]
		if nested, is := want.(map[string]any); is {
			inner, _ := got.(map[string]any)
			if !ok || !matches(t, nested, inner) {
				return false
			}
			continue
		}
		if !ok || !slices.ContainsFunc(want.([]any), func(w any) bool { return matchesOne(t, w, got.(string)) }) {
			return false
		}
	}
	return true
}

func matchesOne(t testing.TB, want any, got string) bool {
	t.Helper()
	switch w := want.(type) {
	case string:
		return w == got
	case map[string]any:
		if p, ok := w["prefix"].(string); ok && len(w) == 1 {
			return strings.HasPrefix(got, p)
		}
		if not, ok := w["anything-but"].(map[string]any); ok && len(w) == 1 {
			return !matchesOne(t, not, got)
		}
	}
	t.Fatalf("%v is no comparison that this test knows", want)
	return false
}

// list is a list of texts.
func (p *plan) list(t testing.TB, expr string) (list []string) {
	t.Helper()
	if err := json.Unmarshal([]byte(p.get(t, expr)), &list); err != nil {
		t.Fatal(err)
	}
	return list
}
