"""Joins, against hash maps in a hand-written loop. Our targets: at most 4 times the loop's CPU time for a stream with a
table of a million keys, which the loop holds in memory and we on disk; at most 5 times for two streams."""

from figures import Row
from runs import Bench, Case, source

USERS = source("users", "users", "(k VARCHAR PRIMARY KEY, name VARCHAR, level BIGINT, city VARCHAR)", "TABLE")
WITH_TABLE = "CREATE STREAM bench_out WITH (kafka_topic = '$sink') AS SELECT orders.k AS k, orderid, price, name, level FROM orders JOIN users ON orders.k = users.k EMIT CHANGES;"
NUMBERED = source("orders", "numbered")
PAYMENTS = source("payments", "payments", "(k VARCHAR KEY, amount DOUBLE, method VARCHAR)")
WITH_STREAM = (
    "CREATE STREAM bench_out WITH (kafka_topic = '$sink') AS SELECT orders.k AS k, price, amount, method FROM orders JOIN payments "
    "WITHIN 10 MINUTES GRACE PERIOD 1 HOUR ON orders.k = payments.k EMIT CHANGES;"
)


def measure(bench: Bench, broker) -> dict:
    keys = 100_000 if bench.options.quick else 1_000_000
    records = min(bench.options.records, 2_000_000)
    rows = []
    for log in [broker, None]:
        if bench.skips(log):
            continue
        place, name = bench.place(log), "Kafka" if log else "embedded"
        bench.load(place, "numbered", "numbered", records)
        bench.load(place, "payments", "payments", records)
        streams = Case("stream–stream, 10 minutes", "stream-stream", WITH_STREAM, (NUMBERED, PAYMENTS), counted=True, topic="numbered",
                       records=records, reads=2, other="payments")
        rows.append(compare(bench, streams, log, name, lambda: bench.calzone(streams, log)))
        if log:
            # The embedded log cannot be loaded while the server holds it.
            table = Case(f"stream–table, {keys:,} keys", "stream-table", WITH_TABLE, (source("orders", "joined"), USERS), counted=True,
                         topic="joined", records=records, users=keys, other="users")
            bench.load(place, "users", "users", records, keys)
            rows.append(compare(bench, table, log, name, lambda: with_table(bench, table, log)))
    return {"rows": rows}


def compare(bench: Bench, case: Case, log, name: str, run) -> Row:
    print(f"{case.name}, {name}", flush=True)
    row = Row(case.name, name, calzone=bench.repeat("calzone", run))
    if log and not bench.options.skip_loop:
        row.loop = bench.repeat("loop   ", lambda: bench.loop(case, log))
    return row


def with_table(bench: Bench, case: Case, log):
    """The table is to be there before the first order, as in the loop: orders are loaded while the query pauses."""
    place = bench.place(log)
    bench.create(place, case.topic)

    def load(server, _) -> int:
        server.wait_for_records(case.users)
        server.execute("PAUSE ALL;")
        bench.load(place, case.topic, "orders", case.records, case.users)
        return case.users

    return bench.calzone(case, log, load)
