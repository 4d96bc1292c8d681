"""Error policies end to end, on both logs: what becomes of payments that a plugin declines."""
import json
import time

from conftest import wait_for

FAILS = "CONFIG (fails = 'acct-1:2,acct-7:1000')"
QUICK = "BACKOFF='FIXED', BACKOFF_INITIAL_MS=150"


def bank(server, policy, with_clause=""):
    """A stage over payments with that policy; gives the prefix of its topics."""
    prefix = server.service
    server.upload("charge", "charge")
    server.sql(f"""
        CREATE STREAM payments (account VARCHAR KEY, id BIGINT, amount DECIMAL(10, 2)) WITH (KAFKA_TOPIC='{prefix}payments', PARTITIONS=2, VALUE_FORMAT='JSON');
        CREATE ERROR POLICY careful AS {policy};
        CREATE STAGE charge FROM payments INTO charged WITH (KAFKA_TOPIC='{prefix}charged', VALUE_FORMAT='JSON'{with_clause})
          USING PLUGIN 'charge' {FAILS} ON ERROR careful;""")
    return prefix


def pay(server, *payments):
    server.sql("".join(f"INSERT INTO payments VALUES ('{account}', {id}, 9.99);" for account, id in payments))


def charged(server):
    return [tuple(row) for row in server.rows("SELECT account, id, attempt FROM charged;")]


def dead_letters(server, topic, name="dead"):
    """(key, value, header values by name) of each dead letter."""
    if name.upper() not in {s["name"] for s in server.sql("SHOW STREAMS;")[0]["streams"]}:
        server.sql(f"CREATE STREAM {name} (k VARCHAR KEY, v VARCHAR, h ARRAY<STRUCT<key VARCHAR, value BYTES>> HEADERS) WITH (KAFKA_TOPIC='{topic}', VALUE_FORMAT='KAFKA');")
    rows = server.rows(f"SELECT k, v, TRANSFORM(h, x => x->key + '=' + FROM_BYTES(x->value, 'utf8')) AS h FROM {name};")
    return [(k, v, dict(entry.split("=", 1) for entry in h or [] if entry)) for k, v, h in rows]


def stage(server):
    return server.sql("DESCRIBE STAGE charge;")[0]["stage"]


def test_stop(server):
    bank(server, "STOP")
    pay(server, ("acct-2", 1))
    wait_for("the good payment is charged", lambda: len(charged(server)) == 1)
    pay(server, ("acct-7", 2), ("acct-7", 3))
    wait_for("the stage has stopped", lambda: stage(server)["state"] == "ERROR")
    query = server.sql(f"EXPLAIN {stage(server)['queryId']};")[0]["queryDescription"]
    assert "card declined for acct-7" in query["queryErrors"][-1]["errorMessage"]
    assert len(charged(server)) == 1


def test_dead_letters_are_what_they_were(server):
    prefix = bank(server, "DEAD LETTER WITH (HEADERS='connect')", f", DEAD_LETTER_TOPIC='{server.service}graves'")
    pay(server, ("acct-2", 1), ("acct-7", 2), ("acct-2", 3))
    wait_for("the good payments are charged", lambda: len(charged(server)) == 2)
    (key, value, headers), = wait_for("one is buried", lambda: dead_letters(server, f"{prefix}graves"))
    assert (key, json.loads(value)) == ("acct-7", {"ID": 2, "AMOUNT": 9.99})
    assert headers["__connect.errors.topic"] == f"{prefix}payments"
    assert "card declined for acct-7" in headers["__connect.errors.exception.message"]


def test_retries_pass_each_other(server):
    prefix = bank(server, f"RETRY THEN DEAD LETTER WITH (ATTEMPTS=4, {QUICK})")
    pay(server, ("acct-1", 1), ("acct-2", 2), ("acct-7", 3))
    wait_for("two are charged", lambda: sorted(charged(server)) == [("acct-1", 1, 3), ("acct-2", 2, 1)])
    found = wait_for("one is given up", lambda: dead_letters(server, f"{prefix}charged-dead-letter"))
    assert [key for key, _, _ in found] == ["acct-7"]


def test_ordered_retries_survive_a_kill(server):
    prefix = bank(server, f"RETRY IN ORDER THEN DEAD LETTER WITH (ATTEMPTS=4, BACKOFF='FIXED', BACKOFF_INITIAL_MS=1500)")
    pay(server, *[("acct-1", n) for n in (1, 2, 3)], ("acct-2", 4))
    wait_for("the other account passes", lambda: charged(server) == [("acct-2", 4, 1)])
    lock, = wait_for("acct-1 is locked", lambda: server.sql("SHOW LOCKS FOR charge;")[0]["locks"])
    assert lock["key"] == "acct-1" and "card declined" in lock["cause"]
    server.kill()
    server.start()
    wait_for("the locked account is charged", lambda: len(charged(server)) == 4, 60)
    assert [id for account, id, _ in charged(server) if account == "acct-1"] == [1, 2, 3]
    wait_for("the lock is gone", lambda: not server.sql("SHOW LOCKS FOR charge;")[0]["locks"])
    assert not dead_letters(server, f"{prefix}charged-dead-letter")


