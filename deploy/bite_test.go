package deploy_test

import (
	"strings"
	"testing"
	"testing/fstest"
)

const good = `
terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

variable "name" {
  description = "The name, such as photos in eu-central-1."
  type        = string

  validation {
    condition     = length(var.name) > 2
    error_message = "It has to have three letters."
  }
}

locals {
  tags = { Name = var.name }
}

resource "aws_sqs_queue" "events" {
  name = "${var.name}-events"
  tags = local.tags

}

resource "aws_scheduler_schedule" "it" {
  schedule_expression = "rate(1 day)"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_sqs_queue.events.arn
    role_arn = aws_sqs_queue.events.arn

    dynamic "retry_policy" {
      for_each = [var.name]
      content {
        maximum_retry_attempts = length(retry_policy.value)
      }
    }
  }
}

output "queue" {
  description = "The queue."
  value       = aws_sqs_queue.events.url
}
`

const goodRoot = `
terraform {
  required_version = ">= 1.9"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 6.0"
    }
  }
}

provider "aws" {
  region = var.region
}

variable "region" {
  description = "The region."
  type        = string
}

module "it" {
  source = "../../aws"
  name   = "photos-${var.region}"
}

output "queue" {
  description = "The queue."
  value       = module.it.queue
}
`

// Each check finds what it is for, and nothing in what is right.
func TestChecksBite(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		check, old, new, want string
		root                  bool
	}{
		{check: "format", old: "name = \"${var.name}-events\"", new: "name =   \"${var.name}-events\"", want: "terraform fmt"},
		{check: "variables", old: `description = "The name, such as photos in eu-central-1."`, want: "variable name has no description"},
		{check: "variables", old: "type        = string", want: "variable name has no type"},
		{check: "variables", old: `error_message = "It has to have three letters."`, want: "lacks its condition"},
		{check: "variables", old: `variable "name"`, new: `variable "hmac_secret"`, want: "not marked sensitive"},
		{check: "outputs", old: `description = "The queue."`, want: "output queue has no description"},
		{check: "outputs", old: `value       = aws_sqs_queue.events.url`, want: "output queue has no value"},
		{check: "references", old: "Name = var.name", new: "Name = var.names", want: "no var.names"},
		{check: "references", old: "= local.tags", new: "= local.tag", want: "no local.tag"},
		{check: "references", old: "aws_sqs_queue.events.url", new: "aws_sqs_queue.event.url", want: "no aws_sqs_queue.event"},
		{check: "references", old: "aws_sqs_queue.events.url", new: "data.aws_region.current.name", want: "no data.aws_region.current"},
		{check: "references", old: "retry_policy.value", new: "policy.value", want: "no policy.value"},
		{check: "references", old: "module.it.queue", new: "module.it.queues", want: "no output queues of module.it", root: true},
		{check: "references", old: "module.it.queue", new: "module.its.queue", want: "no module.its", root: true},
		{check: "unused", old: "locals {", new: "locals {\n  more = 1", want: "local.more is not used"},
		{check: "unused", old: "locals {", new: "variable \"more\" {\n}\n\nlocals {", want: "variable more is not used"},
		{check: "unused", old: "locals {", new: "data \"aws_region\" \"here\" {}\n\nlocals {", want: "data.aws_region.here is not used"},
		{check: "unused", old: "aws = {", new: "random = { source = \"hashicorp/random\", version = \"~> 3.0\" }\n    aws = {", want: "provider random is not used"},
		{check: "versions", old: `">= 1.9"`, new: `">= 1.5"`, want: "required_version"},
		{check: "versions", old: `"~> 6.0"`, new: `">= 6.0"`, want: "provider aws has version"},
		{check: "versions", old: `"hashicorp/aws"`, new: `"someone/aws"`, want: "comes from"},
		{check: "versions", old: `resource "aws_sqs_queue" "events"`, new: `resource "google_pubsub_topic" "events"`, want: "not in required_providers"},
		{check: "calls", old: `name   = "photos-${var.region}"`, want: "aws needs the variable name", root: true},
		{check: "calls", old: `name   =`, new: `nane   =`, want: "has no variable nane", root: true},
		{check: "calls", old: `"../../aws"`, new: `"../../azure"`, want: "is no module", root: true},
		{check: "calls", old: "locals {", new: "provider \"aws\" {}\n\nlocals {", want: "configures no provider"},
		{check: "tags", old: "tags = local.tags", want: "aws_sqs_queue.events has no tags"},
		{check: "places", old: "-events\"", new: "-eu-central-1\"", want: `"eu-central-1" is written down`},
		{check: "places", old: "-events\"", new: "-europe-west3\"", want: `"europe-west3" is written down`},
		{check: "places", old: "-events\"", new: "-westeurope\"", want: `"westeurope" is written down`},
		{check: "places", old: "-events\"", new: "-123456789012\"", want: `"123456789012" is written down`},
		{check: "places", old: "-events\"", new: "arn:aws:sqs\"", want: `"arn:aws" is written down`},
		{check: "removable", old: "tags = local.tags", new: "tags = local.tags\n  lifecycle {\n    prevent_destroy = true\n  }\n", want: "prevent_destroy is not false"},
		{check: "arguments", old: "tags = local.tags", new: "tag = local.tags", want: "there is no argument tag"},
		{check: "arguments", old: "mode = \"OFF\"", new: "mod = \"OFF\"", want: "there is no argument flexible_time_window.mod"},
		{check: "arguments", old: "mode = \"OFF\"", want: "it lacks flexible_time_window.mode"},
		{check: "arguments", old: "schedule_expression = \"rate(1 day)\"", want: "it lacks schedule_expression"},
		{check: "arguments", old: "flexible_time_window {", new: "flexible_time {", want: "there is no block flexible_time"},
		{check: "arguments", old: "tags = local.tags", new: "target = local.tags", want: "there is no argument target"},
		{check: "arguments", old: "schedule_expression = \"rate(1 day)\"", new: "schedule_expression = \"rate(1 day)\"\n  target = {}", want: "target is a block"},
		{check: "arguments", old: "dynamic \"retry_policy\"", new: "dynamic \"retries\"", want: "there is no block target.retries"},
		{check: "arguments", old: "aws_sqs_queue.events.url", new: "aws_sqs_queue.events.uri", want: "aws_sqs_queue.events tells no uri"},
		{check: "arguments", old: "\"aws_sqs_queue\" \"events\"", new: "\"aws_frobnicator\" \"events\"", want: "the arguments of its type are not known"},
		{check: "variables of crossfade", old: "{ Name = var.name }", new: "{ CROSSFADE_SORCE = 1 }", want: "CROSSFADE_SORCE is no variable"},
		{check: "variables of crossfade", old: "{ Name = var.name }", new: "{ CROSSFADE_SOURCE = 1 }", want: "no way to be given CROSSFADE_TARGET"},
	} {
		t.Run(c.want, func(t *testing.T) {
			t.Parallel()
			files, at := map[string]string{"aws": good, "examples/one": goodRoot}, "aws"
			if c.root {
				at = "examples/one"
			}
			for dir, m := range tree(t, files) {
				if problems := checks[c.check](m); problems != nil {
					t.Fatalf("%s: %q", dir, problems)
				}
			}
			if !strings.Contains(files[at], c.old) {
				t.Fatalf("the module has no %s", c.old)
			}
			files[at] = strings.Replace(files[at], c.old, c.new, 1)
			problems := strings.Join(checks[c.check](tree(t, files)[at]), "\n")
			if !strings.Contains(problems, c.want) {
				t.Errorf("found %q, want %q", problems, c.want)
			}
		})
	}
}

