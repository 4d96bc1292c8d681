"""Several servers with one service id on one Kafka: statements, plugins and partitions are shared, and each answers for all."""
import json
import time

import pytest
from conftest import EARLIEST, free_port, kafka_address, wait_for

HEARTBEATS = {"ksql.heartbeat.enable": "true", "ksql.lag.reporting.enable": "true", "ksql.lag.reporting.send.interval.ms": "500",
              # The machine that runs this may be busy.
              "ksql.heartbeat.missed.threshold.ms": "19"}


def cluster(make_server, count, settings=None):
    servers = [make_server(kafka_address(), settings=settings) for _ in range(count)]
    for server in servers:
        server.service = servers[0].service
        server.start()
    return servers


def insert(server, numbers):
    server.sql("".join(f"INSERT INTO s (k, n) VALUES ('k{n % 20}', {n});" for n in numbers))


def ask(server, sql, properties=EARLIEST):
    """Rows of a pull query, or the error object if the server says that it cannot be answered now."""
    status, answer = server.request("POST", "/query-stream", {"sql": sql, "properties": properties})
    if status == 503:
        return json.loads(answer)
    assert status == 200, answer.decode(errors="replace")
    return [json.loads(line) for line in answer.decode().splitlines()[1:] if line]


def table(server):
    rows = ask(server, "SELECT k, c FROM counts;")
    return sorted(map(tuple, rows)) if isinstance(rows, list) else rows


def all_say(servers, expected):
    return lambda: all(table(server) == expected for server in servers)


def counted(times):
    return sorted((f"k{i}", times) for i in range(20))


def test_servers_share_statements_plugins_and_partitions(make_server):
    first, second = servers = cluster(make_server, 2)
    prefix = first.service
    first.sql(f"CREATE STREAM s (k VARCHAR KEY, n INT) WITH (KAFKA_TOPIC='{prefix}s', PARTITIONS=4, VALUE_FORMAT='JSON');")
    first.upload("mask", "mask")
    wait_for("the second server knows the stream", lambda: "S" in str(second.sql("SHOW STREAMS;")))
    # Sent to the other one, with a plugin that it was never given.
    second.sql("CREATE FUNCTION hide USING PLUGIN 'mask' FUNCTION 'mask';")
    second.sql(f"CREATE STREAM masked WITH (KAFKA_TOPIC='{prefix}masked') AS SELECT k, hide(k) AS m, n FROM s EMIT CHANGES;")
    second.sql(f"CREATE TABLE counts WITH (KAFKA_TOPIC='{prefix}counts') AS SELECT k, COUNT(*) AS c FROM s GROUP BY k EMIT CHANGES;")
    wait_for("both run the queries", lambda: all(len(s.sql("SHOW QUERIES;")[0]["queries"]) == 2 for s in servers))
    insert(first, range(0, 100))
    insert(second, range(100, 200))
    wait_for("all rows are counted, whoever is asked", all_say(servers, counted(10)), 60)
    wait_for("all rows are masked", lambda: sorted(r[0] for r in first.rows("SELECT n FROM masked;")) == list(range(200)), 60)
    # Work moves from a dead server in less than 15 seconds. Meanwhile there are all rows, or a clear error.
    second.kill()
    died = time.time()
    said = table(first)
    if isinstance(said, dict):
        assert said["error_code"] == 50303 and f"127.0.0.1:{second.port}" in said["message"], said
    insert(first, range(200, 300))
    seen = []

    def rest_is_counted():
        seen.append(table(first))
        return seen[-1] == counted(15)

    wait_for("the rest is counted by the server that is left", rest_is_counted, 60)
    print(f"the work of a dead server had moved after {time.time() - died:.1f} s")
    assert all(isinstance(rows, dict) or len(rows) == 20 for rows in seen), "rows were missing without a word"
    # And from one that is stopped, at once.
    second.start()
    wait_for("both answer again", all_say(servers, counted(15)), 60)
    assert second.stop() == 0
    stopped = time.time()
    insert(first, range(300, 400))
    wait_for("the rest is counted at once", all_say([first], counted(20)), 60)
    print(f"the work of a stopped server had moved after {time.time() - stopped:.1f} s")
    assert first.stop() == 0


