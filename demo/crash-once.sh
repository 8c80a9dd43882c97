#!/bin/sh
# A service that crashes at its first start and serves from its second one on.
set -eu
if mkdir "$RESULTS/crashed" 2>/dev/null; then
    echo "first start: crashing" >&2
    exit 3
fi
echo "second start: serving"
while :; do sleep 1; done
