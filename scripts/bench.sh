#!/usr/bin/env bash
# Runs the benches, collects their lines in bench.jsonl and shows them as a table. Every bench checks
# its answer before it says how long it took; one that fails fails this script.
#
#   scripts/bench.sh [--smoke] [--only NAME]
#
# NAME is append, place, fold, project or cell, or begins a line of the last: cell_tasks, submit, takeover …
# Those of a cell over Kafka are skipped, and say so, where there is no Java or Maven.
# The benches are built in the one dev profile, as tests and demo are: RocksDB's C++ is built once.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C

smoke=() only=
while [ $# -gt 0 ]; do
    case $1 in
        --smoke) smoke=(--smoke) ;;
        --only) only=${2:?--only needs a name}; shift ;;
        *) echo "usage: scripts/bench.sh [--smoke] [--only NAME]" >&2; exit 2 ;;
    esac
    shift
done

# The benches as CRATE:NAME; the example is bench_NAME.
benches=(command-log:append allocator:place allocator:fold projector:project quipu:cell)
chosen=() line=()
for bench in "${benches[@]}"; do
    if [ -z "$only" ] || [ "$only" = "${bench#*:}" ]; then chosen+=("$bench"); fi
done
if [ ${#chosen[@]} -eq 0 ]; then
    chosen=(quipu:cell) line=(--only "$only")
fi

# As `make build` does: with part of the workspace, libraries would be built again with other features.
"${CARGO:-cargo}" build --quiet --workspace --bins --examples --locked

results=bench.jsonl
: >"$results"
failed=()
for bench in "${chosen[@]}"; do
    name=${bench#*:}
    echo "bench_$name" >&2
    "${CARGO_TARGET_DIR:-target}/debug/examples/bench_$name" "${smoke[@]}" "${line[@]}" >>"$results" || failed+=("bench_$name")
done

awk '
    function field(key,    found) {
        if (!match($0, "\"" key "\":(\"[^\"]*\"|[^,}]*)")) return ""
        found = substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3)
        gsub(/"/, "", found)
        return found
    }
    function add(text, column) {
        cell[NR + 1, column] = text
        if (length(text) > width[column]) width[column] = length(text)
    }
    BEGIN {
        split("name value unit n workload", title, " ")
        for (column = 1; column <= 5; column++) { cell[1, column] = title[column]; width[column] = length(title[column]) }
    }
    { for (column = 1; column <= 5; column++) add(field(title[column]), column) }
    END {
        for (row = 1; row <= NR + 1; row++)
            printf "%-" width[1] "s  %" width[2] "s  %-" width[3] "s  %" width[4] "s  %s\n", \
                cell[row, 1], cell[row, 2], cell[row, 3], cell[row, 4], cell[row, 5]
    }' "$results"

if [ ${#failed[@]} -gt 0 ]; then
    echo "FAILED: ${failed[*]}" >&2
    exit 1
fi
