"""Guests in Python and JavaScript on the embedded log: rows, settings, nulls, errors of rows, traps, swaps."""
import json
import time

import pytest

from blackbox import EARLIEST, PLUGINS, wait_for

LANGUAGES = ["python", "javascript"]
TEXTS = ["Ada 1", "Émile", "", None, "bad\0one", "zoë 42"]


@pytest.fixture
def server(make_server):
    return make_server().start()


def upload(server, name, file, activate=False):
    """Uploads, and prints what that took."""
    size, start = (PLUGINS / f"{file}.wasm").stat().st_size, time.time()
    # A compiler at the lowest priority may take minutes on a busy machine.
    status, answer = server.request("PUT", f"/plugins/{name}" + ("?activate=true" if activate else ""), (PLUGINS / f"{file}.wasm").read_bytes(), timeout=600)
    assert status in (200, 201), answer.decode(errors="replace")
    print(f"{file}: {size / 1e6:.1f} MB uploaded in {time.time() - start:.1f} s")
    return json.loads(answer)


def insert(server, stream, values):
    for row in values:
        texts = ", ".join("NULL" if v is None else "'" + v.replace("'", "''") + "'" if isinstance(v, str) else str(v) for v in row)
        server.sql(f"INSERT INTO {stream} VALUES ({texts});")


def masked(text, letter="x"):
    if text is None or "\0" in text:
        return None
    return "".join("n" if c.isdigit() else letter.upper() if c.isupper() else letter if c.isalpha() else c for c in text)


def results(server, stream, count):
    """The rows of a stream of (id, value), by id, once there are so many."""
    wait_for(f"{count} rows in {stream}", lambda: len(server.rows(f"SELECT id FROM {stream};")) >= count, 120)
    return dict(server.rows(f"SELECT id, m FROM {stream};"))


