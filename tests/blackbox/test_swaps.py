"""Plugins swapped while rows flow: every record counted, one boundary per partition and swap, also across kill -9."""
import json
import threading
import time

from conftest import kafka_address, wait_for


def shop(server):
    prefix = server.service
    server.upload("sauce", "sauce")
    assert server.upload("sauce", "sauce")[0] == 200, "the same bytes again are the same revision"
    assert server.upload("sauce", "sauce2")[1]["revision"] == 2
    server.sql(f"""
        CREATE STREAM pizza (id VARCHAR KEY, n INT) WITH (KAFKA_TOPIC='{prefix}pizza', PARTITIONS=3, VALUE_FORMAT='JSON');
        CREATE STAGE add_sauce FROM pizza INTO sauced WITH (KAFKA_TOPIC='{prefix}sauced', VALUE_FORMAT='JSON') USING PLUGIN 'sauce' GRANT (RANDOM);
        CREATE STREAM revisions (id VARCHAR KEY, n INT, revision BYTES HEADER('calzone.revision')) WITH (KAFKA_TOPIC='{prefix}sauced', VALUE_FORMAT='JSON');""")


def boundaries(server):
    """For each partition the list of revisions in the order of their records, repeats left out, and the records' count."""
    count = len(server.rows("SELECT n FROM revisions;"))
    rows = server.rows(f"SELECT ROWPARTITION AS p, ROWOFFSET AS o, FROM_BYTES(revision, 'utf8') AS r, n FROM revisions EMIT CHANGES LIMIT {count};")
    found = {}
    for partition, _, revision, _ in sorted(rows, key=lambda row: (row[0], row[1])):
        seen = found.setdefault(partition, [])
        if not seen or seen[-1] != revision:
            seen.append(revision)
    return found, sorted(row[3] for row in rows)


def run_swaps(server, swaps, kills):
    shop(server)
    ordered, stopping = [], threading.Event()

    def order():
        n = 0
        while not stopping.is_set():
            try:
                server.sql("".join(f"INSERT INTO pizza VALUES ('o{i}', {i});" for i in range(n, n + 5)))
                ordered.extend(range(n, n + 5))
            except (OSError, AssertionError):
                time.sleep(0.05)
            n += 5

    thread = threading.Thread(target=order, daemon=True)
    thread.start()
    time.sleep(0.5)
    for i in range(swaps):
        server.sql(f"ALTER PLUGIN sauce USE REVISION {2 - i % 2};")
        if i in kills:
            time.sleep(0.1)
            server.kill()
            server.start()
        time.sleep(0.4)
    stopping.set()
    thread.join()
    total = wait_for("the orders settle", lambda: len(server.rows("SELECT n FROM pizza;")), 30)
    wait_for("every pizza has its sauce", lambda: len(server.rows("SELECT n FROM revisions;")) == total, 60)
    found, numbers = boundaries(server)
    assert numbers == sorted(row[0] for row in server.rows("SELECT n FROM pizza;")), "pizzas were lost or made twice"
    assert set(ordered) <= set(numbers), "acknowledged orders were lost"
    for partition, revisions in found.items():
        assert len(revisions) <= swaps + 1, f"partition {partition} has more boundaries than swaps: {revisions}"
        assert all(a != b for a, b in zip(revisions, revisions[1:]))


def test_twenty_swaps_on_the_embedded_log(make_server):
    run_swaps(make_server().start(), 20, kills=())


def test_swaps_and_kills_on_the_embedded_log(make_server):
    run_swaps(make_server().start(), 6, kills=(1, 3))


def test_swaps_and_kills_on_kafka(make_server):
    run_swaps(make_server(kafka_address()).start(), 6, kills=(2,))


def test_a_revision_that_does_not_fit_is_refused(embedded):
    shop(embedded)
    embedded.upload("sauce", "mask")
    status, body = embedded.sql_error("ALTER PLUGIN sauce USE REVISION 3;")
    assert status == 400 and "does not fit" in body["message"]
    status, answer = embedded.request("GET", "/plugins/sauce")
    assert status == 200 and json.loads(answer)["revision"] == 1, "the old revision stays active"


def test_bad_uploads_leave_nothing(embedded):
    for name, body in [("junk", b"this is not wasm"), ("empty", b""), ("core", b"\0asm\1\0\0\0")]:
        status, answer = embedded.request("PUT", f"/plugins/{name}", body)
        assert 400 <= status < 500, (name, status, answer)
        assert embedded.request("GET", f"/plugins/{name}")[0] == 404
    assert embedded.request("GET", "/plugins") == (200, b"[]")


def test_a_plugin_in_use_stays(embedded):
    shop(embedded)
    status, answer = embedded.request("DELETE", "/plugins/sauce")
    assert status == 409 and b"ADD_SAUCE" in answer
    embedded.sql("DROP STAGE add_sauce;")
    assert embedded.request("DELETE", "/plugins/sauce")[0] in (200, 204)
    assert embedded.request("GET", "/plugins/sauce")[0] == 404
