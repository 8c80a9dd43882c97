#!/bin/sh
# A task that leaves a line when it starts and one when it ends, so that anybody can count both.
set -eu
echo "$QUIPU_TASK $QUIPU_INCARNATION" >>"$RESULTS/starts"
sleep 4
echo "$QUIPU_TASK $QUIPU_INCARNATION" >>"$RESULTS/ends"
