"""What a record costs as work grows: more records, partitions, columns, groups. Wanted: at most 1.3 times, for groups 3."""

from figures import Row, best
from runs import COLUMNS, QUERIES, Bench, Case, source


def measure(bench: Bench, broker) -> dict:
    quick = bench.options.quick
    few, many = (250_000, 1_000_000) if quick else (1_000_000, 10_000_000)
    place, rows, ratios = bench.place(broker), [], {}

    def compare(name: str, small: Case, large: Case):
        pair = []
        for case in (small, large):
            print(case.name, flush=True)
            pair.append(Row(case.name, "Kafka", calzone=bench.repeat("calzone", lambda: bench.calzone(case, broker))))
        rows.extend(pair)
        ratios[name] = best(pair[1].calzone).cpu_per_million / best(pair[0].calzone).cpu_per_million

    def loaded(name: str, work: str, topic: str, count: int, kind: str = "orders", partitions: int = 4, users=None, columns=COLUMNS) -> Case:
        bench.load(place, topic, kind, count, users, partitions)
        statement = source("orders", topic, columns, partitions=partitions)
        return Case(name, work, QUERIES[work], (statement,), counted=work == "filter", topic=topic, records=count, users=users)

    base = loaded(f"filter, {few:,} records", "filter", "few", few)
    compare("records", base, loaded(f"filter, {many:,} records", "filter", "many", many))
    compare("partitions", base, loaded("filter, 64 partitions", "filter", "spread", few, partitions=64))
    extra = ", ".join(f"extra{n} VARCHAR" for n in range(190))
    wide = COLUMNS.replace("orderid BIGINT", f"{extra}, orderid BIGINT")
    compare("columns", base, loaded("filter, 200 columns, 4 read", "filter", "wide", few // 5, "wide190", columns=wide))
    groups = 1_000_000 if quick else 10_000_000
    small = loaded("COUNT, SUM, 10,000 users", "aggregate", "small", many, users=10_000)
    compare("groups", small, loaded(f"COUNT, SUM, {groups:,} users", "aggregate", "large", many, users=groups))
    return {"rows": rows, "figures": ratios}
