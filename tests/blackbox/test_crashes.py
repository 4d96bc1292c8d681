"""kill -9 at any time: nothing acknowledged is lost, nothing counts twice."""
import threading
import time

from conftest import kafka_address, wait_for


class Producer(threading.Thread):
    """Inserts numbered rows; knows which were acknowledged, and which may or may not have been written."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.acknowledged, self.unsure, self.stopping = server, set(), set(), threading.Event()

    def run(self):
        n = 0
        while not self.stopping.is_set():
            try:
                self.server.sql(f"INSERT INTO s (k, n) VALUES ('k{n % 7}', {n});")
                self.acknowledged.add(n)
            except (OSError, AssertionError):
                self.unsure.add(n)
                time.sleep(0.05)
            n += 1


def busy_server(server):
    """A started server with queries and somebody who inserts rows."""
    prefix = server.start().service
    server.sql(f"CREATE STREAM s (k VARCHAR KEY, n INT) WITH (KAFKA_TOPIC='{prefix}s', PARTITIONS=3, VALUE_FORMAT='JSON');")
    server.sql(f"CREATE STREAM copied WITH (KAFKA_TOPIC='{prefix}copied') AS SELECT k, n FROM s EMIT CHANGES;")
    server.sql(f"CREATE TABLE counts WITH (KAFKA_TOPIC='{prefix}counts') AS SELECT k, COUNT(*) AS c, SUM(CAST(n AS BIGINT)) AS total FROM copied GROUP BY k EMIT CHANGES;")
    producer = Producer(server)
    producer.start()
    return producer


def written_rows(server, producer):
    """The numbers in the source: all that was acknowledged, each once."""
    written = sorted(row[0] for row in server.rows("SELECT n FROM s;"))
    assert len(written) == len(set(written)), "an insert was written twice"
    assert producer.acknowledged <= set(written), "an acknowledged insert was lost"
    assert set(written) <= producer.acknowledged | producer.unsure
    return written


def assert_exact(server, producer):
    producer.stopping.set()
    producer.join()
    written = written_rows(server, producer)
    wait_for("every row was copied once", lambda: sorted(row[0] for row in server.rows("SELECT n FROM copied;")) == written, 60)
    expected = sorted((f"k{i}", sum(1 for n in written if n % 7 == i), sum(n for n in written if n % 7 == i)) for i in range(7) if any(n % 7 == i for n in written))
    wait_for("every row was counted once", lambda: sorted(map(tuple, server.rows("SELECT k, c, total FROM counts;"))) == expected, 60)


def test_counts_are_exact_after_kills(make_server):
    for kafka in (None, kafka_address()):
        server = make_server(kafka)
        producer = busy_server(server)
        for _ in range(4):
            time.sleep(1.2)
            server.kill()
            server.start()
        time.sleep(1)
        assert_exact(server, producer)
        assert server.stop() == 0


def test_counts_are_exact_after_clean_stops_under_load(make_server):
    for kafka in (None, kafka_address()):
        server = make_server(kafka)
        producer = busy_server(server)
        for _ in range(3):
            time.sleep(1)
            assert server.stop() == 0
            server.start()
        time.sleep(0.5)
        assert_exact(server, producer)
        assert "done again at the next start" not in server.log_text(), "a query did not commit when it was stopped"
        assert server.stop() == 0


def test_terminating_the_cluster_under_load_loses_nothing_and_repeats_nothing(make_server):
    for kafka in (None, kafka_address()):
        server = make_server(kafka)
        producer = busy_server(server)
        prefix = server.service
        time.sleep(2)
        status, answer = server.request("POST", "/ksql/terminate", {"deleteTopicList": [f"{prefix}counts"]})
        assert status == 200, answer
        assert server.sql_error("SHOW STREAMS;")[0] == 503
        producer.stopping.set()
        producer.join()
        server.stop()
        server.start()
        assert not server.sql("SHOW QUERIES;")[0]["queries"]
        assert not any(stream["name"] in ("S", "COPIED") for stream in server.sql("SHOW STREAMS;")[0]["streams"])
        assert f"{prefix}counts" not in {topic["name"] for topic in server.sql("SHOW TOPICS;")[0]["topics"]}
        server.sql(f"CREATE STREAM s (k VARCHAR KEY, n INT) WITH (KAFKA_TOPIC='{prefix}s', VALUE_FORMAT='JSON');"
                   f"CREATE STREAM copied (k VARCHAR KEY, n INT) WITH (KAFKA_TOPIC='{prefix}copied', VALUE_FORMAT='JSON');")
        written = written_rows(server, producer)
        copied = [row[0] for row in server.rows("SELECT n FROM copied;")]
        assert copied and len(copied) == len(set(copied)) and set(copied) <= set(written)
        # What the query had read is copied as a whole: of each partition the first rows.
        place = lambda stream, count: sorted(map(tuple, server.rows(f"SELECT ROWPARTITION AS p, ROWOFFSET AS o, n FROM {stream} EMIT CHANGES LIMIT {count};")))
        source, sink = place("s", len(written)), place("copied", len(copied))
        for partition in range(3):
            of = lambda rows: [n for p, _, n in rows if p == partition]
            came, left = of(source), of(sink)
            assert came[:len(left)] == left
        assert server.stop() == 0
