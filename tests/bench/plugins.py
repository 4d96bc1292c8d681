"""Guests on the way of a record, beside what is built in. Wanted: a plugin's function costs at most 1.15 times the whole
query with the built-in one; a stage that adds a column runs at least 80 % as fast as the projection that does so. By itself a
function costs at most 1.5 times its built-in twin per row (numbers and texts; ARRAY, STRUCT and aggregates: 2)."""

import subprocess

from broker import ROOT
from figures import Row, best
from runs import QUERIES, Bench, Case

GUEST = ROOT / "target/plugins/bench.wasm"
TWINS = ROOT / "target/plugins/twins.wasm"
ADDED = "CREATE STREAM bench_out WITH (kafka_topic = '$sink') AS SELECT *, UCASE(region) AS shouted FROM orders EMIT CHANGES;"
STAGE = (
    "CREATE STAGE add_shout FROM orders INTO bench_out WITH (kafka_topic = '$sink', value_format = 'JSON') "
    "USING PLUGIN 'bench' STAGE 'add_shout';"
)


def measure(bench: Bench, broker) -> dict:
    shout = ("CREATE FUNCTION shout USING PLUGIN 'bench';",)
    all_rows, ratios = [], {}
    for work in ("filter", "all"):
        built_in = Case(f"{work}, built-in function", work, QUERIES[work], counted=True)
        guest = QUERIES[work].replace("UCASE", "shout")
        plugin = Case(f"{work}, plugin's function", work, guest, counted=True, plugin=GUEST, before=shout)
        ratios[f"CPU with a plugin's function, {work}"] = compare(bench, broker, all_rows, built_in, plugin)
    projection = Case("all columns and one more", "all", ADDED, counted=True, checked=False)
    stage = Case("stage that adds a column", "all", STAGE, counted=True, checked=False, plugin=GUEST)
    ratios["CPU with a stage"] = compare(bench, broker, all_rows, projection, stage)
    return {"rows": all_rows, "figures": ratios | twins(bench)}


def twins(bench: Bench) -> dict:
    """Functions beside their built-in twins, without any query: nanoseconds a row in batches of 1,024, and the ratio."""
    call = [bench.options.calzone, "plugin", "bench", TWINS, "--against-builtins"]
    table = subprocess.run(call, check=True, capture_output=True, text=True).stdout
    print(table, flush=True)
    found = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == 5 and cells[0] != "Function":
            found[cells[0]] = {"ns_a_row": float(cells[1]), "built_in": float(cells[3]), "ratio": float(cells[4])}
    if not found:
        raise RuntimeError(f"no twin was measured:\n{table}")
    return found


def compare(bench: Bench, broker, rows: list[Row], built_in: Case, plugin: Case) -> float:
    """How many times the CPU time the plugin takes."""
    pair = []
    for case in (built_in, plugin):
        print(case.name, flush=True)
        pair.append(Row(case.name, "Kafka", calzone=bench.repeat("calzone", lambda: bench.calzone(case, broker))))
    rows += pair
    return best(pair[1].calzone).cpu_per_million / best(pair[0].calzone).cpu_per_million
