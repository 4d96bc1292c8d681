"""A hundred queries on one server, ten on one topic, and how fast stores come back. Wanted: a hundred idle queries take less
than 800 MB, 300 threads and a millisecond of CPU time a second each; ten queries on one topic cost less than ten times one;
a store is restored with 500,000 records a second."""

import re
import shutil
import time

from figures import Figures
from processes import threads
from runs import PROJECTION, Bench, source

COUNT = 100
IDLE_SECONDS = 10
KEYED = "CREATE TABLE sums AS SELECT k, COUNT(*) AS cnt, SUM(price) AS total FROM orders GROUP BY k EMIT CHANGES;"


def measure(bench: Bench, broker) -> dict:
    found = {}
    for log in [broker, None]:
        if bench.skips(log):
            continue
        name = "Kafka" if log else "embedded"
        found[f"{COUNT} idle queries, {name}"] = idle(bench, log)
        if log:
            one, ten = queries_on_one_topic(bench, log, 1), queries_on_one_topic(bench, log, 10)
            found["one query and ten on one topic"] = {"one_cpu_s_per_million": one, "ten_cpu_s_per_million": ten, "ratio": ten / one}
            found["restore"] = restore(bench, log)
    return {"rows": [], "figures": found}


def idle(bench: Bench, log) -> dict:
    state = bench.scratch / f"many{bool(log)}"
    with bench.server(log, state, bench.service_id()) as server:
        server.execute(source("orders", f"idle{bench.number}"))
        for number in range(COUNT):
            server.execute(f"CREATE STREAM out{number} WITH (kafka_topic = 'idle_out') AS {PROJECTION} WHERE price > {number};")
        time.sleep(5)
        cpu = server.cpu_seconds()
        time.sleep(IDLE_SECONDS)
        idle_ms = (server.cpu_seconds() - cpu) * 1000 / IDLE_SECONDS / COUNT
        figures = {"rss_mib": server.memory_mib("VmRSS"), "threads": threads(server.pid), "cpu_ms_per_second_and_query": idle_ms}
        server.execute("TERMINATE ALL;")
    return figures


def queries_on_one_topic(bench: Bench, log, count: int) -> float:
    records = bench.options.records
    with bench.server(log, bench.scratch / f"ten{bench.number}", bench.service_id()) as server:
        server.execute(source())
        cpu = server.cpu_seconds()
        for number in range(count):
            sql = f"CREATE STREAM out{number} WITH (kafka_topic = 'ten_out{bench.number}') AS {PROJECTION} WHERE price > 50 AND region = 'Region_{number}';"
            server.execute(sql, {"auto.offset.reset": "earliest"})
        server.wait_for_records(records * count, 300)
        figures = Figures(records, 1, server.cpu_seconds() - cpu, 0)
        server.execute("TERMINATE ALL;")
    return figures.cpu_per_million


def restore(bench: Bench, log) -> dict:
    """Of a table with as many keys as fit, after the server has lost its folder."""
    keys = 200_000 if bench.options.quick else 2_000_000
    bench.load(bench.place(log), "restored", "users", 0, keys)
    state, service = bench.scratch / "restore", bench.service_id()
    with bench.server(log, state, service) as server:
        server.execute(source("orders", "restored"))
        server.execute(KEYED, {"auto.offset.reset": "earliest"})
        server.wait_for_records(keys)
        time.sleep(3)
    shutil.rmtree(state)
    with bench.server(log, state, service) as server:
        deadline = time.monotonic() + 120
        restored = []
        while sum(records for records, _ in restored) < keys:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the store was not restored; the server's log:\n{server.log.read_text()[-2000:]}")
            time.sleep(0.1)
            lines = re.findall(r"store restored.*records=(\d+) millis=(\d+)", server.log.read_text())
            restored = [(int(records), int(millis)) for records, millis in lines]
        figures = {"records": sum(r for r, _ in restored), "records_per_second": sum(r for r, _ in restored) * 1000 / max(1, sum(m for _, m in restored))}
        server.execute("TERMINATE ALL;")
    return figures
