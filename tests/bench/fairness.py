"""What hostile plugins take from the queries of others, on the embedded log: uploads that are slow to refuse, and guests that loop
to their deadline on every batch. Wanted: a query keeps 80 % of its rate while such uploads come one after the other; guests that
loop slow it no more than as many queries that work honestly."""

import contextlib
import json
import re
import threading
import time

from broker import ROOT
from figures import Row
from server import Server

PLUGINS = ROOT / "target/plugins"
SEEDS = 100
SECONDS_MAX = 180
EARLIEST = {"auto.offset.reset": "earliest"}
# Everything that is read is text, so that decoding and encoding are most of the work.
WORK = "CREATE STREAM work_{0} WITH (partitions = 1) AS SELECT n, UCASE(t) AS t, v + 1 AS v FROM orders WHERE v > 0;"
LOOPING = "CREATE STREAM looping_{0} WITH (partitions = 1) AS SELECT n, spin(-v) AS v FROM orders;"
BUSY = "CREATE STREAM busy_{0} WITH (partitions = 1) AS SELECT n, ARRAY_LENGTH(GENERATE_SERIES(v, v + 20000)) AS v FROM orders;"


def measure(bench, _) -> dict:
    # Queries that lose all their time are paused; here they are to go on.
    settings = {"calzone.plugin.breaker.faults": "0", "calzone.plugin.breaker.lost.ms": "0"}
    records = bench.options.records // 5
    with Server(bench.options.calzone, bench.scratch / "fairness", None, "fairness_", settings) as server:
        load(server, records)
        server.upload("hostile", PLUGINS / "hostile.wasm")
        server.execute("CREATE FUNCTION spin USING PLUGIN 'hostile' FUNCTION 'spin';")
        runs = Runs(server, records)
        alone = max(runs.rate(), runs.rate())
        with Uploads(server) as uploads:
            beside = max(runs.rate(), runs.rate())
        found = {}

        def note(name: str, figures: dict):
            found[name] = figures
            print(f"  {name}: {', '.join(f'{key} {value:.2f}' for key, value in figures.items())}", flush=True)

        note("beside hostile uploads", {"of_its_rate": beside / alone, "uploads": uploads.count, "refused": uploads.refused})
        for others in (1, 4):
            rates = {}
            for kind, query in (("honest", BUSY), ("looping", LOOPING)):
                with runs.others(query, others):
                    rates[kind] = runs.rate()
            shares = {kind: rate / alone for kind, rate in rates.items()}
            figures = {"of_its_rate": shares["looping"], "beside_as_many_honest_queries": shares["honest"]}
            note(f"beside {others} looping guests", figures | {"ratio": shares["looping"] / shares["honest"]})
    return {"rows": list[Row](), "figures": {"a query alone": {"records_a_second": round(alone)}} | found}


def load(server: Server, records: int):
    """Records made by the server itself: nothing else is needed."""
    columns = "(n INT, t VARCHAR)"
    server.execute(f"CREATE STREAM seeds {columns} WITH (kafka_topic = 'seeds', value_format = 'JSON', partitions = 1);")
    server.execute("".join(f"INSERT INTO seeds VALUES ({n}, 'A text of some length, number {n}');" for n in range(SEEDS)))
    series = f"EXPLODE(GENERATE_SERIES(1, {records // SEEDS}))"
    server.execute(f"CREATE STREAM orders WITH (kafka_topic = 'orders') AS SELECT n, t, {series} AS v FROM seeds;", EARLIEST)
    deadline = time.monotonic() + SECONDS_MAX
    while written(server) < records:
        if time.monotonic() > deadline:
            raise RuntimeError(f"only {written(server)} of {records} records were made in {SECONDS_MAX} s")
        time.sleep(0.1)
    server.execute("TERMINATE ALL;")


def written(server: Server) -> int:
    metrics = server.request("GET", "/metrics")
    return sum(int(float(n)) for n in re.findall(r"^calzone_query_records_out_total\S* (\S+)$", metrics, re.M))


