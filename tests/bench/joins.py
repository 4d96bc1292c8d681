"""Joins, against hash maps in a hand-written loop. Our targets: at most 4 times the loop's CPU time for a stream with a
table of a million keys, which the loop holds in memory and we on disk; at most 5 times for two streams."""

from figures import Row
from runs import Bench, Case, source

USERS = source("users", "users", "(k VARCHAR PRIMARY KEY, name VARCHAR, level BIGINT, city VARCHAR)", "TABLE")
WITH_TABLE = "CREATE STREAM bench_out AS SELECT orders.k AS k, orderid, price, name, level FROM orders JOIN users ON orders.k = users.k EMIT CHANGES;"
NUMBERED = source("orders", "numbered")
PAYMENTS = source("payments", "payments", "(k VARCHAR KEY, amount DOUBLE, method VARCHAR)")
WITH_STREAM = (
    "CREATE STREAM bench_out AS SELECT orders.k AS k, price, amount, method FROM orders JOIN payments "
    "WITHIN 10 MINUTES GRACE PERIOD 1 HOUR ON orders.k = payments.k EMIT CHANGES;"
)
CPU_RATIO_MAX = {"stream-table": 4.0, "stream-stream": 5.0}


def measure(bench: Bench, broker) -> dict:
    keys = 100_000 if bench.options.quick else 1_000_000
    records = min(bench.options.records, 2_000_000)
    rows = []
    for log in [broker, None]:
        if bench.skips(log):
            continue
        place, name = bench.place(log), "Kafka" if log else "embedded"
        bench.load(place, "users", "users", records, keys)
        bench.load(place, "numbered", "numbered", records)
        bench.load(place, "payments", "payments", records)
        table = Case(f"stream–table, {keys:,} keys", "stream-table", WITH_TABLE, (source("orders", "joined"), USERS), counted=True,
                     topic="joined", records=records, users=keys, other="users")
        streams = Case("stream–stream, 10 minutes", "stream-stream", WITH_STREAM, (NUMBERED, PAYMENTS), counted=True, topic="numbered",
                       records=records, reads=2, other="payments")

        def table_first(server, _) -> int:
            """The table is to be there before the first order, as in the loop."""
            server.wait_for_records(keys)
            server.execute("PAUSE ALL;")
            if not log:
                raise RuntimeError("the embedded log cannot be loaded while the server runs")
            bench.load(place, "joined", "orders", records, keys)
            return keys

        for case in (table, streams):
            print(f"{case.name}, {name}", flush=True)
            if case is table:
                if not log:
                    continue
                runs = []
                for _ in range(bench.options.repeat):
                    bench.create(place, "joined")
                    runs += [bench.calzone(case, log, table_first)]
                    print(f"  calzone: {runs[-1]}", flush=True)
            else:
                runs = bench.repeat("calzone", lambda: bench.calzone(case, log))
            row = Row(case.name, name, calzone=runs)
            if log and not bench.options.skip_loop:
                row.loop = bench.repeat("loop   ", lambda: bench.loop(case, log))
            rows.append(row)
    return {"rows": rows}
