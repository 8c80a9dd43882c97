#!/bin/sh
# The reduce task: adds up the parts.
set -eu
total=0
for part in "$RESULTS"/part.[0-9]*; do
    total=$((total + $(cat "$part")))
done
echo "$total" >"$RESULTS/total"
echo "$total words in all"
