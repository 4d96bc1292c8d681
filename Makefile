# The commands of this project. `make demo` and `make test` do all their own set-up.

.DEFAULT_GOAL := help
SHELL := /bin/bash
PROFILE ?= release
CALZONE := target/$(PROFILE)/calzone

.PHONY: help demo test test-languages plugins build lint bench simulate torture

help:            ## Lists these commands
	@sed -n 's/^\([a-z-]*\): .*## /  make \1\t/p' $(MAKEFILE_LIST) | sort

demo:            ## Runs the pizza shop on the embedded log (BOOTSTRAP=host:port: on that Kafka)
	@tests/setup/packages.sh build
	@tests/setup/packages.sh guests
	@cargo build --release --locked -p calzone-server
	@plugins/build.sh
	@python3 plugins/pizza/demo.py --calzone target/release/calzone $(if $(BOOTSTRAP),--bootstrap $(BOOTSTRAP))

plugins:         ## Builds every guest into target/plugins/<name>.wasm
	@tests/setup/packages.sh build
	@tests/setup/packages.sh guests
	@plugins/build.sh

build:           ## Builds the server
	@tests/setup/packages.sh build
	@cargo build --release --locked -p calzone-server

test:            ## Runs every test, on a real Apache Kafka that it starts and stops
	@tests/setup/packages.sh build
	@tests/setup/packages.sh guests
	@tests/setup/packages.sh test
	@tests/run.sh

test-languages:  ## Builds plugins in Python and JavaScript and tests them on a real server (toolchains from PyPI and npm, in target)
	@tests/setup/packages.sh build
	@tests/setup/packages.sh languages
	@tests/languages/build.sh
	@cargo build --workspace --locked
	@target/languages/venv/bin/python -m pytest -q -x -rP tests/languages --calzone target/debug/calzone

bench:           ## Measures against a hand-written loop and Kafka Streams (QUICK=1: in under 3 minutes; BENCH="--rows …": other parts)
	@tests/setup/packages.sh build
	@tests/setup/packages.sh test
	@cargo build --release --locked -p calzone-server
	@CARGO_TARGET_DIR=$(CURDIR)/target/bench cargo build --release --workspace --manifest-path tests/bench/rust/Cargo.toml
	@case "$(BENCH)" in *plugins*|*fairness*|*everything*) tests/setup/packages.sh guests && plugins/build.sh;; esac
	@mvn -B -q -f tests/bench/streams/pom.xml package dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/target/bench/streams/libs
	@python3 tests/bench/bench.py --calzone target/release/calzone $(if $(QUICK),--quick) $(BENCH)

simulate:        ## Runs queries under SEEDS=200 seeds of crashes and faults (SEED=n: that one, with what happened)
	@cargo build -q --workspace --locked --bin calzone-simulation && target/debug/calzone-simulation $(if $(SEED),--seed $(SEED) --trace,--seeds $(or $(SEEDS),200))

torture:         ## Kills servers and brokers under load, KILLS=200 times on each log, and counts (MINUTES=30: no kills, a long run)
	@tests/setup/packages.sh build
	@tests/setup/packages.sh guests
	@tests/setup/packages.sh test
	@plugins/build.sh
	@cargo build --release --locked -p calzone-server
	@python3 -m venv target/torture/venv
	@target/torture/venv/bin/pip -q install --disable-pip-version-check -r tests/blackbox/requirements.txt
	@target/torture/venv/bin/python tests/torture/torture.py --calzone target/release/calzone --kills $(or $(KILLS),200) $(if $(MINUTES),--minutes $(MINUTES)) $(TORTURE)

lint:            ## Formatting, clippy and dependency rules
	@cargo fmt --all --check
	@cargo clippy --workspace --all-targets --locked -- -D warnings
	@if command -v cargo-deny >/dev/null; then cargo deny check; else echo "cargo-deny is not installed: dependency rules not checked"; fi
