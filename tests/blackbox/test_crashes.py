"""kill -9 at any time: nothing acknowledged is lost, nothing counts twice."""
import threading
import time

from conftest import wait_for


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


def test_counts_are_exact_after_kills(make_server, request):
    for kafka in (None, __import__("conftest").kafka_address()):
        server = make_server(kafka).start()
        prefix = server.service
        server.sql(f"CREATE STREAM s (k VARCHAR KEY, n INT) WITH (KAFKA_TOPIC='{prefix}s', PARTITIONS=3, VALUE_FORMAT='JSON');")
        server.sql(f"CREATE STREAM copied WITH (KAFKA_TOPIC='{prefix}copied') AS SELECT k, n FROM s EMIT CHANGES;")
        server.sql(f"CREATE TABLE counts WITH (KAFKA_TOPIC='{prefix}counts') AS SELECT k, COUNT(*) AS c, SUM(CAST(n AS BIGINT)) AS total FROM copied GROUP BY k EMIT CHANGES;")
        producer = Producer(server)
        producer.start()
        for _ in range(4):
            time.sleep(1.2)
            server.kill()
            server.start()
        time.sleep(1)
        producer.stopping.set()
        producer.join()
        written = sorted(row[0] for row in server.rows("SELECT n FROM s;"))
        assert len(written) == len(set(written)), "an insert was written twice"
        assert producer.acknowledged <= set(written), "an acknowledged insert was lost"
        assert set(written) <= producer.acknowledged | producer.unsure
        wait_for("every row was copied once", lambda: sorted(row[0] for row in server.rows("SELECT n FROM copied;")) == written, 60)
        expected = sorted((f"k{i}", sum(1 for n in written if n % 7 == i), sum(n for n in written if n % 7 == i)) for i in range(7) if any(n % 7 == i for n in written))
        wait_for("every row was counted once", lambda: sorted(map(tuple, server.rows("SELECT k, c, total FROM counts;"))) == expected, 60)
        assert server.stop() == 0
