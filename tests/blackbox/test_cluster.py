"""Several servers with one service id on one Kafka: statements, plugins and partitions are shared."""
import time

from conftest import kafka_address, wait_for


def cluster(make_server, count):
    servers = [make_server(kafka_address()) for _ in range(count)]
    for server in servers:
        server.service = servers[0].service
        server.start()
    return servers


def insert(server, numbers):
    server.sql("".join(f"INSERT INTO s (k, n) VALUES ('k{n % 20}', {n});" for n in numbers))


def table(servers):
    """Rows of the table on all servers: each has those of its partitions."""
    return sorted({tuple(row) for server in servers for row in server.rows("SELECT k, c FROM counts;")})


def test_servers_share_statements_plugins_and_partitions(make_server):
    first, second = cluster(make_server, 2)
    prefix = first.service
    first.sql(f"CREATE STREAM s (k VARCHAR KEY, n INT) WITH (KAFKA_TOPIC='{prefix}s', PARTITIONS=4, VALUE_FORMAT='JSON');")
    first.upload("mask", "mask")
    wait_for("the second server knows the stream", lambda: "S" in str(second.sql("SHOW STREAMS;")))
    # Sent to the other one, with a plugin that it was never given.
    second.sql("CREATE FUNCTION hide USING PLUGIN 'mask' FUNCTION 'mask';")
    second.sql(f"CREATE STREAM masked WITH (KAFKA_TOPIC='{prefix}masked') AS SELECT k, hide(k) AS m, n FROM s EMIT CHANGES;")
    second.sql(f"CREATE TABLE counts WITH (KAFKA_TOPIC='{prefix}counts') AS SELECT k, COUNT(*) AS c FROM s GROUP BY k EMIT CHANGES;")
    wait_for("both run the queries", lambda: all(len(s.sql("SHOW QUERIES;")[0]["queries"]) == 2 for s in (first, second)))
    insert(first, range(0, 100))
    insert(second, range(100, 200))
    expected = sorted((f"k{i}", 10) for i in range(20))
    wait_for("all rows are counted", lambda: table([first, second]) == expected, 60)
    wait_for("all rows are masked", lambda: sorted(r[0] for r in first.rows("SELECT n FROM masked;")) == list(range(200)), 60)
    # Work moves from a dead server in less than 15 seconds.
    second.kill()
    died = time.time()
    insert(first, range(200, 300))
    expected = sorted((f"k{i}", 15) for i in range(20))
    wait_for("the rest is counted by the server that is left", lambda: table([first]) == expected, 60)
    took = time.time() - died
    print(f"the work of a dead server had moved after {took:.1f} s")
    # And from one that is stopped, at once.
    second.start()
    wait_for("partitions are shared again", lambda: second.rows("SELECT k, c FROM counts;"), 30)
    assert second.stop() == 0
    stopped = time.time()
    insert(first, range(300, 400))
    expected = sorted((f"k{i}", 20) for i in range(20))
    wait_for("the rest is counted at once", lambda: table([first]) == expected, 60)
    print(f"the work of a stopped server had moved after {time.time() - stopped:.1f} s")
    assert first.stop() == 0
