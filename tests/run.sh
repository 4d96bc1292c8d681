#!/usr/bin/env bash
# All tests: `make test` runs this after the system packages are there. Starts a real Apache Kafka on free ports in a
# temporary folder and stops it whatever happens. SKIP_LINT=1 leaves out formatting and clippy.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
scratch=$(mktemp -d -t calzone-test-XXXXXX)
kafka_cache=${CALZONE_KAFKA_DIR:-$root/target/kafka}

step() { printf '\n--- %s (%s)\n' "$*" "$(date +%H:%M:%S)"; }

finish() {
  status=$?
  tests/kafka/kafka.sh stop "$scratch/kafka" >/dev/null 2>&1 || true
  if [ $status -eq 0 ]; then rm -rf "$scratch"; else echo "what the tests left is in $scratch"; fi
}
trap finish EXIT

command -v java >/dev/null 2>&1 || { echo "Java 17 or newer is needed: the tests run against a real Kafka" >&2; exit 1; }

# A port below Linux's ephemeral range with room for the controller's beside it.
free_port() {
  python3 - <<'P'
import random, socket
while True:
    port = random.randrange(20000, 30000)
    with socket.socket() as a, socket.socket() as b:
        try:
            a.bind(("127.0.0.1", port)); b.bind(("127.0.0.1", port + 1000))
        except OSError:
            continue
        print(port)
        break
P
}

if [ -z "${SKIP_LINT:-}" ]; then
  step "formatting"
  cargo fmt --all --check
  (cd plugins && cargo fmt --all --check)
fi

step "guests"
plugins/build.sh

# One build for all: choosing other packages would choose other features of dependencies, and build those again.
step "server and tests"
cargo test --workspace --locked --no-run

step "Kafka"
tests/kafka/kafka.sh install "$kafka_cache"
mkdir -p "$scratch/kafka"
ln -s "$kafka_cache/libs" "$scratch/kafka/libs"
mkdir -p "$scratch/kafka"/{conf,run,logs} && cp "$kafka_cache"/conf/log4j2*.properties "$scratch/kafka/conf/"
port=$(free_port)
tests/kafka/kafka.sh start "$scratch/kafka" "$port"
export CALZONE_TEST_KAFKA=127.0.0.1:$port
export CALZONE_TEST_KAFKA_DIR=$scratch/kafka

step "cargo test"
cargo test --workspace --locked

step "guests' own tests"
(cd plugins && CARGO_TARGET_DIR=$root/target/guest-tests cargo test --locked --workspace --exclude componentize)

step "the guest SDK's examples"
(cd guest-sdk && CARGO_TARGET_DIR=$root/target/guest-tests cargo test --locked)

step "golden tests"
target/debug/calzone test-runner --folder tests/goldens

if [ -f "$root/../shared/compat/visible.jsonl" ]; then
  step "ksqldb's public cases, with the floor in tests/compat/floor"
  python3 tests/compat/check_floor.py target/debug/calzone "$root/../shared/compat/visible.jsonl"
else
  step "ksqldb's public cases are not at hand: not run"
fi

step "black-box tests"
python3 -m venv "$scratch/venv"
"$scratch/venv/bin/pip" -q install --disable-pip-version-check -r tests/blackbox/requirements.txt
"$scratch/venv/bin/python" -m pytest -q -x tests/blackbox --calzone target/debug/calzone

step "the demo on the embedded log, then on Kafka"
python3 plugins/pizza/demo.py --calzone target/debug/calzone >"$scratch/demo.log" 2>&1 || { tail -40 "$scratch/demo.log"; exit 1; }
tail -1 "$scratch/demo.log"
python3 plugins/pizza/demo.py --calzone target/debug/calzone --bootstrap "$CALZONE_TEST_KAFKA" >"$scratch/demo-kafka.log" 2>&1 || { tail -40 "$scratch/demo-kafka.log"; exit 1; }
tail -1 "$scratch/demo-kafka.log"

step "all well"
