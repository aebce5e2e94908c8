# crossfade. `make help` lists the targets. Needs Go, make, gcc (for the race
# detector) and git; test-servers needs node and npm as well.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

GO      ?= go
CACHE   := $(CURDIR)/.cache
TOOLBIN := $(CACHE)/bin

# Without git or tags the version is the commit, or dev.
VERSION ?= $(shell git describe --tags --always --dirty --match 'v[0-9]*' 2>/dev/null || echo dev)

# -trimpath and -buildvcs=false make equal sources give equal bytes, and the tags
# small programs (testutil/release says how). They and CGO_ENABLED=0 are the same
# for all targets but test, so that these share what they compile.
TAGS := lambda.norpc,grpcnotrace,disable_grpc_modules
USERFLAGS := $(shell $(GO) env GOFLAGS)
export GOFLAGS := $(strip $(USERFLAGS) -trimpath -buildvcs=false -tags=$(TAGS))
export CGO_ENABLED := 0

GOBUILD := $(GO) build -ldflags '-s -w -X main.version=$(VERSION)'

DEMOFLAGS  ?=
BENCHFLAGS ?=
TESTFLAGS  ?=
FUZZTIME   ?= 10s
SOAKTIME   ?= 10m
DISTFLAGS  ?=

##@ Everyday

.PHONY: help
help: ## Show this list
	@awk 'BEGIN {FS = ":.*## "} \
		/^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z][a-z-]*:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\nVariables\n'
	@printf '  %-14s %s\n' \
		DEMOFLAGS 'flags of crossfade demo: make demo DEMOFLAGS="--to azure --duration 1m"' \
		BENCHFLAGS 'flags of the benchmark: make bench BENCHFLAGS="--objects 20000 --json"' \
		TESTFLAGS 'flags of go test in test and test-servers: TESTFLAGS="-run Sync"' \
		DISTFLAGS 'flags of dist: make dist DISTFLAGS="--only linux/arm64"' \
		FUZZTIME 'time for each fuzz target (10s)' \
		SOAKTIME 'time for the random schedules of soak (10m)' \
		VERSION 'version recorded in the binaries (from git describe)'

.PHONY: build
build: ## Build every command into bin/
	@mkdir -p bin
	$(GOBUILD) -o bin/ ./cmd/...

.PHONY: demo
demo: ## Watch a bucket move between clouds under load; needs no cloud and no account
	@mkdir -p bin
	@$(GOBUILD) -o bin/ ./cmd/crossfade
	@bin/crossfade demo $(DEMOFLAGS)

.PHONY: test
test: ## Run all tests with the race detector
	GOFLAGS='$(USERFLAGS)' CGO_ENABLED=1 $(GO) test -race -timeout 20m $(TESTFLAGS) ./...
	cd deploy/kubernetes/schema && $(GO) test -count=1 ./... # its files are not the module's

##@ Before a commit

.PHONY: check
check: lint test ## All checks: format, vet, lint, go mod tidy, tests; writes no tracked file

.PHONY: lint
lint: $(TOOLBIN)/golangci-lint ## The checks without the tests
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(TOOLBIN)/golangci-lint config verify
	$(TOOLBIN)/golangci-lint run ./...

.PHONY: fmt
fmt: $(TOOLBIN)/golangci-lint ## Format the sources
	$(TOOLBIN)/golangci-lint fmt ./...

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME
	@GO='$(GO)' FUZZTIME='$(FUZZTIME)' testutil/fuzz.sh

.PHONY: vulncheck
vulncheck: $(TOOLBIN)/govulncheck ## Look for known vulnerabilities in what the code calls
	@testutil/tools/vuln/check.sh $(TOOLBIN)/govulncheck

.PHONY: terraform
terraform: ## Format and validate deploy/ with terraform itself, where it and its providers can be had
	@testutil/terraform.sh

.PHONY: soak
soak: ## Random schedules of Sync and of turns for SOAKTIME each, and every order of small ones
	CROSSFADE_SOAK='$(SOAKTIME)' $(GO) test -count=1 -timeout 0 -v -run '^(TestSoak|TestEveryInterleaving|TestPositions)$$' $(TESTFLAGS) ./testutil/model/... | \
		{ grep -Ev '^ *=== (RUN|PAUSE|CONT)' || true; }

##@ Real servers

.PHONY: test-servers
test-servers: servers ## Conformance suite and all cross-cloud pairs on versitygw, fake-gcs-server, Azurite and fauxqs
	$(GO) test -tags servers,$(TAGS) -count=1 -timeout 15m $(TESTFLAGS) ./testutil/servers/... ./testutil/servertest/...

.PHONY: bench
bench: $(TOOLBIN)/versitygw $(TOOLBIN)/rclone ## Compare backfill with rclone on a real S3 server, and run the Go benchmarks
	@mkdir -p bin
	@$(GOBUILD) -o bin/ ./cmd/crossfade
	@$(GO) run ./testutil/bench $(BENCHFLAGS)

.PHONY: servers
servers: $(TOOLBIN)/versitygw $(CACHE)/azurite/node_modules/.package-lock.json $(CACHE)/fauxqs/node_modules/.package-lock.json ## Install the servers that test-servers starts, into .cache/

# Tools are pinned in modules of their own, so that go.mod holds only what the
# program needs. The pattern "tool" means all tools of a module.
TOOLBUILD = mkdir -p $(TOOLBIN) && cd testutil/tools/$(1) && \
	$(GO) build -o $(TOOLBIN)/ tool && \
	touch $(TOOLBIN)/$(2)

$(TOOLBIN)/golangci-lint: testutil/tools/lint/go.mod testutil/tools/lint/go.sum
	$(call TOOLBUILD,lint,golangci-lint)

$(TOOLBIN)/govulncheck: testutil/tools/vuln/go.mod testutil/tools/vuln/go.sum
	$(call TOOLBUILD,vuln,govulncheck)

# Also builds fake-gcs-server.
$(TOOLBIN)/versitygw: testutil/tools/servers/go.mod testutil/tools/servers/go.sum
	$(call TOOLBUILD,servers,versitygw)

$(TOOLBIN)/rclone: testutil/tools/rclone/go.mod testutil/tools/rclone/go.sum
	$(call TOOLBUILD,rclone,rclone)

NPMBUILD = mkdir -p $(CACHE)/$(1) && cp $^ $(CACHE)/$(1)/ && \
	cd $(CACHE)/$(1) && npm ci --ignore-scripts --loglevel=error && \
	touch $@

AZURITE := testutil/tools/azurite
$(CACHE)/azurite/node_modules/.package-lock.json: $(AZURITE)/package.json $(AZURITE)/package-lock.json $(AZURITE)/.npmrc
	$(call NPMBUILD,azurite)

FAUXQS := testutil/tools/fauxqs
$(CACHE)/fauxqs/node_modules/.package-lock.json: $(FAUXQS)/package.json $(FAUXQS)/package-lock.json $(FAUXQS)/.npmrc $(FAUXQS)/serve.mjs
	$(call NPMBUILD,fauxqs)

##@ Release

.PHONY: dist
dist: ## Build the release files into dist/: binaries, zips for functions, SBOM, checksums
	$(GO) run ./testutil/dist --version '$(VERSION)' --out dist $(DISTFLAGS)

.PHONY: clean
clean: ## Remove what was built; .cache/ with the tools stays
	rm -rf bin dist

.PHONY: clean-all
clean-all: clean ## Remove the tools too
	rm -rf .cache
