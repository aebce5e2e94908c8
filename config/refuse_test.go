package config

import (
	"strings"
	"testing"
)

// refusal is a document that Load refuses.
type refusal struct {
	name string
	doc  string
	env  []string
	want []string // the message begins with the first, and has the others; one line each more for what follows "\n"
	// Where only the form of the document is judged, it is in order.
	form bool
}

const (
	frozen = least + "cutover:\n  freeze:\n    mode: "
	except = `except: ["arn:aws:iam::1:role/x"]`
	probe  = "probe: s3://shop?profile=app"
)

// with is the least document and more, whose first line is line 4.
func with(more string) string { return least + more + "\n" }

var refusals = []refusal{
	{name: "empty", doc: "", want: []string{"crossfade.yaml: the file is empty"}},
	{name: "comment", doc: "# x\n", want: []string{"crossfade.yaml: the file is empty"}},
	{name: "null", doc: "---\n", want: []string{"crossfade.yaml:2: has nothing where fields"}},
	{name: "scalar", doc: "shop", want: []string{"crossfade.yaml:1: has a single value where fields"}},
	{name: "list", doc: "- name: shop\n", want: []string{"crossfade.yaml:1: has a list where fields"}},
	{name: "not YAML", doc: "name: shop\n\tsource: x", want: []string{"crossfade.yaml:2: not YAML: "}},
	{name: "not UTF-8", doc: "name: \"\xff\"", want: []string{"crossfade.yaml: the file is not UTF-8"}},
	{name: "two documents", doc: least + "---\nname: x\n", want: []string{"crossfade.yaml:4: a second document"}, form: true},
	{name: "nothing set", doc: "deletes: true", want: []string{"crossfade.yaml:1: name: is not set", "such as name: shop-uploads", "\nsource: is not set", "\ntarget: is not set"}},

	{name: "unknown field", doc: with("cutover:\n  max_freze: 10s"), want: []string{"crossfade.yaml:5: cutover.max_freze: unknown field; did you mean max_freeze?"}},
	{name: "unknown at the top", doc: with("sources: x"), want: []string{"crossfade.yaml:4: sources: unknown field; did you mean source?"}},
	{name: "field of another section", doc: with("max_freeze: 10s"), want: []string{"crossfade.yaml:4: max_freeze: unknown field; did you mean cutover.max_freeze?"}},
	{name: "unknown in a hook", doc: with("cutover:\n  switch: {commands: [x]}"), want: []string{"crossfade.yaml:5: cutover.switch.commands: unknown field; did you mean command?", "\ncutover.switch: has neither"}},
	{name: "unknown that is a tree", doc: with("x:\n  y: {z: 1}"), want: []string{"crossfade.yaml:4: x: unknown field"}},
	{name: "unknown that forges a line", doc: with(`"a\nb": x`), want: []string{`crossfade.yaml:4: "a\nb": unknown field`}},
	{name: "double", doc: with("name: other"), want: []string{"crossfade.yaml:4: name: is here a second time, after line 1"}},
	{name: "double section", doc: with("cutover: {}\ncutover: {}"), want: []string{"crossfade.yaml:5: cutover: is here a second time, after line 4"}},
	{name: "double in a section", doc: with("cutover: {max_lag: 1s, max_lag: 2s}"), want: []string{"crossfade.yaml:4: cutover.max_lag: is here a second time"}},
	{name: "key no text", doc: with("[a]: b"), want: []string{"crossfade.yaml:4: a name of a field is expected"}},
	{name: "key with a tag", doc: with("!!str deletes: true"), want: []string{"crossfade.yaml:4: a name of a field is expected"}, form: true},
	{name: "anchor", doc: with("foreign: &a keep"), want: []string{"crossfade.yaml:4: foreign: anchors and aliases"}, form: true},
	{name: "alias", doc: "name: &a shop\nsource: *a\ntarget: gs://shop\n", want: []string{"crossfade.yaml:1: name: anchors", "\nsource: anchors"}},
	{name: "anchored section", doc: with("functions: &f {timeout: 1s}"), want: []string{"crossfade.yaml:4: functions: anchors"}, form: true},
	{name: "anchored list", doc: with("include: &f [a]"), want: []string{"crossfade.yaml:4: include: anchors"}, form: true},
	{name: "merge", doc: with("functions: {<<: {timeout: 1s}}"), want: []string{"crossfade.yaml:4: functions: anchors, aliases and <<"}, form: true},
	{name: "bomb", doc: "a: &a [x, x]\nb: &b [*a, *a]\n" + least, want: []string{"crossfade.yaml:1: a: unknown field", "\nb: unknown field"}},
	{name: "tag", doc: with("foreign: !!str keep"), want: []string{"crossfade.yaml:4: foreign: tags are not understood: write the value without !!str"}, form: true},

	{name: "null value", doc: with("deletes:"), want: []string{"crossfade.yaml:4: deletes: has no value"}},
	{name: "null section", doc: with("cutover:"), want: []string{"crossfade.yaml:4: cutover: has nothing where fields"}},
	{name: "section as text", doc: with("backlog: x"), want: []string{"crossfade.yaml:4: backlog: has a single value where fields"}},
	{name: "text as section", doc: with("foreign: {a: b}"), want: []string{"crossfade.yaml:4: foreign: has fields where one value"}},
	{name: "text as list", doc: with("control: [gs://ops]"), want: []string{"crossfade.yaml:4: control: has a list where one value"}},
	{name: "list as text", doc: with("include: a"), want: []string{"crossfade.yaml:4: include: has a single value where a list"}},
	{name: "list in list", doc: with("include: [[a]]"), want: []string{"crossfade.yaml:4: include[0]: has a list where one value"}},
	{name: "number in list", doc: with("include:\n  - a\n  - 5"), want: []string{`crossfade.yaml:6: include[1]: "5" is a number to YAML, and a text is expected: put it in quotes`}},
	{name: "null in list", doc: with("include: [~]"), want: []string{"crossfade.yaml:4: include[0]: has no value"}},
	{name: "name a number", doc: strings.Replace(least, "name: shop", "name: 5", 1), want: []string{`crossfade.yaml:1: name: "5" is a number to YAML`}},
	{name: "name a truth value", doc: strings.Replace(least, "name: shop", "name: true", 1), want: []string{`crossfade.yaml:1: name: "true" is a truth value to YAML`}},
	{name: "deletes a text", doc: with(`deletes: "true"`), want: []string{`crossfade.yaml:4: deletes: "true" is a text to YAML: write true or false`}},
	{name: "deletes yes", doc: with("deletes: yes"), want: []string{`crossfade.yaml:4: deletes: "yes" is a text to YAML: write true or false`}},
	{name: "concurrency a text", doc: with(`concurrency: "8"`), want: []string{`crossfade.yaml:4: concurrency: "8" is a text to YAML: write a whole number`}},
	{name: "concurrency a fraction", doc: with("concurrency: 1.5"), want: []string{`crossfade.yaml:4: concurrency: "1.5" is a number to YAML: write a whole number from 1 to 1024`}},
	{name: "duration without unit", doc: with("functions: {timeout: 150}"), want: []string{`crossfade.yaml:4: functions.timeout: "150" is a number to YAML: write a duration`, "such as 10s"}},

	{name: "name", doc: strings.Replace(least, "name: shop", "name: Shop Uploads", 1), want: []string{`crossfade.yaml:1: name: "Shop Uploads" is no name`, "a-z, 0-9 and -"}},
	{name: "long name", doc: strings.Replace(least, "name: shop", "name: "+strings.Repeat("x", 41), 1), want: []string{"crossfade.yaml:1: name: ", "1 to 40"}},
	{name: "name that leaves the directory", doc: strings.Replace(least, "name: shop", "name: ../x", 1), want: []string{`crossfade.yaml:1: name: "../x"`}},
	{name: "source no URL", doc: strings.Replace(least, "s3://shop", "shop", 1), want: []string{`crossfade.yaml:2: source: store URL "shop": no scheme`}},
	{name: "scheme", doc: strings.Replace(least, "gs:", "gcs:", 1), want: []string{"crossfade.yaml:3: target: ", "did you mean gs://?"}},
	{name: "credentials", doc: strings.Replace(least, "s3://shop", "s3://key:hunter2@shop", 1), want: []string{"crossfade.yaml:2: source: ", "credentials do not belong"}, form: true},
	{name: "same store", doc: strings.Replace(least, "gs://shop-gcp", "s3://shop/x", 1), want: []string{"crossfade.yaml:3: target: s3://shop/x/ and source s3://shop/ hold the same objects"}, form: true},
	{name: "control in source", doc: with("control: s3://shop/ops"), want: []string{"crossfade.yaml:4: control: s3://shop/ops/ lies in the source s3://shop/", "such as the target"}, form: true},
	{name: "control in a directory", doc: "name: shop\nsource: file:///srv/a\ntarget: file:///srv/b\ncontrol: file:///srv/a/ops\n", want: []string{"crossfade.yaml:4: control: file:///srv/a/ops lies in the source"}, form: true},
	{name: "glob", doc: with("include: [a]\nexclude: [b, '[']"), want: []string{`crossfade.yaml:5: exclude[1]: pattern "[" has a [`}, form: true},
	{name: "foreign", doc: with("foreign: delete"), want: []string{`crossfade.yaml:4: foreign: "delete"`, "keep, adopt or overwrite"}},
	{name: "concurrency", doc: with("concurrency: 0"), want: []string{`crossfade.yaml:4: concurrency: "0" is not a whole number from 1 to 1024`}},
	{name: "functions.timeout", doc: with("functions: {timeout: 25h}"), want: []string{`crossfade.yaml:4: functions.timeout: "25h" is not a duration from 1ms to 24h`}, form: true},
	{name: "negative duration", doc: with("cutover: {max_freeze: -1s}"), want: []string{`crossfade.yaml:4: cutover.max_freeze: "-1s"`}},
	{name: "no duration", doc: with("cutover: {max_lag: soon}"), want: []string{`crossfade.yaml:4: cutover.max_lag: "soon"`}},
	{name: "max_errors", doc: with("cutover: {max_errors: -1}"), want: []string{`crossfade.yaml:4: cutover.max_errors: "-1"`}},

	{name: "backlog empty", doc: with("backlog: {}"), want: []string{"crossfade.yaml:4: backlog: has neither command nor sqs"}},
	{name: "backlog both", doc: with("backlog: {command: [x], sqs: 'https://h/1/q'}"), want: []string{"crossfade.yaml:4: backlog: has both command and sqs"}},
	{name: "backlog without program", doc: with("backlog: {command: []}"), want: []string{"crossfade.yaml:4: backlog.command: is empty"}},
	{name: "backlog with an empty program", doc: with("backlog: {command: [\"\"]}"), want: []string{"crossfade.yaml:4: backlog.command[0]: the program's name is empty"}, form: true},
	{name: "backlog as a line", doc: with("backlog: {command: ./x --y}"), want: []string{"crossfade.yaml:4: backlog.command: has a single value where a list"}},
	{name: "sqs", doc: with("backlog: {sqs: crossfade}"), want: []string{`crossfade.yaml:4: backlog.sqs: "crossfade" is not the URL of a queue`, "https://sqs."}},
	{name: "sqs without queue", doc: with("backlog: {sqs: 'https://h/1'}"), want: []string{`crossfade.yaml:4: backlog.sqs: "https://h/1" names no account`}},
	{name: "sqs with credentials", doc: with("backlog: {sqs: 'https://u:hunter2@h/1/q'}"), want: []string{"crossfade.yaml:4: backlog.sqs: "}},
	{name: "backlog.timeout", doc: with("backlog: {command: [x], timeout: 0s}"), want: []string{`crossfade.yaml:4: backlog.timeout: "0s"`}, form: true},

	{name: "mode", doc: frozen + "policy", want: []string{`crossfade.yaml:6: cutover.freeze.mode: "policy" is not a mode: write none, hook or s3-policy`}},
	{name: "mode hook alone", doc: frozen + "hook", want: []string{"crossfade.yaml:6: cutover.freeze.hook: is not set: mode hook needs a hook", "\ncutover.unfreeze: is not set: mode hook needs a hook that lets"}},
	{name: "mode hook without unfreeze", doc: frozen + "hook\n    hook: {command: [x]}", want: []string{"crossfade.yaml:6: cutover.unfreeze: is not set"}},
	{name: "mode s3-policy alone", doc: frozen + "s3-policy", want: []string{"crossfade.yaml:6: cutover.freeze.except: is not set", "\ncutover.freeze.probe: is not set"}},
	{name: "mode s3-policy with a hook", doc: frozen + "s3-policy\n    hook: {command: [x]}\n    " + except + "\n    " + probe, want: []string{"crossfade.yaml:7: cutover.freeze.hook: is for mode hook, and the mode is s3-policy: set cutover.freeze.mode to hook"}},
	{name: "hook without mode", doc: with("cutover: {freeze: {hook: {command: [x]}}}"), want: []string{"crossfade.yaml:4: cutover.freeze.hook: is for mode hook, and the mode is none"}},
	{name: "probe without mode", doc: frozen + "none\n    " + probe, want: []string{"crossfade.yaml:7: cutover.freeze.probe: is for mode s3-policy"}},
	{name: "except in mode hook", doc: frozen + "hook\n    " + except + "\n    hook: {command: [x]}\n  unfreeze: {command: [x]}", want: []string{"crossfade.yaml:7: cutover.freeze.except: is for mode s3-policy"}},
	{name: "except empty", doc: frozen + "s3-policy\n    except: []\n    " + probe, want: []string{"crossfade.yaml:7: cutover.freeze.except: is empty, and crossfade itself could not write"}},
	{name: "except no ARN", doc: frozen + "s3-policy\n    except: [crossfade]\n    " + probe, want: []string{`crossfade.yaml:7: cutover.freeze.except[0]: "crossfade" is not an ARN`}},
	{name: "except everyone", doc: frozen + "s3-policy\n    except: ['arn:aws:iam::*:root']\n    " + probe, want: []string{"crossfade.yaml:7: cutover.freeze.except[0]: ", "names no principal of one account"}},
	{name: "except a session", doc: frozen + "s3-policy\n    except: ['arn:aws:sts::1:assumed-role/x/y']\n    " + probe, want: []string{"crossfade.yaml:7: cutover.freeze.except[0]: ", "is a session", "the ARN of its role"}, form: true},
	{name: "probe of another bucket", doc: frozen + "s3-policy\n    " + except + "\n    probe: s3://other?profile=app", want: []string{"crossfade.yaml:8: cutover.freeze.probe: s3://other/ is not in the source s3://shop/"}, form: true},
	{name: "probe with the same credentials", doc: frozen + "s3-policy\n    " + except + "\n    probe: s3://shop", want: []string{"crossfade.yaml:8: cutover.freeze.probe: s3://shop/ has the credentials of the source", "?profile=app"}, form: true},
	{name: "s3-policy on GCS", doc: strings.Replace(frozen, "s3://shop", "gs://shop", 1) + "s3-policy\n    " + except + "\n    " + probe, want: []string{"crossfade.yaml:6: cutover.freeze.mode: s3-policy is for sources on S3"}, form: true},

	{name: "hook empty", doc: with("cutover: {switch: {}}"), want: []string{"crossfade.yaml:4: cutover.switch: has neither command nor webhook"}},
	{name: "hook both", doc: with("cutover: {switch: {command: [x], webhook: 'https://h'}}"), want: []string{"crossfade.yaml:4: cutover.switch: has both command and webhook"}},
	{name: "hook as text", doc: with("cutover: {switch: ./x}"), want: []string{"crossfade.yaml:4: cutover.switch: has a single value where fields"}},
	{name: "headers of a command", doc: with("cutover: {switch: {command: [x], headers: {A: b}}}"), want: []string{"crossfade.yaml:4: cutover.switch.headers: belong to a webhook"}},
	{name: "webhook", doc: with("cutover: {switch: {webhook: 'ftp://hunter2'}}"), want: []string{"crossfade.yaml:4: cutover.switch.webhook: is not an http or https URL"}},
	{name: "webhook without host", doc: with("cutover: {switch: {webhook: 'https:///hunter2'}}"), want: []string{"crossfade.yaml:4: cutover.switch.webhook: is not an http"}},
	{name: "webhook a number", doc: with("cutover: {switch: {webhook: 5.5}}"), want: []string{"crossfade.yaml:4: cutover.switch.webhook: is a number to YAML: write an http"}},
	{name: "header's name", doc: with("cutover: {switch: {webhook: 'https://h', headers: {'A B': hunter2}}}"), want: []string{"crossfade.yaml:4: cutover.switch.headers.A B: is no name of a header"}},
	{name: "header's value", doc: with(`cutover: {switch: {webhook: "https://h", headers: {A: "hunter2\nX: y"}}}`), want: []string{"crossfade.yaml:4: cutover.switch.headers.A: has a line end"}, form: true},
	{name: "header a number", doc: with("cutover: {switch: {webhook: 'https://h', headers: {A: 5}}}"), want: []string{"crossfade.yaml:4: cutover.switch.headers.A: is a number to YAML, and a text is expected"}},
	{name: "header of the transport", doc: with("cutover: {switch: {webhook: 'https://h', headers: {host: x}}}"), want: []string{"crossfade.yaml:4: cutover.switch.headers.host: is not for a hook to set"}, form: true},
	{name: "header twice", doc: with("cutover: {switch: {webhook: 'https://h', headers: {a: x, A: y}}}"), want: []string{"crossfade.yaml:4: cutover.switch.headers.A: is here a second time"}, form: true},
	{name: "headers a list", doc: with("cutover: {switch: {webhook: 'https://h', headers: [a]}}"), want: []string{"crossfade.yaml:4: cutover.switch.headers: has a list where names and values"}},

	{name: "run without events", doc: with("run: {concurrency: 3}"), want: []string{"crossfade.yaml:4: run.events: is not set: say where"}},
	{name: "run without any", doc: with("run: {events: []}"), want: []string{"crossfade.yaml:4: run.events: is empty: write one"}},
	{name: "run as text", doc: with("run: s3"), want: []string{"crossfade.yaml:4: run: has a single value where fields"}},
	{name: "events as fields", doc: with("run: {events: {webhook: s3}}"), want: []string{"crossfade.yaml:4: run.events: has fields where a list of sections"}},
	{name: "events as texts", doc: with("run: {events: [sqs]}"), want: []string{"crossfade.yaml:4: run.events[0]: has a single value where a section, such as - sqs: "}},
	{name: "events empty", doc: with("run:\n  events:\n    - {}"), want: []string{"crossfade.yaml:6: run.events[0]: has none of sqs, pubsub, webhook, watch"}},
	{name: "events of two ways", doc: with("run: {events: [{webhook: s3, sqs: 'https://h/1/q'}]}"), want: []string{"crossfade.yaml:4: run.events[0]: has sqs and webhook: write one of them"}},
	{name: "events unknown", doc: with("run:\n  events:\n    - sqs: https://h/1/q\n    - webhok: s3"), want: []string{"crossfade.yaml:7: run.events[1].webhok: unknown field; did you mean webhook?"}},
	{name: "events unknown in watch", doc: with("run: {events: [{watch: {rescn: 1m}}]}"), want: []string{"crossfade.yaml:4: run.events[0].watch.rescn: unknown field; did you mean rescan?"}},
	{name: "events anchored", doc: with("run: {events: [&a {webhook: s3}]}"), want: []string{"crossfade.yaml:4: run.events[0]: anchors"}, form: true},
	{name: "events of another store", doc: with("run: {events: [{pubsub: projects/p/subscriptions/shop}]}"), want: []string{"crossfade.yaml:4: run.events[0].pubsub: has the events of gs:// stores, and the source is s3://shop/: use sqs, or webhook: s3"}, form: true},
	{name: "watch of a bucket", doc: with("run: {events: [{watch: {}}]}"), want: []string{"crossfade.yaml:4: run.events[0].watch: has the events of file:// stores"}, form: true},
	{name: "reverse events of the source", doc: with("run: {reverse_events: [{sqs: 'https://h/1/q'}]}"), want: []string{"crossfade.yaml:4: run.reverse_events[0].sqs: has the events of s3:// stores, and the target is gs://shop-gcp/: use pubsub, or webhook: gcs"}, form: true},
	{name: "events twice", doc: with("run: {events: [{webhook: s3}, {webhook: s3}]}"), want: []string{"crossfade.yaml:4: run.events[1]: is the same as run.events[0]"}, form: true},
	{name: "listen", doc: with("run: {listen: '8080', events: [{webhook: s3}]}"), want: []string{`crossfade.yaml:4: run.listen: "8080" is no address to listen at: write host:port`}},
	{name: "run.events not a queue", doc: with("run: {events: [{sqs: 'arn:aws:sqs:x:1:q'}]}"), want: []string{"crossfade.yaml:4: run.events[0].sqs: ", "is not the URL of a queue"}},
	{name: "not a subscription", doc: with("run: {events: [{pubsub: projects/p/topics/shop}]}"), want: []string{`crossfade.yaml:4: run.events[0].pubsub: "projects/p/topics/shop" is not of Pub/Sub: write projects/PROJECT/subscriptions/NAME`}},
	{name: "kind of webhook", doc: with("run: {events: [{webhook: minio}]}"), want: []string{`crossfade.yaml:4: run.events[0].webhook: "minio" is no kind of webhook: write s3, gcs or eventgrid`}},
	{name: "token short", doc: with("run: {events: [{webhook: s3, token: hunter2}]}"), want: []string{"crossfade.yaml:4: run.events[0].token: is no token: write at least 16"}},
	{name: "token of an environment", doc: with("run: {events: [{webhook: s3, token: '${W}'}]}"), env: []string{"W=hunter2 hunter2 hunter2"}, want: []string{"crossfade.yaml:4: run.events[0].token: is no token"}, form: true},
	{name: "token missing", doc: with("run: {listen: ':8080', events: [{webhook: s3}]}"), want: []string{"crossfade.yaml:4: run.events[0].token: is not set, and others can reach run.listen"}, form: true},
	{name: "token of a queue", doc: with("run: {events: [{sqs: 'https://h/1/q', token: hunter2hunter2hunter2}]}"), want: []string{"crossfade.yaml:4: run.events[0].token: belongs to a webhook"}},
	{name: "dead letters of a webhook", doc: with("run: {events: [{webhook: s3, dead_letter: 'https://h/1/dead'}]}"), want: []string{"crossfade.yaml:4: run.events[0].dead_letter: belongs to sqs or pubsub"}},
	{name: "dead letters of another service", doc: with("run: {events: [{sqs: 'https://h/1/q', dead_letter: projects/p/topics/dead}]}"), want: []string{"crossfade.yaml:4: run.events[0].dead_letter: ", "is not the URL of a queue"}, form: true},
	{name: "dead letters to itself", doc: with("run: {events: [{sqs: 'https://h/1/q', dead_letter: 'https://h/1/q'}]}"), want: []string{"crossfade.yaml:4: run.events[0].dead_letter: is the queue itself"}, form: true},
	{name: "dead letters of an environment", doc: with("run: {events: [{sqs: 'https://h/1/q', dead_letter: '${D}'}]}"), env: []string{"D=hunter2"}, want: []string{`crossfade.yaml:4: run.events[0].dead_letter: "${D}" with the environment`}, form: true},

	{name: "unset variable", doc: with("foreign: ${POLICY}"), want: []string{"crossfade.yaml:4: foreign: the variable POLICY is not set, or empty: set it, or write ${POLICY:-default}"}, form: true},
	{name: "unset variable in a header", doc: with("cutover: {switch: {webhook: 'https://h', headers: {A: 'x ${T}'}}}"), want: []string{"crossfade.yaml:4: cutover.switch.headers.A: the variable T is not set"}, form: true},
	{name: "lone dollar", doc: with("include: [a$b]"), want: []string{"crossfade.yaml:4: include[0]: has a lone $: write $$"}, form: true},
	{name: "open brace", doc: with("include: ['${A']"), env: []string{"A=x"}, want: []string{"crossfade.yaml:4: include[0]: has a ${ that begins no variable"}, form: true},
	{name: "expanded policy", doc: with("foreign: ${POLICY}"), env: []string{"POLICY=hunter2"}, want: []string{`crossfade.yaml:4: foreign: "${POLICY}" with the environment filled in does not do: write keep, adopt or overwrite`}, form: true},
	{name: "expanded source", doc: strings.Replace(least, "s3://shop?", "s3://${B}?", 1), env: []string{"B=hunter2/?hunter2#"}, want: []string{`crossfade.yaml:2: source: "s3://${B}?region=eu-central-1" with the environment`}, form: true},
	{name: "expanded overlap", doc: strings.Replace(least, "gs://shop-gcp", "${T}", 1), env: []string{"T=s3://shop/hunter2"}, want: []string{`crossfade.yaml:3: target: "${T}" and source s3://shop/ hold`}, form: true},
	{name: "expanded glob", doc: with("include: ['${G}']"), env: []string{"G=hunter2["}, want: []string{`crossfade.yaml:4: include[0]: "${G}" with`}, form: true},
	{name: "expanded queue", doc: with("backlog: {sqs: '${Q}'}"), env: []string{"Q=hunter2"}, want: []string{`crossfade.yaml:4: backlog.sqs: "${Q}" with`}, form: true},
	{name: "key not expanded", doc: with("${KEY}: true"), env: []string{"KEY=deletes"}, want: []string{"crossfade.yaml:4: ${KEY}: unknown field"}},

	{name: "override", doc: least, env: []string{"CROSSFADE_FOREIGN=delete"}, want: []string{`CROSSFADE_FOREIGN: foreign: "delete" is not a policy`}, form: true},
	{name: "override of a secret", doc: least, env: []string{"CROSSFADE_CUTOVER_SWITCH_WEBHOOK=hunter2"}, want: []string{"CROSSFADE_CUTOVER_SWITCH_WEBHOOK: cutover.switch.webhook: is not an http"}, form: true},
	{name: "override that completes nothing", doc: least, env: []string{"CROSSFADE_CUTOVER_SWITCH_TIMEOUT=5s"}, want: []string{"crossfade.yaml:1: cutover.switch: has neither command nor webhook"}, form: true},
	{name: "unknown variable", doc: least, env: []string{"CROSSFADE_CUTOVER_MAX_FREZE=5s"}, want: []string{"CROSSFADE_CUTOVER_MAX_FREZE is not known: did you mean CROSSFADE_CUTOVER_MAX_FREEZE?"}, form: true},
	{name: "no variable for a list", doc: least, env: []string{"CROSSFADE_INCLUDE=x"}, want: []string{"CROSSFADE_INCLUDE is not known"}, form: true},
	{name: "unknown variable that forges a line", doc: least, env: []string{"CROSSFADE_\nX=1"}, want: []string{`"CROSSFADE_\nX" is not known`}, form: true},
	{name: "variable of functions", doc: least, env: []string{"CROSSFADE_TIMEOUT=5s"}, want: []string{"CROSSFADE_TIMEOUT: is read by functions only: unset it, and use CROSSFADE_FUNCTIONS_TIMEOUT"}, form: true},
	{name: "direction", doc: least, env: []string{"CROSSFADE_DIRECTION=reverse"}, want: []string{"CROSSFADE_DIRECTION: is read by functions only"}, form: true},
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range refusals {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m, err := load(c.doc, c.env...)
			wrong, ok := err.(Problems) //nolint:errorlint // the very type is promised
			if !ok || m.Name != "" || m.Source.URL != nil {
				t.Fatalf("accepted: %v, %v", m, err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a secret is told: %v", err)
			}
			lines := 1
			for i, part := range c.want {
				if rest, another := strings.CutPrefix(part, "\n"); another {
					part = rest
					lines++
				}
				if i == 0 && !strings.HasPrefix(err.Error(), part) || !strings.Contains(err.Error(), part) {
					t.Errorf("no %q in\n%v", part, err)
				}
			}
			if len(wrong) != lines || strings.Count(err.Error(), "\n") != lines-1 {
				t.Errorf("%d lines, not %d:\n%v", len(wrong), lines, err)
			}
		})
	}
}

