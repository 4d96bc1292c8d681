"""One measured run of a query: on Calzone, by the hand-written loop, on Kafka Streams."""

import dataclasses
import json
import os
import pathlib
import subprocess
import time

from broker import ROOT, Broker
from figures import Figures
from server import Server

TOOL = ROOT / "target/bench/release/calzone-bench"
STREAMS = ROOT / "target/bench/streams"
PARTITIONS = 4
RUN_SECONDS_MAX = 300

COLUMNS = """(k VARCHAR KEY, orderid BIGINT, userid VARCHAR, itemid VARCHAR, price DOUBLE, quantity BIGINT, region VARCHAR,
  ordertime BIGINT, address STRUCT<street VARCHAR, city VARCHAR, state VARCHAR, zip VARCHAR>)"""


def source(name: str = "orders", topic: str = "orders", columns: str = COLUMNS, kind: str = "STREAM", partitions: int = PARTITIONS) -> str:
    return f"CREATE {kind} {name} {columns} WITH (kafka_topic = '{topic}', value_format = 'JSON', partitions = {partitions});"


PROJECTION = "SELECT k, orderid, userid, price, UCASE(region) AS region FROM orders"
WINDOW = "WINDOW TUMBLING (SIZE 1 MINUTE, GRACE PERIOD 1 DAY)"
QUERIES = {
    "filter": f"CREATE STREAM bench_out WITH (kafka_topic = '$sink') AS {PROJECTION} WHERE price > 50 AND region = 'Region_3' EMIT CHANGES;",
    "all": f"CREATE STREAM bench_out WITH (kafka_topic = '$sink') AS {PROJECTION} EMIT CHANGES;",
    "aggregate": f"CREATE TABLE bench_out WITH (kafka_topic = '$sink') AS SELECT k, COUNT(*) AS cnt, SUM(price) AS total FROM orders {WINDOW} GROUP BY k EMIT CHANGES;",
    "regroup": f"CREATE TABLE bench_out WITH (kafka_topic = '$sink') AS SELECT itemid, COUNT(*) AS cnt, SUM(price) AS total FROM orders {WINDOW} GROUP BY itemid EMIT CHANGES;",
}


