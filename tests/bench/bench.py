#!/usr/bin/env python3
"""Measures Calzone against a hand-written librdkafka loop and against Kafka Streams, on the same work in the same run.

Every query is plain SQL sent to a running server with default settings. Outputs are compared with what they must be.
`make bench` calls this; `--quick` takes fewer records, once. Figures are worth something only as ratios within one run.
"""

import argparse
import contextlib
import importlib
import json
import pathlib
import shutil
import sys
import tempfile

from broker import ROOT, Broker
from figures import print_figures, print_table
from runs import Bench

# Each is a module with `measure`.
PARTS = ["table", "joins", "plugins", "fairness", "latency", "growth", "many", "parts"]
# They need no records but those that they make themselves.
OWN_RECORDS = ["fairness"]


def measure(options, scratch: pathlib.Path) -> dict:
    bench = Bench(options, scratch)
    found = {}
    with contextlib.ExitStack() as stack:
        wanted = [part for part in options.rows.split(",") if part not in OWN_RECORDS]
        broker = None if options.skip_kafka or not wanted else stack.enter_context(Broker(scratch / "kafka"))
        if broker:
            print(f"Kafka: {options.records:,} records loaded in {bench.load(bench.place(broker)):.1f} s", flush=True)
        if wanted and not options.skip_embedded:
            bench.embedded().mkdir()
            print(f"embedded log: loaded in {bench.load(bench.place(None)):.1f} s", flush=True)
        for part in options.rows.split(","):
            print(f"\n--- {part}", flush=True)
            found[part] = importlib.import_module(part).measure(bench, broker)
            print_figures(found[part].get("figures", {}))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calzone", type=pathlib.Path, default=ROOT / "target/release/calzone")
    parser.add_argument("--rows", default="table", help=f"some of {','.join(PARTS)}, or everything")
    parser.add_argument("--records", type=int, help="default: 5 million, quick: 1 million")
    parser.add_argument("--repeat", type=int, help="runs of each row; the best counts")
    parser.add_argument("--quick", action="store_true", help="fewer records, one run, Kafka Streams from its cold start")
    parser.add_argument("--only", help="of the table: some of filter,all,aggregate,regroup")
    parser.add_argument("--skip-kafka", action="store_true")
    parser.add_argument("--skip-embedded", action="store_true")
    parser.add_argument("--skip-loop", action="store_true")
    parser.add_argument("--skip-streams", action="store_true")
    parser.add_argument("--json", type=pathlib.Path, default=ROOT / "target/bench/figures.json")
    options = parser.parse_args()
    options.rows = ",".join(PARTS) if options.rows == "everything" else options.rows
    unknown = set(options.rows.split(",")) - set(PARTS)
    if unknown:
        parser.error(f"--rows {','.join(unknown)}: there are {', '.join(PARTS)} and everything")
    options.records = options.records or (1_000_000 if options.quick else 5_000_000)
    options.repeat = options.repeat or (1 if options.quick else 2)
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="calzone-bench-"))
    try:
        found = measure(options, scratch)
    except BaseException:
        print(f"what the servers left is in {scratch}", file=sys.stderr)
        raise
    shutil.rmtree(scratch, ignore_errors=True)
    print_table(options.records, [row for part in found.values() for row in part["rows"]])
    for part in found.values():
        print_figures(part.get("start", {}))
    parts = {name: part | {"rows": [row.as_json() for row in part["rows"]]} for name, part in found.items()}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps({"records": options.records, "parts": parts}, indent=1) + "\n")
    print(f"\nas JSON: {options.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
