#!/usr/bin/env bash
# Runs the tests that need real Kafka brokers, where Java and Maven are; elsewhere says that it does not.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

for tool in java mvn; do
    if ! command -v "$tool" >/dev/null; then
        echo "SKIPPED: the tests on real Kafka brokers need Java 17 and Maven, and there is no $tool here" >&2
        exit 0
    fi
done
command-log/kafka-dev/kafka.sh jars
# With the whole workspace, so that nothing is built with other features than the other tests have.
"${CARGO:-cargo}" test --workspace --locked --test kafka -- --ignored
# One story at a time where whole cells run beside the brokers.
"${CARGO:-cargo}" test --workspace --locked --test over_kafka -- --ignored --test-threads 1
# A minute of kills at random; `make chaos` has more.
"${CARGO:-cargo}" test --workspace --locked --test chaos -- --ignored --nocapture
