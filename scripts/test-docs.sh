#!/usr/bin/env bash
# Runs the tutorials and how-to guides, each in a directory of its own: every block marked `sh` in order, as one script.
# A block with a file name (```toml web.toml) becomes that file when the script comes to it. Blocks marked `text` show
# what is printed, and are not run.
#
#   scripts/test-docs.sh [PAGE…]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
root=$PWD
target=${CARGO_TARGET_DIR:-$root/target}/debug
[ -x "$target/quipu" ] || { echo "test-docs: $target/quipu is not there; run make build" >&2; exit 1; }
pages=("$@")
# The guide for Kafka needs brokers; test-kafka.sh has the same cell.
[ $# -gt 0 ] || mapfile -t pages < <(ls docs/tutorials/*.md docs/how-to/*.md | grep -v kafka)

# A page as a shell script.
script() {
    awk '
        /^```/ && inside { if (file) print "QUIPU_END_OF_FILE"; inside = 0; file = 0; next }
        /^```sh$/ { inside = 1; next }
        /^```[a-z]+ [^ ]+$/ { split($0, words, " "); print "cat >" words[2] " <<\047QUIPU_END_OF_FILE\047"; inside = file = 1; next }
        /^```/ { inside = 2; next }
        inside == 1 || file { print }
    ' "$1"
}

status=0
for page in "${pages[@]}"; do
    dir=$(mktemp -d)
    log=$dir/.output
    printf '%s ... ' "$page"
    script "$page" >"$dir/.script"
    grep -q . "$dir/.script" || { echo "FAILED: there is nothing to run in it"; status=1; continue; }
    # Bounded, and the cells of a page that failed are ended too.
    if (cd "$dir" && env -u QUIPU_DIR -u QUIPU_GATEWAY PATH="$target:$PATH" QUIPU_SOURCES="$root" \
        timeout 120 bash -euo pipefail .script >"$log" 2>&1); then
        echo ok
    else
        echo "FAILED"; status=1
        tail -n 40 "$log"
    fi
    find "$dir" -name control.pid -printf '%h\n' | while read -r cell; do
        "$target/quipu" down --dir "$cell" --kill-tasks >/dev/null 2>&1 || true
    done
    rm -rf -- "$dir"
done
exit $status