// All that is wrong is told at once, in the order of the file, and no more of it
// than anyone reads.
func TestProblemsTogether(t *testing.T) {
	t.Parallel()
	_, err := load("target: 5\nname: Shop\nsource: x\ndeletes: perhaps\nfunctions: {timeout: 5}\nnonsense: 1\n", "CROSSFADE_TYPO=1", "CROSSFADE_CONCURRENCY=0")
	var places []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		places = append(places, strings.Join(strings.SplitN(line, ":", 3)[:2], ":"))
	}
	want := "crossfade.yaml:1 crossfade.yaml:2 crossfade.yaml:3 crossfade.yaml:4 crossfade.yaml:5 crossfade.yaml:6 CROSSFADE_TYPO is not known: did you mean CROSSFADE_TARGET? Remove it or correct its name CROSSFADE_CONCURRENCY: concurrency"
	if got := strings.Join(places, " "); got != want {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	for _, doc := range []string{strings.Repeat("x: [\n", 1000), strings.Repeat("- x\n", 1000) + least} {
		if _, err := load(doc); err == nil || strings.Count(err.Error(), "\n") > maxProblems {
			t.Errorf("%.50q: %v", doc, err)
		}
	}
	var many strings.Builder
	for i := range 5000 {
		many.WriteString(strings.Repeat("x", i%50+1) + strings.Repeat("y", i/50+1) + ": 1\n")
	}
	if _, err := load(many.String()); strings.Count(err.Error(), "\n") != maxProblems || !strings.HasSuffix(err.Error(), "there may be more: mend these first") {
		t.Errorf("%v", err)
	}
}

func TestLoadBounds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ doc, want string }{
		{with("# " + strings.Repeat("x", MaxFile)), "the file has more than 1048576 bytes"},
		{with("foreign: " + strings.Repeat("x", maxText+1)), "foreign: has 4097 bytes: 4096 at most"},
		{with(strings.Repeat("é", 500) + ": x"), strings.Repeat("é", 100) + `…": unknown field`},
		{with("foreign: " + strings.Repeat("${A}", 500)), "has more than 4096 bytes with the environment"},
		{with("include: [" + strings.Repeat("x,", maxItems) + "x]"), "include: has 1001 items: 1000 at most"},
		{strings.Repeat("[", 20000), "not YAML"},
		{strings.Repeat("a: {", 20000), "not YAML"},
	} {
		_, err := load(c.doc, "A=123456789")
		if err == nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 1000 {
			t.Errorf("%.40q: %.300v", c.doc, err)
		}
	}
}
