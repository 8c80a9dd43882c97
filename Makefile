# Everyday commands. `make` alone lists them.
#
# One target directory for tests, the demo and the benches, so that RocksDB's C++ is built once; it
# lies outside the checkout, so that several checkouts share it. See docs/adr/0001.

export CARGO_TARGET_DIR ?= $(HOME)/.cache/quipu-target
CARGO ?= cargo
DEMO_DIR ?= $(HOME)/.cache/quipu-demo
export DEMO_DIR

.DEFAULT_GOAL := help
.PHONY: help setup build check fmt test test-rust test-kafka chaos test-docs test-clients kafka bench bench-smoke demo demo-smoke clean-demo clean

help: ## Lists the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  Built things are in $(CARGO_TARGET_DIR)"

setup: ## Installs what the build needs (Debian and Ubuntu; elsewhere says what is missing)
	@scripts/setup.sh

build: setup ## Builds everything
	$(CARGO) build --workspace --bins --examples --locked

fmt: ## Formats the code
	$(CARGO) fmt --all

check: setup ## Formatting and lints, warnings denied
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings

test: check test-rust test-kafka bench-smoke demo-smoke test-docs test-clients ## Everything that CI runs

test-rust: setup ## The tests of the workspace alone
	$(CARGO) test --workspace --locked

test-kafka: setup ## The log on real Kafka brokers, where Java and Maven are installed
	@scripts/test-kafka.sh

chaos: setup ## Kills parts of a cell over Kafka at random, twenty minutes long; then checks every ack
	@scripts/chaos.sh

kafka: ## Starts a Kafka broker on loopback; stop it with command-log/kafka-dev/kafka.sh stop
	@command-log/kafka-dev/kafka.sh start

test-clients: build ## The clients in other languages, where those are installed
	@scripts/test-clients.sh

test-docs: build ## The commands of the tutorials and guides, as a reader would run them
	@scripts/test-docs.sh

bench: setup ## Benches; ONLY=name runs one
	@scripts/bench.sh $(if $(ONLY),--only $(ONLY))

bench-smoke: setup
	@scripts/bench.sh --smoke

demo: build ## A cell on this machine, with work to look at
	@scripts/demo.sh

demo-smoke: build
	@scripts/demo.sh --smoke

clean-demo: ## Forgets the demo's cell
	rm -rf -- "$(DEMO_DIR)"

clean: clean-demo ## Forgets everything that was built
	$(CARGO) clean
