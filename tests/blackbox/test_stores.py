"""The store that a stage has of its own (KEY VALUE), on a real Kafka and on the embedded log, across kill -9."""
import shutil
import threading
import time

from conftest import kafka_address, wait_for

USERS = 9


def numbered(server, count):
    """Numbers that each user's rows were given, sorted, once there are so many rows."""
    rows = lambda: server.rows("SELECT usr, number FROM numbered;")
    wait_for(f"{count} rows are numbered", lambda: len(rows()) >= count, 90)
    found = {}
    for user, number in rows():
        found.setdefault(user, []).append(number)
    return {user: sorted(numbers) for user, numbers in found.items()}


def run(server, kills, forget=False):
    prefix = server.service
    server.upload("number", "number")
    server.sql(f"""
        CREATE STREAM visits (usr VARCHAR KEY, n BIGINT) WITH (KAFKA_TOPIC='{prefix}visits', PARTITIONS=3, VALUE_FORMAT='JSON');
        CREATE STAGE number FROM visits INTO numbered WITH (KAFKA_TOPIC='{prefix}numbered', VALUE_FORMAT='JSON') USING PLUGIN 'number' GRANT (KEY VALUE);""")
    stopping, acknowledged = threading.Event(), set()

    def visit():
        n = 1
        while not stopping.is_set():
            batch = range(n, n + 10)
            try:
                server.sql("".join(f"INSERT INTO visits VALUES ('u{i % USERS}', {i});" for i in batch))
                acknowledged.update(batch)
            except (OSError, AssertionError):
                time.sleep(0.05)
            n += 10

    thread = threading.Thread(target=visit, daemon=True)
    thread.start()
    for kill in range(kills):
        time.sleep(1 + 0.13 * kill)
        server.kill()
        if forget and kill == kills - 1:
            # The stores of this computer are lost: the changelog has all of it.
            shutil.rmtree(server.directory / "state" / "data")
        server.start()
    time.sleep(1)
    stopping.set()
    thread.join()
    written = server.rows("SELECT usr, n FROM visits;")
    assert acknowledged <= {n for _, n in written}, "an acknowledged row was lost"
    visits = {}
    for user, _ in written:
        visits[user] = visits.get(user, 0) + 1
    # A row that is counted twice, or a count that is lost with a crash, shows as a number that is missing or there twice.
    assert numbered(server, len(written)) == {user: list(range(1, count + 1)) for user, count in visits.items()}


def test_every_row_is_numbered_once_on_kafka(make_server):
    run(make_server(kafka_address()).start(), kills=4, forget=True)


def test_every_row_is_numbered_once_on_the_embedded_log(make_server):
    run(make_server().start(), kills=4)