def test_any_server_answers_for_all(make_server):
    servers = cluster(make_server, 3, HEARTBEATS)
    first, second, third = servers
    prefix = first.service
    first.sql(f"CREATE STREAM s (k VARCHAR KEY, n INT, made TIMESTAMP, price DECIMAL(8, 2), tags ARRAY<VARCHAR>) WITH (KAFKA_TOPIC='{prefix}s', PARTITIONS=6, VALUE_FORMAT='JSON');")
    # The sink has fewer partitions than the rows lie in.
    first.sql(f"""CREATE TABLE sums WITH (KAFKA_TOPIC='{prefix}sums', PARTITIONS=2) AS
        SELECT n % 30 AS id, COUNT(*) AS c, MAX(made) AS made, MAX(price) AS price, LATEST_BY_OFFSET(tags) AS tags FROM s GROUP BY n % 30 EMIT CHANGES;""")
    first.sql(f"CREATE TABLE hours WITH (KAFKA_TOPIC='{prefix}hours') AS SELECT k, COUNT(*) AS c FROM s WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY k EMIT CHANGES;")
    first.sql("".join(f"INSERT INTO s (ROWTIME, k, n, made, price, tags) VALUES ({n % 3 * 3600000}, 'k{n % 20}', {n}, '2024-02-03T04:05:06.{n:03}', {n}.25, ARRAY['t{n % 30}', NULL]);" for n in range(120)))
    expected = sorted([id, 4, f"2024-02-03T04:05:06.{90 + id:03}", 90.25 + id, [f"t{id}", None]] for id in range(30))
    for server in servers:
        wait_for("all rows are there", lambda: ask(server, "SELECT * FROM sums WHERE c = 4;") and sorted(ask(server, "SELECT * FROM sums WHERE c = 4;")) == expected, 60)
        for id in range(0, 30, 7):
            assert ask(server, f"SELECT c, price FROM sums WHERE id = {id};") == [[4, 90.25 + id]]
        assert sorted(ask(server, "SELECT id FROM sums WHERE id IN (3, 11, 29, 77);")) == [[3], [11], [29]]
        assert ask(server, "SELECT id FROM sums WHERE id = 1000;") == []
        assert len(ask(server, "SELECT id FROM sums LIMIT 17;")) == 17
        status, answer = server.request("POST", "/query-stream", {"sql": "SELECT c FROM sums WHERE id >= ${from};", "sessionVariables": {"from": "5"}})
        assert status == 200 and len(answer.splitlines()) == 26, answer
        wait_for("all windows are there", lambda: len(ask(server, "SELECT k FROM hours;")) == 60, 60)
        assert sorted(ask(server, "SELECT WINDOWSTART, c FROM hours WHERE k = 'k7';")) == [[0, 2], [3600000, 2], [7200000, 2]]
        assert ask(server, "SELECT c FROM hours WHERE k = 'k7' AND WINDOWSTART = 3600000;") == [[2]]
    # A statement that fails says so wherever its rows are.
    status, answer = second.request("POST", "/query-stream", {"sql": "SELECT nosuch FROM sums;"})
    assert status == 400 and "NOSUCH" in answer.decode()

    def status_of_all(server):
        hosts = json.loads(server.request("GET", "/clusterStatus")[1])["clusterStatus"]
        reported = all(host["hostStoreLags"]["updateTimeMs"] > 0 for host in hosts.values())
        return hosts if len(hosts) == 3 and reported and all(host["hostAlive"] for host in hosts.values()) else None

    def is_shared_out(server):
        """Has each server a part, and each partition one owner? Reports of one that has let go of some come a moment later."""
        hosts = status_of_all(server)
        if not hosts or any(len(host["activeStandbyPerQuery"]) != 2 for host in hosts.values()):
            return False
        query = next(id for id in hosts[f"127.0.0.1:{first.port}"]["activeStandbyPerQuery"] if "SUMS" in id)
        active = [p["partition"] for host in hosts.values() for p in host["activeStandbyPerQuery"][query]["activePartitions"] if p["topic"].endswith("-repartition")]
        stores = [host["hostStoreLags"]["stateStoreLags"].get(f"{query}#result", {"lagByPartition": {}}) for host in hosts.values()]
        lags = [lag for store in stores for lag in store["lagByPartition"].values()]
        return sorted(active) == list(range(6)) and len(lags) == 6 and sum(lag["endOffsetPosition"] for lag in lags) >= 30

    for server in servers:
        hosts = wait_for("all three are alive", lambda: status_of_all(server))
        assert sorted(hosts) == sorted(f"127.0.0.1:{s.port}" for s in servers)
        wait_for("partitions are shared out", lambda: is_shared_out(server))
    third.kill()
    wait_for("the dead server is known to be dead", lambda: not json.loads(first.request("GET", "/clusterStatus")[1])["clusterStatus"][f"127.0.0.1:{third.port}"]["hostAlive"])


