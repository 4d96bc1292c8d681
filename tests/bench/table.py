"""The table of the README: queries on Kafka and on the embedded log, beside the loop and Kafka Streams."""

import time

from figures import Row
from processes import threads
from runs import QUERIES, Bench, Case, source

CASES = [
    Case("filter, 5 % out", "filter", QUERIES["filter"], counted=True),
    Case("filter, 5 % out, exactly once", "filter", QUERIES["filter"], counted=True, exactly_once=True),
    Case("every record out", "all", QUERIES["all"], counted=True),
    Case("COUNT, SUM by key", "aggregate", QUERIES["aggregate"]),
    Case("COUNT, SUM by key, exactly once", "aggregate", QUERIES["aggregate"], exactly_once=True),
    Case("COUNT, SUM by another column", "regroup", QUERIES["regroup"], reads=2),
]


def start_figures(bench: Bench, broker) -> dict:
    """Readiness and idle memory, of an empty server and of one with a hundred statements to replay."""
    state, service = bench.scratch / f"start{bool(broker)}", bench.service_id()
    with bench.server(broker, state, service) as server:
        time.sleep(1)
        empty = {"ready_s": server.ready_seconds, "ready_cpu_s": server.ready_cpu_seconds, "idle_mib": server.memory_mib("VmRSS")}
        for number in range(100):
            server.execute(source(f"s{number}", f"{service}start"))
    with bench.server(broker, state, service) as server:
        ready, cpu = server.ready_seconds, server.ready_cpu_seconds
        time.sleep(1)
        full = {"ready_s": ready, "ready_cpu_s": cpu, "idle_mib": server.memory_mib("VmRSS"), "threads": threads(server.pid)}
    log = "Kafka" if broker else "the embedded log"
    return {f"start on {log}, empty": empty, f"start on {log}, a hundred statements": full}


def measure(bench: Bench, broker) -> dict:
    options = bench.options
    rows, start = [], {}
    cases = [c for c in CASES if not options.only or c.work in options.only.split(",")]
    if not options.skip_kafka:
        start |= start_figures(bench, broker)
        for case in cases:
            print(case.name, flush=True)
            row = Row(case.name, "Kafka", calzone=bench.repeat("calzone", lambda: bench.calzone(case, broker)))
            if not options.skip_loop:
                row.loop = bench.repeat("loop   ", lambda: bench.loop(case, broker))
            if not options.skip_streams:
                row.streams = bench.repeat("streams", lambda: bench.streams(case, broker))
            rows.append(row)
    if not options.skip_embedded:
        start |= start_figures(bench, None)
        for case in (c for c in cases if not c.exactly_once):
            print(case.name, flush=True)
            # The others need Kafka: their figures there are what the embedded log is compared with.
            on_kafka = next((row for row in rows if row.name == case.name), Row("", "", []))
            runs = bench.repeat("calzone", lambda: bench.calzone(case, None))
            rows.append(Row(case.name, "embedded", calzone=runs, loop=on_kafka.loop, streams=on_kafka.streams))
    return {"rows": rows, "start": start}
