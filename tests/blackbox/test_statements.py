"""Statements and queries over REST, on both logs."""
import json

from conftest import wait_for


def test_a_filter_and_a_table(server):
    server.sql("CREATE STREAM clicks (id VARCHAR KEY, page VARCHAR, ms INT) WITH (KAFKA_TOPIC='clicks', PARTITIONS=2, VALUE_FORMAT='JSON');"
               if server.kafka is None else
               f"CREATE STREAM clicks (id VARCHAR KEY, page VARCHAR, ms INT) WITH (KAFKA_TOPIC='clicks-{server.service}', PARTITIONS=2, VALUE_FORMAT='JSON');")
    prefix = server.service if server.kafka else ""
    server.sql(f"CREATE STREAM slow WITH (KAFKA_TOPIC='{prefix}slow') AS SELECT id, UCASE(page) AS page, ms FROM clicks WHERE ms > 100 EMIT CHANGES;")
    server.sql(f"CREATE TABLE hits WITH (KAFKA_TOPIC='{prefix}hits') AS SELECT page, COUNT(*) AS n, SUM(ms) AS total FROM clicks GROUP BY page EMIT CHANGES;")
    for i in range(20):
        server.sql(f"INSERT INTO clicks (id, page, ms) VALUES ('u{i % 3}', 'p{i % 4}', {i * 10});")
    wait_for("all slow clicks are there", lambda: len(server.rows("SELECT * FROM slow;")) == 9)
    assert {row[1] for row in server.rows("SELECT * FROM slow;")} == {"P0", "P1", "P2", "P3"}
    wait_for("all hits are counted", lambda: sorted(map(tuple, server.rows("SELECT page, n, total FROM hits;"))) == [
        ("p0", 5, 400), ("p1", 5, 450), ("p2", 5, 500), ("p3", 5, 550)])
    assert server.rows("SELECT n FROM hits WHERE page = 'p2';") == [[5]]
    assert server.rows("SELECT n FROM hits WHERE page = 'nothing';") == []


def test_a_push_query_with_limit_ends(server):
    prefix = server.service
    server.sql(f"CREATE STREAM s (k INT KEY, v VARCHAR) WITH (KAFKA_TOPIC='{prefix}s', PARTITIONS=1, VALUE_FORMAT='JSON');")
    server.sql("".join(f"INSERT INTO s VALUES ({i}, 'v{i}');" for i in range(5)))
    assert server.rows("SELECT k, v FROM s EMIT CHANGES LIMIT 3;") == [[0, "v0"], [1, "v1"], [2, "v2"]]


def test_pause_resume_terminate(embedded):
    embedded.sql("CREATE STREAM s (v INT) WITH (KAFKA_TOPIC='s', PARTITIONS=1, VALUE_FORMAT='JSON');")
    query = embedded.sql("CREATE STREAM t AS SELECT v + 1 AS w FROM s EMIT CHANGES;")[0]["commandStatus"]["queryId"]
    embedded.sql("INSERT INTO s VALUES (1);")
    wait_for("the first row passes", lambda: embedded.rows("SELECT * FROM t;") == [[2]])
    embedded.sql(f"PAUSE {query};")
    embedded.sql("INSERT INTO s VALUES (2);")
    assert embedded.rows("SELECT * FROM t;") == [[2]]
    embedded.sql(f"RESUME {query};")
    wait_for("the second row passes", lambda: embedded.rows("SELECT * FROM t;") == [[2], [3]])
    status, body = embedded.sql_error("DROP STREAM s;")
    assert status == 400 and query in body["message"]
    embedded.sql(f"TERMINATE {query};")
    embedded.sql("DROP STREAM t DELETE TOPIC; DROP STREAM s;")
    assert embedded.sql("SHOW STREAMS;")[0]["streams"] == []


def test_errors_say_what_and_where(embedded):
    status, body = embedded.sql_error("SELEC 1;")
    assert (status, body["error_code"]) == (400, 40001)
    assert "line 1:1" in body["message"] and "^" in body["message"]
    status, body = embedded.sql_error("CREATE STREAM s (a INT) WITH (KAFKA_TOPIC='s', PARTITIONS=1, VALUE_FORMAT='JSON'); CREATE STREAM t AS SELECT b FROM s;")
    assert "B" in body["message"] and body["entities"] == []
    assert embedded.sql("SHOW STREAMS;")[0]["streams"] == [], "a request with a fault has no effect at all"
    for request in [b"", b"{", b"[]", b"\xff\xfe", b'{"ksql": 5}']:
        status, answer = embedded.request("POST", "/ksql", request)
        assert 400 <= status < 500, (request, status, answer)
        assert "message" in json.loads(answer)
    assert embedded.request("GET", "/info")[0] == 200
