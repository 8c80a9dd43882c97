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
# One story at a time where whole cells run beside the brokers.
"${CARGO:-cargo}" test -p command-log --test kafka --locked -- --ignored
"${CARGO:-cargo}" test -p quipu --test over_kafka --locked -- --ignored --test-threads 1
