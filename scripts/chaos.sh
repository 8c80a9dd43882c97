#!/usr/bin/env bash
# Kills parts of a cell over three Kafka brokers at random, for twenty minutes at most, while clients send commands,
# then compares whatever was acked with the log. QUIPU_CHAOS_* says otherwise: see quipu/tests/chaos/plan.rs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export QUIPU_CHAOS_BROKERS=${QUIPU_CHAOS_BROKERS:-3} QUIPU_CHAOS_CLIENTS=${QUIPU_CHAOS_CLIENTS:-96}
export QUIPU_CHAOS_KILLS=${QUIPU_CHAOS_KILLS:-200} QUIPU_CHAOS_COMMANDS=${QUIPU_CHAOS_COMMANDS:-500000}
export QUIPU_CHAOS_S=${QUIPU_CHAOS_S:-1200}

command-log/kafka-dev/kafka.sh jars
"${CARGO:-cargo}" test --workspace --locked --test chaos -- --ignored --nocapture
