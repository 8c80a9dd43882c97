#!/bin/sh
# One map task: counts the words of every source whose place in the list falls to this task.
# The task's number comes from the cell; the inputs and the place for results from the job.
set -eu
# What a word is depends on the locale; the demo's own check uses this one too.
export LC_ALL=C
here=0
while IFS= read -r file; do
    if [ $((here % TASKS)) -eq "$QUIPU_INDEX" ]; then cat "$SOURCES/$file" && echo; fi
    here=$((here + 1))
done <"$RESULTS/inputs" | wc -w >"$RESULTS/part.$QUIPU_INDEX.writing"
# Renamed when it is whole: a part that is there is a part that counts.
mv "$RESULTS/part.$QUIPU_INDEX.writing" "$RESULTS/part.$QUIPU_INDEX"
echo "$QUIPU_TASK counted $(cat "$RESULTS/part.$QUIPU_INDEX") words on $QUIPU_AGENT"
