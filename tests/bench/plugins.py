"""Guests on the way of a record, beside what is built in. Wanted: a plugin's function costs at most 1.15 times the whole
query with the built-in one; a stage that adds a column runs at least 80 % as fast as the projection that does so."""

import re

from broker import ROOT
from figures import Row, best
from runs import QUERIES, Bench, Case, source

GUEST = ROOT / "target/plugins/bench.wasm"
ADDED = "CREATE STREAM bench_out AS SELECT *, UCASE(region) AS shouted FROM orders EMIT CHANGES;"
STAGE = "CREATE STAGE bench_out FROM orders INTO bench_out WITH (KAFKA_TOPIC = 'sink', VALUE_FORMAT = 'JSON') USING PLUGIN 'bench' STAGE 'add_shout';"


def measure(bench: Bench, broker) -> dict:
    rows, ratios = [], {}
    shout = ("CREATE FUNCTION shout USING PLUGIN 'bench';",)
    for log in [broker, None]:
        if bench.skips(log):
            continue
        name = "Kafka" if log else "embedded"
        for work in ("filter", "all"):
            built_in = Case(f"{work}, built-in function", work, QUERIES[work], counted=True)
            guest = re.sub("UCASE", "shout", QUERIES[work])
            plugin = Case(f"{work}, plugin's function", work, guest, counted=True, plugin=GUEST, before=shout)
            pair = [Row(case.name, name, calzone=bench.repeat(case.name, lambda: bench.calzone(case, log))) for case in (built_in, plugin)]
            rows += pair
            ratios[f"{work}, {name}: CPU with the plugin's function"] = ratio(pair)
        projection = Case("projection of all columns and one more", "all", ADDED, counted=True, checked=False)
        stage = Case("stage that adds a column", "all", STAGE, counted=True, checked=False, plugin=GUEST)
        pair = [Row(case.name, name, calzone=bench.repeat(case.name, lambda: bench.calzone(case, log))) for case in (projection, stage)]
        rows += pair
        ratios[f"{name}: CPU with the stage"] = ratio(pair)
    return {"rows": rows, "ratios": ratios}


def ratio(pair: list[Row]) -> float:
    built_in, plugin = (best(row.calzone).cpu_per_million for row in pair)
    return plugin / built_in