def test_locks_are_shown_and_released_by_any_server(make_server):
    first, second = servers = cluster(make_server, 2)
    prefix = first.service
    first.upload("charge", "charge")
    first.sql(f"""
        CREATE STREAM payments (account VARCHAR KEY, id BIGINT, amount DECIMAL(10, 2)) WITH (KAFKA_TOPIC='{prefix}payments', PARTITIONS=6, VALUE_FORMAT='JSON');
        CREATE ERROR POLICY careful AS RETRY IN ORDER THEN DEAD LETTER WITH (ATTEMPTS=1000, BACKOFF='FIXED', BACKOFF_INITIAL_MS=60000);
        CREATE STAGE charge FROM payments INTO charged WITH (KAFKA_TOPIC='{prefix}charged', VALUE_FORMAT='JSON')
          USING PLUGIN 'charge' CONFIG (fails = '{",".join(f"a{n}:1000" for n in range(8))}') ON ERROR careful;""")
    first.sql("".join(f"INSERT INTO payments VALUES ('a{n % 8}', {n}, 1.00);" for n in range(16)))

    def locked(server):
        return sorted((lock["key"], lock["count"]) for lock in server.sql("SHOW LOCKS FOR charge;")[0]["locks"])

    everything = [(f"a{n}", 2) for n in range(8)]
    for server in servers:
        wait_for("all locks are shown", lambda: locked(server) == everything, 60)
    partitions = {lock["partition"] for lock in first.sql("SHOW LOCKS FOR charge;")[0]["locks"]}
    assert min(partitions) < 3 <= max(partitions), "the keys lie on both servers"
    # One of the two does not have the group.
    assert second.sql("RELEASE LOCK FOR charge KEY 'a3';")[0]["released"] == 1
    assert first.sql("RELEASE LOCK FOR charge KEY 'a5';")[0]["released"] == 1
    for server in servers:
        wait_for("what was behind is locked by its own failure, or went on", lambda: dict(locked(server)).get("a3", 0) < 2 and dict(locked(server)).get("a5", 0) < 2, 60)
    status, answer = first.sql_error("RELEASE LOCK FOR charge KEY 'nobody';")
    assert status == 400 and "holds no lock for 'nobody'" in answer["message"]


def test_servers_have_an_address_of_their_own_for_each_other(make_server):
    server = make_server(kafka_address())
    internal = free_port()
    server.settings = {**HEARTBEATS, "ksql.internal.listener": f"http://127.0.0.1:{internal}", "ksql.advertised.listener": f"http://localhost:{internal}"}
    server.start()
    assert list(json.loads(server.request("GET", "/clusterStatus")[1])["clusterStatus"]) == [f"localhost:{internal}"]
    beat = {"hostInfo": "elsewhere:1", "timestamp": 1}
    assert server.request("POST", "/heartbeat", beat) == (404, b"Not Found")
    assert server.request("POST", "/internal/pull", {})[0] == 404
    server.port, public = internal, server.port
    assert server.request("POST", "/heartbeat", beat) == (200, b'{"isOk":true}')
    assert server.request("POST", "/heartbeat", {"hostInfo": {}})[0] == 400
    assert server.request("POST", "/internal/pull", {})[0] == 400
    server.port = public


def totals(server, prefix, partitions=4):
    """A table over `prefix`s with some rows, and what it holds."""
    server.sql(f"CREATE STREAM s (k VARCHAR KEY, n INT) WITH (KAFKA_TOPIC='{prefix}s', PARTITIONS={partitions}, VALUE_FORMAT='JSON');")
    server.sql(f"CREATE TABLE counts WITH (KAFKA_TOPIC='{prefix}counts') AS SELECT k, COUNT(*) AS c FROM s GROUP BY k EMIT CHANGES;")
    insert(server, range(200))


def restores(server, since):
    """What the server's log says was restored after this point of it: store, first and last offset."""
    found = []
    for line in server.log_text()[since:].splitlines():
        if "restoring a store" in line:
            fields = dict(part.split("=", 1) for part in line.split() if "=" in part)
            found.append((fields["store"], int(fields["from"]), int(fields["until"])))
    return found


