#!/usr/bin/env bash
# Runs each fuzz target of the module for FUZZTIME. go test takes one target at
# a time and links anew for each, so each package is built once and run directly.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cache=$("${GO:-go}" env GOCACHE)/fuzz/$("${GO:-go}" list -m)

found=0
last=
while IFS=: read -r file target; do
	found=1
	dir=$(dirname "$file")
	if [ "$dir" != "$last" ]; then
		"${GO:-go}" test -c -vet=off -fuzz . -o "$work/fuzz.test" "./$dir"
		last=$dir
	fi
	echo "fuzz $dir $target"
	# A run whose time ends while a worker answers sometimes fails with no more
	# than "context deadline exceeded" (golang/go#75804, mended in Go 1.27); it found nothing and is
	# repeated. A finding names the file that it wrote.
	for attempt in 1 2 3; do
		if (cd "$dir" && "$work/fuzz.test" -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "${FUZZTIME:-10s}" \
			-test.parallel "${FUZZPARALLEL:-2}" -test.fuzzcachedir "$cache/$dir") >"$work/log" 2>&1; then
			tail -n 2 "$work/log"
			break
		fi
		if [ "$attempt" = 3 ] || ! grep -q 'context deadline exceeded' "$work/log" || grep -q 'Failing input written' "$work/log"; then
			cat "$work/log" >&2
			exit 1
		fi
	done
done < <(grep -rEo --include='*_test.go' --exclude-dir=.cache '^func Fuzz[A-Za-z0-9_]+' . |
	sed -e 's/^\.\///' -e 's/func //' | sort)

if [ "$found" = 0 ]; then
	echo "no fuzz targets found" >&2
	exit 1
fi