@dataclasses.dataclass
class Case:
    """A query and what it reads. `work` is what the bench's own program knows it by; `$sink` in the query is its topic."""

    name: str
    work: str
    query: str
    sources: tuple = (source(),)
    exactly_once: bool = False
    # The number of output records is known beforehand; of a table's it depends on when commits come.
    counted: bool = False
    # How often a record is read: twice where the query repartitions.
    reads: int = 1
    topic: str = "orders"
    # Loaded records; the bench's own number if it is 0.
    records: int = 0
    users: int | None = None
    # The topic that the loop joins with.
    other: str | None = None
    plugin: pathlib.Path | None = None
    # What else must be done before the query, and after it and before the clock starts.
    before: tuple = ()
    checked: bool = True

    @property
    def commit_ms(self) -> int:
        return 100 if self.exactly_once else 2000

    def is_table(self) -> bool:
        return self.query.startswith("CREATE TABLE")


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

    def input(self, count: int = 0, users: int | None = None) -> list:
        return ["--count", count or self.options.records, "--base", self.base] + (["--users", users] if users else [])

    def load(self, place: str, topic: str = "orders", kind: str = "orders", count: int = 0, users: int | None = None, partitions: int = PARTITIONS) -> float:
        arguments = ["--log", place, "--topic", topic, "--partitions", partitions, "--kind", kind]
        return self.tool("load", *arguments, *self.input(count, users))["seconds"]

    def create(self, place: str, topic: str):
        self.tool("create", "--log", place, "--topic", topic, "--partitions", PARTITIONS)

    def check(self, place: str, topic: str, case: Case):
        if case.checked:
            self.tool("check", "--log", place, "--topic", topic, "--work", case.work, *self.input(case.records, case.users))

    def skips(self, broker: Broker | None) -> bool:
        return self.options.skip_embedded if broker is None else self.options.skip_kafka

    def service_id(self) -> str:
        self.number += 1
        return f"bench{os.getpid()}x{self.number}_"

    def embedded(self) -> pathlib.Path:
        return self.scratch / "embedded"

    def place(self, broker: Broker | None) -> str:
        return f"kafka:{broker.address}" if broker else f"embedded:{self.embedded() / 'data'}"

    def server(self, broker: Broker | None, state: pathlib.Path, service: str) -> Server:
        return Server(self.options.calzone, state, broker.address if broker else None, service)

    def calzone(self, case: Case, broker: Broker | None, prepare=None) -> Figures:
        """A fresh server process for each run, so that its peak memory is this query's. `prepare` is called with server and
        query once the query runs; what happens until it returns is not measured."""
        place, service = self.place(broker), self.service_id() if broker else "bench_"
        state = self.scratch / f"state{self.number}" if broker else self.embedded()
        sink = f"bench_out_{self.number}" if broker else "BENCH_OUT"
        sql = case.query.replace("$sink", sink)
        properties = {"auto.offset.reset": "earliest", "processing.guarantee": "exactly_once_v2" if case.exactly_once else "at_least_once"}
        if case.exactly_once:
            properties["commit.interval.ms"] = str(case.commit_ms)
        with self.server(broker, state, service) as server:
            if case.plugin:
                server.upload("bench", case.plugin)
            for statement in (*case.before, *case.sources):
                server.execute(statement)
            waiting = None
            if broker and case.counted and not case.exactly_once:
                call = [TOOL, "await", "--log", place, "--topic", sink, "--work", case.work, *self.input(case.records, case.users), "--seconds", RUN_SECONDS_MAX]
                waiting = subprocess.Popen([str(c) for c in call], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                waiting.stdout.readline()
            memory = []
            cpu, started = server.cpu_seconds(), time.monotonic()
            answer = server.execute(sql, properties)
            before = 0
            if prepare:
                before = prepare(server, answer)
                cpu, started = server.cpu_seconds(), time.monotonic()
                server.execute("RESUME ALL;")
            try:
                self.wait(server, waiting, case, started, memory, before)
            finally:
                if waiting and waiting.poll() is None:
                    waiting.kill()
            seconds = time.monotonic() - started
            records = case.records or self.options.records
            figures = Figures(records, seconds, server.cpu_seconds() - cpu, server.memory_mib(), resident=memory)
            if broker:
                self.check(place, sink, case)
            # In the embedded log, what was written stays for the check, which needs the folder for itself.
            server.execute("TERMINATE ALL;")
        if not broker:
            self.check(place, sink, case)
            with self.server(None, state, service) as server:
                server.execute(f"DROP {'TABLE' if case.is_table() else 'STREAM'} bench_out DELETE TOPIC;")
                for statement in case.sources:
                    _, kind, name, *_ = statement.split()
                    server.execute(f"DROP {kind} {name};")
        return figures

    def wait(self, server: Server, waiting: subprocess.Popen | None, case: Case, started: float, memory: list, before: int = 0):
        """Until the last output is at the broker; where outputs may come at a commit only, until it is committed."""
        records = case.records or self.options.records
        reads = before + records * case.reads
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
                if committed and server.committed("orders", case.topic) >= records:
                    return
            if not memory or time.monotonic() - memory[-1][0] >= 0.5:
                memory.append((time.monotonic(), server.memory_mib("VmRSS")))
            time.sleep(0.01)

    def loop(self, case: Case, broker: Broker) -> Figures:
        self.number += 1
        place, out = self.place(broker), f"loop_out_{self.number}"
        for ending in ("", "_changelog", "_regrouped"):
            self.create(place, out + ending)
        arguments = ["--brokers", broker.address, "--topic", case.topic, "--out", out, "--partitions", PARTITIONS, "--work", case.work]
        arguments += ["--commit-ms", case.commit_ms] + (["--exactly-once", 1] if case.exactly_once else [])
        found = self.tool("loop", *arguments, *(["--with", case.other] if case.other else []))
        self.check(place, out, case)
        return Figures(case.records or self.options.records, found["seconds"], found["cpu_seconds"], found["peak_mib"])

    def streams(self, case: Case, broker: Broker) -> Figures:
        self.number += 1
        place, out = self.place(broker), f"streams_out_{self.number}"
        self.create(place, out)
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

    def repeat(self, label: str, run) -> list[Figures]:
        found = []
        for _ in range(self.options.repeat):
            figures = run()
            found.append(figures)
            print(f"  {label}: {figures}", flush=True)
        return found