def test_standby_copies_answer_and_take_over(make_server):
    standby = {"ksql.streams.num.standby.replicas": "1", "ksql.query.pull.enable.standby.reads": "true"}
    first, second, third = servers = cluster(make_server, 3, {**standby, **HEARTBEATS})
    totals(first, first.service, 7)
    wait_for("all rows are counted", all_say(servers, counted(10)), 60)

    def copied(server):
        hosts = json.loads(server.request("GET", "/clusterStatus")[1])["clusterStatus"]
        queries = [next(iter(host["activeStandbyPerQuery"].values()), {}) for host in hosts.values()]
        partitions = lambda kind: sorted({(at, p["partition"]) for at, query in enumerate(queries) for p in query.get(kind, [])})
        active, copies = partitions("activePartitions"), partitions("standByPartitions")
        return all(sorted(p for _, p in places) == list(range(7)) for places in (active, copies)) and not set(active) & set(copies)

    wait_for("each partition has one copy, elsewhere", lambda: all(copied(server) for server in servers), 60)
    # Copies are behind by what was written since they were measured last.
    wait_for("copies are up to date", lambda: all(line.endswith(" 0") for s in servers for line in s.request("GET", "/metrics")[1].decode().splitlines() if line.startswith("calzone_standby_lag_records{")))
    before = {server: len(server.log_text()) for server in servers}
    second.kill()
    # Long before the partitions move.
    for server in (first, third):
        assert table(server) == counted(10)
        assert ask(server, "SELECT c FROM counts WHERE k = 'k3';") == [[10]]
    refused = ask(first, "SELECT k, c FROM counts;", {**EARLIEST, "ksql.query.pull.enable.standby.reads": "false"})
    assert isinstance(refused, dict) and str(second.port) in refused["message"], refused
    insert(first, range(200, 300))
    wait_for("the copies go on", all_say([first, third], counted(15)), 60)
    # From the end of the copies, not from the beginning: nothing, or the last moments.
    again = [restore for server in (first, third) for restore in restores(server, before[server])]
    assert all(start > 0 for _, start, _ in again), again


def garble(path, at):
    content = bytearray(path.read_bytes())
    start = int(len(content.rstrip(b"\0")) * at)
    content[start:start + 64] = bytes(byte ^ 0x5A for byte in content[start:start + 64])
    path.write_bytes(content)


@pytest.mark.parametrize("damage,told", [("lost", None), ("journal", "the journal did not end with a whole commit"), ("tables", "the local stores are damaged")])
def test_stores_are_restored_from_kafka(make_server, damage, told):
    server = make_server(kafka_address()).start()
    totals(server, server.service)
    wait_for("all rows are counted", all_say([server], counted(10)), 60)
    assert server.stop() == 0
    data, before = server.directory / "state" / "data", len(server.log_text())
    if damage == "lost":
        data.rename(data.with_name("gone"))
    elif damage == "journal":
        garble(max(data.glob("*.jnl"), key=lambda path: path.stat().st_size), 0.3)
    else:
        for lists_tables in data.glob("keyspaces/*/v*"):
            garble(lists_tables, 0.5)
    server.start()
    wait_for("the stores are back", all_say([server], counted(10)), 60)
    assert told is None or told in server.log_text()[before:]
    stores = {store for store, _, _ in restores(server, before)}
    assert "result" in stores and len(stores) >= 2, stores
    assert 'store="result"' in server.request("GET", "/metrics")[1].decode()
    insert(server, range(20))
    wait_for("and are counted on", all_say([server], counted(11)), 60)


def test_damage_that_shows_while_reading_is_mended(make_server):
    server = make_server(kafka_address()).start()
    server.sql(f"CREATE STREAM s (k VARCHAR KEY, n INT) WITH (KAFKA_TOPIC='{server.service}s', PARTITIONS=1, VALUE_FORMAT='JSON');")
    server.sql(f"CREATE STREAM many WITH (KAFKA_TOPIC='{server.service}many') AS SELECT k, EXPLODE(GENERATE_SERIES(1, 1000)) AS id FROM s EMIT CHANGES;")
    # More than fits in memory, so that there are files of rows.
    server.sql(f"CREATE TABLE big WITH (KAFKA_TOPIC='{server.service}big') AS SELECT id, COUNT(*) AS c, RPAD(CAST(id AS VARCHAR), 40000, 'x') AS pad FROM many GROUP BY id EMIT CHANGES;")
    server.sql("INSERT INTO s (k, n) VALUES ('a', 1);")

    def rows():
        status, answer = server.request("POST", "/query-stream", {"sql": "SELECT id, LEN(pad) FROM big;"})
        return sorted(map(json.loads, answer.decode().splitlines()[1:])) if status == 200 else answer.decode()

    expected = [[id, 40000] for id in range(1, 1001)]
    wait_for("all rows are there", lambda: rows() == expected, 60)
    data = server.directory / "state" / "data"
    wait_for("they are in files", lambda: any(path.stat().st_size > 1 << 20 for path in data.glob("keyspaces/*/tables/*")))
    assert server.stop() == 0
    before = len(server.log_text())
    for table_file in data.glob("keyspaces/*/tables/*"):
        if table_file.stat().st_size > 1 << 20:
            garble(table_file, 0.3)
    server.start()
    said = rows()
    assert said == expected or "cannot be read" in said, said[:300]
    wait_for("all rows are there again", lambda: rows() == expected, 60)
    assert "stores are damaged; they are restored from Kafka" in server.log_text()[before:]
    assert "result" in {store for store, start, _ in restores(server, before) if start == 0}
