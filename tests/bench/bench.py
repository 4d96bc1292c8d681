#!/usr/bin/env python3
"""Measures Calzone against a hand-written librdkafka loop and against Kafka Streams, on the same work in the same run.

Every query is plain SQL sent to a running server with default settings. Every output is compared with what it must be.
`make bench` calls this; `--quick` takes fewer records, once. Figures are worth something only as ratios within one run.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from broker import ROOT, Broker
from figures import Figures, Row, best, print_table
from processes import threads
from server import Server

TOOL = ROOT / "target/bench/release/calzone-bench"
STREAMS = ROOT / "target/bench/streams"
PARTITIONS = 4
RUN_SECONDS_MAX = 300

COLUMNS = """(k VARCHAR KEY, orderid BIGINT, userid VARCHAR, itemid VARCHAR, price DOUBLE, quantity BIGINT, region VARCHAR,
  ordertime BIGINT, address STRUCT<street VARCHAR, city VARCHAR, state VARCHAR, zip VARCHAR>)"""
SOURCE = f"CREATE STREAM orders {COLUMNS} WITH (kafka_topic = 'orders', value_format = 'JSON', partitions = {PARTITIONS});"
PROJECTION = "SELECT k, orderid, userid, price, UCASE(region) AS region FROM orders"
WINDOW = "WINDOW TUMBLING (SIZE 1 MINUTE, GRACE PERIOD 1 DAY)"
QUERIES = {
    "filter": f"CREATE STREAM bench_out AS {PROJECTION} WHERE price > 50 AND region = 'Region_3' EMIT CHANGES;",
    "all": f"CREATE STREAM bench_out AS {PROJECTION} EMIT CHANGES;",
    "aggregate": f"CREATE TABLE bench_out AS SELECT k, COUNT(*) AS cnt, SUM(price) AS total FROM orders {WINDOW} GROUP BY k EMIT CHANGES;",
    "regroup": f"CREATE TABLE bench_out AS SELECT itemid, COUNT(*) AS cnt, SUM(price) AS total FROM orders {WINDOW} GROUP BY itemid EMIT CHANGES;",
}


@dataclasses.dataclass
class Case:
    """A row of the table."""

    name: str
    work: str
    exactly_once: bool = False
    loop: bool = True

    @property
    def commit_ms(self) -> int:
        return 100 if self.exactly_once else 2000


CASES = [
    Case("filter, 5 % out", "filter"),
    Case("filter, 5 % out, exactly once", "filter", exactly_once=True),
    Case("every record out", "all"),
    Case("COUNT, SUM by key", "aggregate"),
    Case("COUNT, SUM by key, exactly once", "aggregate", exactly_once=True),
    Case("COUNT, SUM by another column", "regroup", loop=False),
]


class Bench:
    def __init__(self, options, scratch: pathlib.Path):
        self.options = options
        self.scratch = scratch
        # Old enough that no window is open, at the start of a minute so that each run has the same windows.
        self.base = (int(time.time()) - 7200) // 60 * 60 * 1000
        self.number = 0

    def tool(self, command: str, *arguments) -> dict:
        call = [str(TOOL), command, *map(str, arguments)]
        done = subprocess.run(call, capture_output=True, text=True, timeout=RUN_SECONDS_MAX)
        if done.returncode:
            raise RuntimeError(f"{' '.join(call)}:\n{done.stderr.strip()}")
        return json.loads(done.stdout.splitlines()[-1])

    def load(self, place: str) -> float:
        return self.tool("load", "--log", place, "--topic", "orders", "--partitions", PARTITIONS, *self.amount())["seconds"]

    def amount(self) -> list:
        return ["--count", self.options.records, "--base", self.base]

    def check(self, place: str, topic: str, case: Case):
        return self.tool("check", "--log", place, "--topic", topic, "--work", case.work, *self.amount())

    def service_id(self) -> str:
        self.number += 1
        return f"bench{os.getpid()}x{self.number}_"

    def calzone(self, case: Case, broker: Broker | None) -> Figures:
        """A fresh server process for each run, so that its peak memory is this query's."""
        if broker:
            place, state, service = f"kafka:{broker.address}", self.scratch / f"state{self.number}", self.service_id()
        else:
            state, service = self.scratch / "embedded", "bench_"
            place = f"embedded:{state / 'data'}"
        sink = f"bench_out_{self.number}" if broker else "BENCH_OUT"
        sql = QUERIES[case.work]
        if broker:
            sql = sql.replace(" AS ", f" WITH (kafka_topic = '{sink}') AS ", 1)
        properties = {"auto.offset.reset": "earliest", "processing.guarantee": "exactly_once_v2" if case.exactly_once else "at_least_once"}
        if case.exactly_once:
            properties["commit.interval.ms"] = str(case.commit_ms)
        with Server(self.options.calzone, state, broker.address if broker else None, service) as server:
            server.execute(SOURCE)
            stateless = case.work in ("filter", "all")
            waiting = None
            if broker and stateless and not case.exactly_once:
                call = [TOOL, "await", "--log", place, "--topic", sink, "--work", case.work, *self.amount(), "--seconds", RUN_SECONDS_MAX]
                waiting = subprocess.Popen([str(c) for c in call], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                waiting.stdout.readline()
            memory = []
            cpu, started = server.cpu_seconds(), time.monotonic()
            server.execute(sql, properties)
            try:
                self.wait(server, waiting, case, started, memory)
            finally:
                if waiting and waiting.poll() is None:
                    waiting.kill()
            seconds = time.monotonic() - started
            figures = Figures(self.options.records, seconds, server.cpu_seconds() - cpu, server.memory_mib(), resident=memory)
            if broker:
                self.check(place, sink, case)
            else:
                # What was written stays for the check, which needs the folder for itself.
                server.execute("TERMINATE ALL;")
        if not broker:
            self.check(place, sink, case)
            with Server(self.options.calzone, state, None, service) as server:
                kind = "STREAM" if stateless else "TABLE"
                server.execute(f"DROP {kind} bench_out DELETE TOPIC; DROP STREAM orders;")
        return figures

    def wait(self, server: Server, waiting: subprocess.Popen | None, case: Case, started: float, memory: list):
        """Until the last output is at the broker; where outputs may come at a commit only, until it is committed."""
        # A repartitioned record is read twice.
        reads = self.options.records * (2 if case.work == "regroup" else 1)
        commits_then, read_at = None, 0.0
        while True:
            if time.monotonic() - started > RUN_SECONDS_MAX:
                raise RuntimeError(f"the query has not ended after {RUN_SECONDS_MAX} s; the server's log:\n{server.log.read_text()[-2000:]}")
            if waiting:
                if waiting.poll() is not None:
                    if waiting.returncode:
                        raise RuntimeError(waiting.stderr.read())
                    return
            else:
                records_in, commits = server.counters()
                if records_in >= reads and commits_then is None:
                    commits_then, read_at = commits, time.monotonic()
                # The commit may have come between the two counters: then none follows.
                committed = commits_then is not None and (commits > commits_then or time.monotonic() - read_at > 2 * case.commit_ms / 1000)
                if committed and server.committed("orders", "orders") >= self.options.records:
                    return
            if not memory or time.monotonic() - memory[-1][0] >= 0.5:
                memory.append((time.monotonic(), server.memory_mib("VmRSS")))
            time.sleep(0.01)

    def loop(self, case: Case, broker: Broker) -> Figures:
        self.number += 1
        place, out = f"kafka:{broker.address}", f"loop_out_{self.number}"
        for topic in [out] + ([f"{out}_changelog"] if case.work == "aggregate" else []):
            self.tool("create", "--log", place, "--topic", topic, "--partitions", PARTITIONS)
        arguments = ["--brokers", broker.address, "--topic", "orders", "--out", out, "--partitions", PARTITIONS, "--work", case.work]
        arguments += ["--commit-ms", case.commit_ms] + (["--exactly-once", 1] if case.exactly_once else [])
        found = self.tool("loop", *arguments)
        self.check(place, out, case)
        return Figures(found["records"], found["seconds"], found["cpu_seconds"], found["peak_mib"])

    def streams(self, case: Case, broker: Broker) -> Figures:
        self.number += 1
        place, out = f"kafka:{broker.address}", f"streams_out_{self.number}"
        self.tool("create", "--log", place, "--topic", out, "--partitions", PARTITIONS)
        call = ["java", "-Xmx1g", "-cp", f"{STREAMS}/streams-bench-1.jar:{STREAMS}/libs/*", "StreamsBench", broker.address, case.work]
        call += ["orders", out, "exactly_once_v2" if case.exactly_once else "at_least_once", str(case.commit_ms)]
        call += [str(self.scratch / f"streams{self.number}")]
        done = subprocess.run(call, capture_output=True, text=True, timeout=RUN_SECONDS_MAX)
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        found = json.loads(done.stdout.splitlines()[-1])
        self.check(place, out, case)
        if self.options.quick:
            return Figures(found["records"], found["seconds"], found["cpu_seconds"], found["peak_mib"])
        return Figures(found["warm_records"], found["warm_seconds"], found["warm_cpu_seconds"], found["peak_mib"])

    def start_figures(self, broker: Broker | None) -> dict:
        """Readiness and idle memory, of an empty server and of one with a hundred statements to replay."""
        state, service = self.scratch / f"start{bool(broker)}", self.service_id()
        brokers = broker.address if broker else None
        with Server(self.options.calzone, state, brokers, service) as server:
            time.sleep(1)
            empty = {"ready_s": server.ready_seconds, "ready_cpu_s": server.ready_cpu_seconds, "idle_mib": server.memory_mib("VmRSS")}
            server.execute(SOURCE.replace("STREAM orders", "STREAM s0").replace("'orders'", f"'{service}start'"))
            for number in range(1, 100):
                source = SOURCE.replace("STREAM orders", f"STREAM s{number}").replace("'orders'", f"'{service}start'")
                server.execute(source)
        with Server(self.options.calzone, state, brokers, service) as server:
            ready, cpu = server.ready_seconds, server.ready_cpu_seconds
            time.sleep(1)
            full = {"ready_s": ready, "ready_cpu_s": cpu, "idle_mib": server.memory_mib("VmRSS"), "threads": threads(server.pid)}
        return {"empty": empty, "hundred_statements": full}


def repeat(options, label: str, run) -> list[Figures]:
    found = []
    for _ in range(options.repeat):
        figures = run()
        found.append(figures)
        print(f"  {label}: {figures}", flush=True)
    return found


def measure(options, scratch: pathlib.Path) -> dict:
    bench = Bench(options, scratch)
    rows, start = [], {}
    cases = [c for c in CASES if not options.only or c.work in options.only.split(",")]
    if not options.skip_kafka:
        with Broker(scratch / "kafka") as broker:
            print(f"Kafka: {options.records:,} records loaded in {bench.load('kafka:' + broker.address):.1f} s", flush=True)
            start["kafka"] = bench.start_figures(broker)
            for case in cases:
                print(case.name, flush=True)
                row = Row(case.name, "Kafka", calzone=repeat(options, "calzone", lambda: bench.calzone(case, broker)))
                if case.loop and not options.skip_loop:
                    row.loop = repeat(options, "loop   ", lambda: bench.loop(case, broker))
                if not options.skip_streams:
                    row.streams = repeat(options, "streams", lambda: bench.streams(case, broker))
                rows.append(row)
    if not options.skip_embedded:
        (scratch / "embedded").mkdir()
        print(f"embedded log: loaded in {bench.load(f'embedded:{scratch}/embedded/data'):.1f} s", flush=True)
        start["embedded"] = bench.start_figures(None)
        for case in (c for c in cases if not c.exactly_once):
            print(case.name, flush=True)
            rows.append(Row(case.name, "embedded", calzone=repeat(options, "calzone", lambda: bench.calzone(case, None))))
    return {"records": options.records, "rows": rows, "start": start}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calzone", type=pathlib.Path, default=ROOT / "target/release/calzone")
    parser.add_argument("--records", type=int, help="default: 5 million, quick: 1 million")
    parser.add_argument("--repeat", type=int, help="runs of each row; the best counts")
    parser.add_argument("--quick", action="store_true", help="fewer records, one run, Kafka Streams from its cold start")
    parser.add_argument("--only", help="some of filter,all,aggregate,regroup")
    parser.add_argument("--skip-kafka", action="store_true")
    parser.add_argument("--skip-embedded", action="store_true")
    parser.add_argument("--skip-loop", action="store_true")
    parser.add_argument("--skip-streams", action="store_true")
    parser.add_argument("--json", type=pathlib.Path, default=ROOT / "target/bench/figures.json")
    options = parser.parse_args()
    options.records = options.records or (1_000_000 if options.quick else 5_000_000)
    options.repeat = options.repeat or (1 if options.quick else 2)
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="calzone-bench-"))
    try:
        found = measure(options, scratch)
    except BaseException:
        print(f"what the servers left is in {scratch}", file=sys.stderr)
        raise
    shutil.rmtree(scratch, ignore_errors=True)
    print_table(found)
    rows = [row.as_json() for row in found["rows"]]
    options.json.write_text(json.dumps({"records": found["records"], "start": found["start"], "rows": rows}, indent=1) + "\n")
    print(f"\nas JSON: {options.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
