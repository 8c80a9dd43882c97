#!/usr/bin/env bash
# A cell on this machine with work to look at: a batch job that counts words, a service that crashes
# once, a framework that takes offers, and a control plane that is killed in the middle of it all.
#
#   scripts/demo.sh           leaves the cell running, and says where it listens
#   scripts/demo.sh --smoke   ends it too; what CI runs
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
smoke=${1:-}
target=${CARGO_TARGET_DIR:-$PWD/target}/debug
# What a word is depends on the locale; the tasks use this one too.
export LC_ALL=C

if [ -n "$smoke" ]; then
    DEMO_DIR=$(mktemp -d)
    listen=127.0.0.1:0
else
    DEMO_DIR=${DEMO_DIR:-$HOME/.cache/quipu-demo}
    listen=127.0.0.1:${DEMO_PORT:-7070}
    "$target/quipu" down --dir "$DEMO_DIR/cell" --kill-tasks >/dev/null 2>&1 || true
    rm -rf -- "$DEMO_DIR"
fi
mkdir -p "$DEMO_DIR/results"
results=$DEMO_DIR/results
export QUIPU_DIR=$DEMO_DIR/cell
quipu() { "$target/quipu" "$@"; }

step() { printf '\n\033[1m== %s\033[0m\n' "$*"; }
fail() { printf '\nFAILED: %s\nThe cell is in %s; its messages are in %s/up.out\n' "$*" "$QUIPU_DIR" "$DEMO_DIR" >&2; exit 1; }
# Waits until a command succeeds, for at most a minute.
until_ok() { for _ in $(seq 600); do "$@" >/dev/null 2>&1 && return; sleep 0.1; done; fail "waited a minute for: $*"; }

start_control_plane() {
    "$target/quipu" up --listen "$listen" >>"$DEMO_DIR/up.out" 2>&1 &
    control=$!
    until_ok quipu cell
}
finish() {
    status=$?
    if [ -n "$smoke" ] || [ $status -ne 0 ]; then
        "$target/quipu" down --kill-tasks >/dev/null 2>&1 || true
        [ $status -ne 0 ] || rm -rf -- "$DEMO_DIR"
    fi
}
trap finish EXIT

step "A cell: log, allocator and gateway in one process, an agent in another"
started=$(date +%s%N)
start_control_plane
until_ok sh -c "'$target/quipu' agents -o json | grep -q '\"UP\"'"
echo "up and with its first agent after $((($(date +%s%N) - started) / 1000000)) ms"
quipu agents

step "A batch job: count the words of this project's sources in 8 tasks, then add them up"
mkdir "$DEMO_DIR/sources"
find . \( -path ./target -o -path ./.git -o -name node_modules \) -prune -o \( -name '*.rs' -o -name '*.md' \) -print |
    sort >"$results/inputs"
# A copy, so that nobody edits what is being counted.
while IFS= read -r file; do cp --parents "$file" "$DEMO_DIR/sources"; done <"$results/inputs"
cat >"$DEMO_DIR/count.toml" <<JOB
[job]
name = "count"
kind = "batch"
count = 8
resources = "cpu=0.1 mem=32Mi"
command = ["$PWD/demo/count-words.sh"]
[job.env]
SOURCES = "$DEMO_DIR/sources"
RESULTS = "$results"
TASKS = "8"
JOB
quipu submit "$DEMO_DIR/count.toml" --wait
quipu run --name sum --env RESULTS="$results" -- "$PWD/demo/sum-words.sh"
total=$(cat "$results/total")
expected=$(while IFS= read -r file; do cat "$DEMO_DIR/sources/$file" && echo; done <"$results/inputs" | wc -w)
[ "$total" -eq "$expected" ] || fail "the cell counted $total words, one wc counts $expected"
echo "checked: one wc over the same files says $expected too"

step "A service that crashes once, and is started again"
cat >"$DEMO_DIR/service.toml" <<JOB
[job]
name = "flaky"
kind = "service"
resources = "cpu=0.1 mem=32Mi"
command = ["$PWD/demo/crash-once.sh"]
[job.env]
RESULTS = "$results"
[job.restart]
backoff = "200ms"
JOB
quipu submit "$DEMO_DIR/service.toml"
until_ok sh -c "'$target/quipu' logs flaky.0 | grep -q 'second start'"
quipu why flaky.0

step "A framework that takes offers over GraphQL"
"$target/examples/framework" "$(cat "$QUIPU_DIR/gateway-url")" tiny 6

step "A second job; the control plane is killed with -9 in the middle of it"
cat >"$DEMO_DIR/work.toml" <<JOB
[job]
name = "work"
kind = "batch"
count = 12
resources = "cpu=0.05 mem=16Mi"
command = ["$PWD/demo/work-a-while.sh"]
[job.env]
RESULTS = "$results"
JOB
quipu submit "$DEMO_DIR/work.toml"
until_ok test -s "$results/starts"
kill -9 $control
wait $control 2>/dev/null || true
echo "killed process $control while $(wc -l <"$results/starts") tasks had begun; they run on"
sleep 1
start_control_plane
echo "the control plane is back"
until_ok sh -c "'$target/quipu' job work -o json | grep -qi '\"succeeded\"'"
quipu jobs --all
[ "$(sort "$results/starts" | uniq | wc -l)" -eq 12 ] && [ "$(wc -l <"$results/starts")" -eq 12 ] || fail "some task began more or less than once"
[ "$(sort "$results/ends")" = "$(sort "$results/starts")" ] || fail "some task did not end as it began"
echo "checked: 12 tasks began, each once; the same 12 ended, each once"

step "The audit: decide the whole history again, and compare every byte"
quipu audit verify

step "A what-if: the same history with four more machines, tasks spread"
quipu whatif --set policy=spread --add-agents '4x{cpu=4,mem=8Gi}'

if [ -n "$smoke" ]; then
    step "Done"
else
    url=$(cat "$QUIPU_DIR/gateway-url")
    step "Done; the cell stays up at $url/graphql"
    cat <<HOW
  export QUIPU_DIR=$QUIPU_DIR PATH=$target:\$PATH
  quipu ps                          what runs
  quipu run -- echo hello           run something
  quipu events --since start        all that happened
  quipu why flaky.0                 why a task is where it is
  quipu down --kill-tasks           end it all (make clean-demo forgets it)
HOW
fi