// An evaluation finds what does not hold for the values that a module is given.
func TestEvaluateBites(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ old, new, want string }{
		{`"photos-${var.region}"`, `"p"`, "refused: It has to have three letters."},
		{`"photos-${var.region}"`, `[]`, "string required"},
		{`"photos-${var.region}"`, `frobnicate(var.region)`, "no function named"},
		{`module.it.queue`, `module.it.queue + 1`, "a number is required"},
		{`region" {`, `region" {
  validation {
    condition     = var.region == ""
    error_message = "Nowhere."
  }`, "refused: Nowhere."},
	} {
		files := map[string]string{"aws": good, "examples/one": strings.Replace(goodRoot, c.old, c.new, 1)}
		p := evaluate(tree(t, files)["examples/one"], given("region", "here"))
		if got := strings.Join(p.problems, "\n"); !strings.Contains(got, c.want) {
			t.Errorf("found %q, want %q", got, c.want)
		}
	}
	p := evaluate(tree(t, map[string]string{"aws": good, "examples/one": goodRoot})["examples/one"], given("region", "here"))
	if p.problems != nil {
		t.Errorf("%q", p.problems)
	}
	if got := p.get(t, "module.it.queue"); got != "aws_sqs_queue.events.url" {
		t.Errorf("the queue is %q", got)
	}
}

func TestLoadRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{`resource "a" "b" {`, "Unclosed"},
		{`resorce "a" "b" {}`, "no part of Terraform's language"},
		{"variable \"a\" {}\nvariable \"a\" {}\n", "twice"},
		{"locals {\n  a = 1\n}\nlocals {\n  a = 1\n}\n", "twice"},
	} {
		_, err := load(fstest.MapFS{"m/main.tf": {Data: []byte(c.text)}})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.text, err, c.want)
		}
	}
}

// tree loads modules of one file each.
func tree(t testing.TB, files map[string]string) modules {
	t.Helper()
	fsys := fstest.MapFS{}
	for dir, text := range files {
		fsys[dir+"/main.tf"] = &fstest.MapFile{Data: []byte(strings.TrimPrefix(text, "\n"))}
	}
	return loaded(t, fsys)
}
