#!/usr/bin/env bash
# Checks deploy/ with terraform itself: its format, and each module and example
# with its providers, in a copy. Where there is no terraform, or its providers
# cannot be had, it says so and leaves it at what go test ./deploy checks without
# them; with TERRAFORM_CHECK=strict that is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

leave_it() {
	echo "terraform: $1: deploy/ is not validated with providers here" >&2
	[ "${TERRAFORM_CHECK:-}" = strict ] && exit 1
	exit 0
}

command -v terraform >/dev/null || leave_it "it is not installed"
export TF_IN_AUTOMATION=1 CHECKPOINT_DISABLE=1
unset TF_CLI_CONFIG_FILE
terraform fmt -check -diff -recursive deploy

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp -R deploy "$work/"
# The providers are large, and no lock file is kept.
export TF_PLUGIN_CACHE_DIR=$work/plugins TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE=1
mkdir "$TF_PLUGIN_CACHE_DIR"
for dir in $(find deploy -name versions.tf -exec dirname {} \; | sort); do
	cd "$work/$dir"
	code=0
	timeout 600 terraform init -backend=false -input=false -no-color >"$work/log" 2>&1 || code=$?
	if [ "$code" != 0 ]; then
		if [ "$code" = 124 ] || tr -s '\n│ ' ' ' <"$work/log" | grep -qE 'could not connect|no such host|connection refused|i/o timeout|Client.Timeout|TLS handshake timeout|deadline exceeded|403 Forbidden|proxyconnect'; then
			leave_it "the providers cannot be had"
		fi
		cat "$work/log" >&2
		exit 1
	fi
	echo "terraform validate $dir"
	terraform validate -no-color
done
