#!/usr/bin/env bash
# Runs each fuzz target of the module for FUZZTIME. go test takes one target
# and one package at a time.
set -euo pipefail
cd "$(dirname "$0")/.."

found=0
while IFS=: read -r file target; do
	found=1
	dir=$(dirname "$file")
	echo "fuzz $dir $target"
	"${GO:-go}" test "./$dir" -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-10s}" -parallel "${FUZZPARALLEL:-2}"
done < <(grep -rEo --include='*_test.go' --exclude-dir=.cache '^func Fuzz[A-Za-z0-9_]+' . |
	sed -e 's/^\.\///' -e 's/func //' | sort)

if [ "$found" = 0 ]; then
	echo "no fuzz targets found" >&2
	exit 1
fi