def test_a_lock_is_released_by_hand(server):
    bank(server, "RETRY IN ORDER WITH (ATTEMPTS='unlimited', BACKOFF='FIXED', BACKOFF_INITIAL_MS=100)")
    pay(server, ("acct-7", 1), ("acct-2", 2))
    wait_for("acct-7 is locked", lambda: server.sql("SHOW LOCKS FOR charge;")[0]["locks"])
    assert server.sql_error("RELEASE LOCK FOR charge KEY 'acct-9';")[0] == 400
    assert server.sql("RELEASE LOCK FOR charge KEY 'acct-7';")[0]["released"] == 1
    wait_for("the lock is gone", lambda: not server.sql("SHOW LOCKS FOR charge;")[0]["locks"])


def test_replay_once(server):
    prefix = bank(server, "DEAD LETTER")
    pay(server, ("acct-1", 1), ("acct-7", 2), ("acct-1", 3))
    topic = f"{prefix}charged-dead-letter"
    wait_for("three are buried", lambda: len(dead_letters(server, topic)) == 3)
    replay = f"REPLAY DEAD LETTERS FROM `{topic}`"
    # The bank has come to its senses: acct-1 is good now.
    server.sql(f"""DROP STAGE charge;
        CREATE STAGE charge2 FROM payments INTO charged USING PLUGIN 'charge' CONFIG (fails = 'acct-7:1000') ON ERROR careful;""",
               {"ksql.streams.auto.offset.reset": "latest"})
    time.sleep(1)
    assert server.sql(f"{replay} WHERE key = 'acct-1' AND original_topic = '{prefix}payments' LIMIT 1;")[0]["replayed"] == 1
    server.kill()
    server.start()
    assert server.sql(f"{replay} WHERE key = 'acct-1';")[0]["replayed"] == 1
    assert server.sql(f"{replay} WHERE key = 'acct-1';")[0]["replayed"] == 0
    wait_for("both are charged", lambda: sorted(id for _, id, _ in charged(server)) == [1, 3])
    assert server.sql(f"{replay} INTO charge2;")[0]["replayed"] == 1
    found = wait_for("it is buried again", lambda: (rows := dead_letters(server, topic)) and len(rows) == 4 and rows)
    assert any(headers.get("calzone.replayed", "").startswith(f"{topic}-") for _, _, headers in found)


def test_policies_are_named_where_they_are_used(embedded):
    bank(embedded, "DEAD LETTER")
    summary, = embedded.sql("SHOW ERROR POLICIES;")[0]["errorPolicies"]
    assert (summary["name"], summary["action"], len(summary["usedBy"])) == ("CAREFUL", "DEAD LETTER", 1)
    status, body = embedded.sql_error("DROP ERROR POLICY careful;")
    assert status == 400 and "is used by query STAGE_CHARGE" in body["message"]
    assert stage(embedded)["errorPolicy"] == "CAREFUL"
    embedded.sql("CREATE OR REPLACE ERROR POLICY careful AS SKIP;")
    pay(embedded, ("acct-7", 1), ("acct-2", 2))
    wait_for("the good one is charged", lambda: [id for _, id, _ in charged(embedded)] == [2])
    embedded.kill()
    embedded.start()
    described = embedded.sql("DESCRIBE ERROR POLICY careful;")[0]["errorPolicy"]
    assert described["action"] == "SKIP"
    embedded.sql("DROP STAGE charge; DROP ERROR POLICY careful;")
    assert embedded.sql("SHOW ERROR POLICIES;")[0]["errorPolicies"] == []


def test_a_plugin_decides(server):
    server.upload("patient", "patient")
    server.upload("charge", "charge")
    prefix = server.service
    server.sql(f"""
        CREATE STREAM payments (account VARCHAR KEY, id BIGINT, amount DECIMAL(10, 2)) WITH (KAFKA_TOPIC='{prefix}payments', PARTITIONS=2, VALUE_FORMAT='JSON');
        CREATE ERROR POLICY careful USING PLUGIN 'patient' CONFIG (attempts = 3, wait_ms = 100);
        CREATE STAGE charge FROM payments INTO charged WITH (KAFKA_TOPIC='{prefix}charged', VALUE_FORMAT='JSON')
          USING PLUGIN 'charge' {FAILS} ON ERROR careful;""")
    pay(server, ("acct-1", 1), ("acct-7", 2))
    wait_for("one is charged", lambda: charged(server) == [("acct-1", 1, 3)])
    wait_for("one is buried", lambda: [key for key, _, _ in dead_letters(server, f"{prefix}charged-dead-letter")] == ["acct-7"])