@pytest.mark.parametrize("language", LANGUAGES + ["spidermonkey"])
def test_a_function_has_rows_settings_nulls_errors_and_revisions(server, language):
    upload(server, "mask", f"{language}-mask")
    server.sql("CREATE FUNCTION hide USING PLUGIN 'mask';")
    described = json.dumps(server.sql("DESCRIBE FUNCTION hide;"))
    assert "Masks all but the last" in described and "Calzone" in described
    server.sql("CREATE STREAM texts (id INT KEY, t VARCHAR) WITH (KAFKA_TOPIC='texts', PARTITIONS=1, VALUE_FORMAT='JSON');")
    server.sql("CREATE STREAM hidden AS SELECT id, hide(t) AS m FROM texts;")
    server.sql("CREATE STREAM kept AS SELECT id, hide(t, id - 1) AS m FROM texts;")
    server.sql("CREATE STREAM starred AS SELECT id, hide(t) AS m FROM texts;", {**EARLIEST, "ksql.functions.hide.letter": "o"})
    insert(server, "texts", enumerate(TEXTS))
    assert results(server, "hidden", len(TEXTS)) == {i: masked(t) for i, t in enumerate(TEXTS)}
    assert results(server, "starred", len(TEXTS)) == {i: masked(t, "o") for i, t in enumerate(TEXTS)}
    kept = results(server, "kept", len(TEXTS))
    assert kept[0] is None, "a negative `keep` is that row's error"
    assert kept[1] == "Xxxxx"
    assert kept[5] == "xxë 42"
    assert "must not be negative, it is -1" in server.log_text() and "the text has a NUL in it" in server.log_text()
    if language == "spidermonkey":
        return
    # The other revision forwards, and back.
    before = len(TEXTS)
    for letter, revision in [("y", 2), ("x", 1)]:
        if revision == 2:
            assert upload(server, "mask", f"{language}-mask2")["revision"] == 2
        server.sql(f"ALTER PLUGIN mask USE REVISION {revision};")
        insert(server, "texts", [(before, "Ada")])
        before += 1
        assert results(server, "hidden", before)[before - 1] == masked("Ada", letter)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_stage_gives_any_number_of_rows(server, language):
    upload(server, "portions", f"{language}-portions")
    server.sql("CREATE STREAM pizza (id INT KEY, name VARCHAR, grams BIGINT) WITH (KAFKA_TOPIC='pizza', PARTITIONS=1, VALUE_FORMAT='JSON');")
    server.sql("CREATE STAGE cut FROM pizza INTO cut_pizza WITH (KAFKA_TOPIC='cut', VALUE_FORMAT='JSON') USING PLUGIN 'portions';")
    server.sql("CREATE STAGE tiny FROM pizza INTO tiny_pizza WITH (KAFKA_TOPIC='tiny', VALUE_FORMAT='JSON') USING PLUGIN 'portions' CONFIG (large_from='10');")
    insert(server, "pizza", [(1, "a", 400), (2, "b", 1201), (3, "c", 0), (4, "d", -5), (5, "e", None), (6, "f", 700)])
    expected = [[1, "a", "small", 400], [2, "b", "large", 600], [2, "b", "large", 601], [6, "f", "large", 700]]
    select = "SELECT id, name, portion, grams FROM {};"
    wait_for("the last pizza", lambda: [6, "f", "large", 700] in server.rows(select.format("cut_pizza")), 120)
    assert server.rows(select.format("cut_pizza")) == expected
    wait_for("the last tiny pizza", lambda: [6, "f", "large", 700] in server.rows(select.format("tiny_pizza")), 120)
    assert [row[2] for row in server.rows(select.format("tiny_pizza"))] == ["large"] * 4
    wait_for("the error is logged", lambda: "a pizza of -5 g" in server.log_text())
    status, answer = server.sql_error("CREATE STAGE no FROM cut_pizza INTO no_pizza USING PLUGIN 'mask';")
    assert status == 400, answer


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_type_wrong_values_table_functions_and_a_trap(server, language):
    upload(server, "every", f"{language}-every")
    upload(server, "letters", f"{language}-letters")
    for name in ("same", "wrong", "or_null", "crash"):
        server.sql(f"CREATE FUNCTION {name} USING PLUGIN 'every';")
    server.sql("CREATE FUNCTION letters USING PLUGIN 'letters';")
    types = {
        "bo": ("BOOLEAN", "true"), "i": ("INT", "-2147483648"), "l": ("BIGINT", "9223372036854775807"), "d": ("DOUBLE", "-1.5e10"),
        "de": ("DECIMAL(30, 4)", "12345678901234567890.1234"), "s": ("VARCHAR", "'zoë 日本'"), "b": ("BYTES", "TO_BYTES('ff00', 'hex')"),
        "da": ("DATE", "'2026-11-22'"), "ti": ("TIME", "'23:59:59'"), "ts": ("TIMESTAMP", "'2026-11-22T10:00:00.123'"),
        "ar": ("ARRAY<ARRAY<VARCHAR>>", "ARRAY[ARRAY['a', NULL], NULL, ARRAY['']]"), "m": ("MAP<VARCHAR, BIGINT>", "MAP('k' := 1, 'n' := NULL)"),
        "st": ("STRUCT<A INT, B ARRAY<DOUBLE>>", "STRUCT(A := 1, B := ARRAY[0.5])"),
    }
    server.sql("CREATE STREAM v (id INT KEY, " + ", ".join(f"{n} {t}" for n, (t, _) in types.items()) + ") WITH (KAFKA_TOPIC='v', PARTITIONS=1, VALUE_FORMAT='JSON');")
    server.sql("CREATE STREAM back AS SELECT id, " + ", ".join(f"same({n}) AS {n}, wrong({n}) AS w_{n}" for n in types) + " FROM v;")
    server.sql(f"INSERT INTO v VALUES (1, {', '.join(v for _, v in types.values())});")
    server.sql("INSERT INTO v (id) VALUES (2);")
    wait_for("both rows", lambda: len(server.rows("SELECT id FROM back;")) == 2, 120)
    names = ", ".join(types)
    assert server.rows(f"SELECT id, {names} FROM back;") == server.rows(f"SELECT id, {names} FROM v;")
    wrongs = server.rows("SELECT " + ", ".join(f"w_{n}" for n in types) + " FROM back;")
    assert wrongs == [[None] * len(types)] * 2

    server.sql("CREATE STREAM t (id INT KEY, t VARCHAR) WITH (KAFKA_TOPIC='t', PARTITIONS=1, VALUE_FORMAT='JSON');")
    server.sql("CREATE STREAM nulls AS SELECT id, or_null(t) AS m FROM t;")
    server.sql("CREATE STREAM crashes AS SELECT id, crash(t) AS m FROM t;")
    server.sql("CREATE STREAM spelled AS SELECT id, letters(t) AS m FROM t;")
    texts = ["ab", None, "null", "crash", "no", "é"]
    insert(server, "t", enumerate(texts))
    assert results(server, "nulls", 6) == {0: "ab", 1: "null", 2: None, 3: "crash", 4: "no", 5: "é"}
    # The instance is lost with the row that ends it; its neighbours are not.
    assert results(server, "crashes", 6) == {0: "ab", 1: None, 2: "null", 3: None, 4: "no", 5: "é"}
    wait_for("the last letter", lambda: [5, "é"] in server.rows("SELECT id, m FROM spelled;"), 60)
    spelled = server.rows("SELECT id, m FROM spelled;")
    assert [letter for row, letter in spelled if row in (0, 2, 3)] == list("ab" + "null" + "crash")
    assert {row for row, _ in spelled} == {0, 2, 3, 5}
