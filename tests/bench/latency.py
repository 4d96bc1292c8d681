"""How long clients wait. Wanted: from a record to a push query's row, at 5,000 records a second, p50 < 5 ms and p99 < 20 ms
on Kafka, p99 < 10 ms on the embedded log; a pull query by key on a table of a million keys p99 < 2 ms at 2,000 a second while
its query works, and 20,000 a second on 16 connections when nothing else happens."""

import time

from runs import Bench, source

PINGS = "CREATE STREAM pings (id BIGINT, sent BIGINT) WITH (kafka_topic = 'pings', value_format = 'JSON', partitions = 1);"
TABLE = "CREATE TABLE sums WITH (kafka_topic = '$sink') AS SELECT k, COUNT(*) AS cnt, SUM(price) AS total FROM orders GROUP BY k EMIT CHANGES;"
RATE = 5000
PULL_RATE = 2000
CONNECTIONS = 16


def measure(bench: Bench, broker) -> dict:
    seconds = 3 if bench.options.quick else 10
    keys = 100_000 if bench.options.quick else 1_000_000
    found = {}
    for log in [broker, None]:
        if bench.skips(log):
            continue
        place, name = bench.place(log), "Kafka" if log else "embedded"
        bench.load(place, "keyed", "users", 0, keys)
        state = bench.scratch / f"latency{bool(log)}" if log else bench.embedded()
        with bench.server(log, state, bench.service_id() if log else "bench_") as server:
            server.execute(PINGS)
            address = f"127.0.0.1:{server.port}"
            arguments = ["--server", address, "--rate", RATE, "--seconds", seconds] + (["--brokers", log.address] if log else [])
            found[f"push, {RATE}/s, {name}"] = bench.tool("push", *arguments)
            # Of each user one record, so that the table has all keys.
            server.execute(source("orders", "keyed"))
            sink = f"sums{bench.number}" if log else "SUMS"
            server.execute(TABLE.replace("$sink", sink), {"auto.offset.reset": "earliest"})
            server.wait_for_records(keys)
            # Rows can be read once they are committed.
            while server.committed("orders", "keyed") < keys:
                time.sleep(0.1)
            # The stores take the changes right after the offsets.
            time.sleep(1)
            pull = ["--server", address, "--table", "sums", "--keys", keys, "--connections", CONNECTIONS, "--seconds", seconds]
            found[f"pull, idle, as fast as it goes, {name}"] = bench.tool("pull", *pull)
            found[f"pull, {PULL_RATE}/s, {name}"] = bench.tool("pull", *pull, "--rate", PULL_RATE)
    return {"rows": [], "figures": found}