class Runs:
    """Runs of one query, each over all records."""

    def __init__(self, server: Server, records: int):
        self.server, self.records, self.number = server, records, 0

    def start(self, query: str) -> str:
        self.number += 1
        return self.server.execute(query.format(self.number), EARLIEST)[0]["commandStatus"]["queryId"]

    def read(self, query: str) -> int:
        metrics = self.server.request("GET", "/metrics")
        found = re.search(rf'^calzone_query_records_in_total{{[^}}]*"{query}"[^}}]*}} (\S+)$', metrics, re.M)
        return int(float(found.group(1))) if found else 0

    def rate(self) -> float:
        """Records a second."""
        started = time.monotonic()
        query = self.start(WORK)
        while self.read(query) < self.records:
            if time.monotonic() - started > SECONDS_MAX:
                raise RuntimeError(f"{query} has read {self.read(query)} of {self.records} records in {SECONDS_MAX} s")
            time.sleep(0.02)
        seconds = time.monotonic() - started
        self.server.execute(f"TERMINATE {query};")
        return self.records / seconds

    @contextlib.contextmanager
    def others(self, query: str, count: int):
        """So many other queries that do not end meanwhile."""
        running = [self.start(query) for _ in range(count)]
        time.sleep(1)
        yield
        for one in running:
            state = json.dumps(self.server.execute(f"EXPLAIN {one};"))
            if '"state": "RUNNING"' not in state:
                raise RuntimeError(f"{one} did not run to the end: {state[:500]}")
            self.server.execute(f"TERMINATE {one};")


class Uploads:
    """Uploads of components that are slow to refuse or to compile, one after the other on each of two connections."""

    def __init__(self, server: Server):
        self.server, self.count, self.refused = server, 0, 0
        self.stopping = threading.Event()
        self.files = [slow_to_compile(5000, rounds) for rounds in (6, 7, 8)]
        self.files += [(PLUGINS / "hostile-start.wasm").read_bytes(), many_functions(190_000)]

    def __enter__(self) -> "Uploads":
        self.threads = [threading.Thread(target=self.upload, args=(number,), daemon=True) for number in range(2)]
        for thread in self.threads:
            thread.start()
        time.sleep(1)
        return self

    def upload(self, number: int):
        while not self.stopping.is_set():
            # Different bytes each time: nothing is known from before.
            content = self.files[self.count % len(self.files)] + custom_section(f"{number}-{self.count}")
            self.count += 1
            try:
                self.server.request("PUT", f"/plugins/evil{number}", content)
            except (RuntimeError, OSError):
                self.refused += 1

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)


def leb(number: int) -> bytes:
    content = bytearray()
    while True:
        byte, number = number & 0x7F, number >> 7
        content.append(byte | (0x80 if number else 0))
        if not number:
            return bytes(content)


def section(kind: int, content: bytes) -> bytes:
    return bytes([kind]) + leb(len(content)) + content


def custom_section(text: str) -> bytes:
    name = b"\4note"
    return section(0, name + text.encode())


def component(module: bytes) -> bytes:
    """A component that claims to hold stages, around a module that is instantiated: so it is compiled."""
    content = b"\0asm\x0d\0\1\0" + section(1, module) + section(2, b"\1\0\0\0")
    for name, kind, place in ((b"wasi:cli/environment@0.2.0", 10, b"\5\0"), (b"calzone:plugin/stages@1.0.0", 11, b"\5\0\0")):
        if kind == 10:
            content += section(7, b"\1\x42\0")
        content += section(kind, b"\1\0" + leb(len(name)) + name + place)
    return content


def module(types: bytes, functions: bytes, code: bytes) -> bytes:
    return b"\0asm\1\0\0\0" + section(1, types) + section(3, functions) + section(10, code)


def slow_to_compile(count: int, rounds: int) -> bytes:
    """A function with so many live local variables that a compiler takes very long."""
    get, put, constant, add, multiply = 0x20, 0x21, 0x42, 0x7C, 0x7E
    body = bytearray(leb(1) + leb(count) + b"\x7e")

    def local(operation: int, number: int):
        body.extend(bytes([operation]) + leb(number))

    for number in range(1, count + 1):
        local(get, number - 1)
        local(get, 0)
        body.extend([multiply, constant, number % 60, add])
        local(put, number)
    for turn in range(rounds):
        for number in range(1, count + 1):
            local(get, (number * 7 + turn) % count)
            local(get, (number * 13 + 5) % count)
            body.append(multiply)
            local(get, number)
            body.append(add)
            local(put, number)
    body.extend([constant, 0])
    for number in range(count + 1):
        local(get, number)
        body.append(add)
    body.append(0x0B)
    return component(module(b"\1\x60\1\x7e\1\x7e", b"\1\0", b"\1" + leb(len(body)) + body))


def many_functions(count: int) -> bytes:
    return component(module(b"\1\x60\0\0", leb(count) + bytes(count), leb(count) + b"\2\0\x0b" * count))
