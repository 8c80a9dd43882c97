#!/usr/bin/env bash
# Runs the tests of every client in another language: directories with a package.json that has a
# "test" script. Without Node.js they are skipped, and that is said.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

found=0
while IFS= read -r manifest; do
    grep -q '"test":' "$manifest" || continue
    found=1
    directory=$(dirname "$manifest")
    if ! command -v npm >/dev/null 2>&1; then
        echo "SKIPPED: $directory (no npm on this machine)" >&2
        continue
    fi
    echo "client: $directory"
    if [ -f "$directory/package-lock.json" ]; then
        (cd "$directory" && npm ci --no-audit --no-fund --loglevel=error && npm test)
    else
        (cd "$directory" && npm install --no-audit --no-fund --loglevel=error && npm test)
    fi
done < <(find . -name package.json -not -path '*/node_modules/*' | sort)

[ "$found" -eq 1 ] || echo "no client has tests"
