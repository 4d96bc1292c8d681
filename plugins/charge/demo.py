#!/usr/bin/env python3
"""Shows the four patterns of error handling on a running server: charge.sql, six payments, and what became of each.
Needs a server (calzone server) and the plugin (make plugins). Exits 0, or 1 saying what was wrong."""
import argparse
import json
import pathlib
import sys
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
PLUGIN = HERE.parents[1] / "target" / "plugins" / "charge.wasm"
PAYMENTS = [("acct-1", 1), ("acct-2", 2), ("acct-1", 3), ("acct-7", 4), ("acct-1", 5), ("acct-2", 6)]
EARLIEST = {"ksql.streams.auto.offset.reset": "earliest"}


class Failed(Exception):
    """Something is not as it should be."""


class Client:
    def __init__(self, server):
        self.server = server.rstrip("/")

    def send(self, method, path, body):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(self.server + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as e:
            raise Failed(f"{method} {path} {body if not isinstance(body, bytes) else ''}\nwas refused: {e.read().decode()}") from e

    def sql(self, text):
        return json.loads(self.send("POST", "/ksql", {"ksql": text, "streamsProperties": EARLIEST}))

    def rows(self, text):
        lines = self.send("POST", "/query-stream", {"sql": text, "properties": EARLIEST}).splitlines()
        return [json.loads(line) for line in lines if line][1:]


def wait_for(what, check, seconds=60):
    deadline = time.time() + seconds
    while time.time() < deadline:
        found = check()
        if found:
            return found
        time.sleep(0.1)
    raise Failed(f"{what}: not so after {seconds} s")


def charged(client, stream):
    """(account, payment, attempt) in the order of each partition."""
    return [(account, id, attempt) for account, id, attempt in client.rows(f"SELECT account, id, attempt FROM {stream};")]


def run(client):
    client.send("PUT", "/plugins/charge", PLUGIN.read_bytes())
    client.sql((HERE / "charge.sql").read_text())
    client.sql("".join(f"INSERT INTO payments VALUES ('{account}', {id}, 9.99);" for account, id in PAYMENTS))
    print("payments:", ", ".join(f"{account} #{id}" for account, id in PAYMENTS))

    def state(stage):
        return client.sql(f"DESCRIBE STAGE {stage};")[0]["stage"]["state"]
    wait_for("the first stage has stopped", lambda: state("charge_or_halt") == "ERROR")
    print("\n1. STOP: the stage is in state ERROR before the first payment that failed.")
    print("   charged before that:", charged(client, "charged_or_halted"))

    wait_for("two payments passed and four are buried", lambda: len(charged(client, "charged_or_buried")) == 2)
    print("\n2. DEAD LETTER: payments of acct-2 pass, the others are in charged-or-buried-dead-letter.")
    print("   charged:", charged(client, "charged_or_buried"))

    retried = wait_for("all but acct-7 are charged", lambda: (rows := charged(client, "charged_again")) and len(rows) == 5 and rows)
    print("\n3. RETRY: payments of acct-1 are charged with their fourth attempt.")
    print("   charged:", retried)

    locks = wait_for("an account is locked", lambda: client.sql("SHOW LOCKS FOR charge_in_order;")[0]["locks"], 20)
    print("\n4. RETRY IN ORDER: while one payment waits, later ones of its account wait behind it.")
    for lock in locks:
        print(f"   locked: {lock['key']}, {lock['count']} records, attempts {lock['attempts']}: {lock['cause']}")
    ordered = wait_for("all but acct-7 are charged in order",
                       lambda: (rows := charged(client, "charged_in_order")) and len(rows) == 5 and rows)
    print("   charged:", ordered)
    numbers = [id for account, id, _ in ordered if account == "acct-1"]
    if numbers != [1, 3, 5]:
        raise Failed(f"the payments of acct-1 were charged in the order {numbers}")
    wait_for("no account is locked any more", lambda: not client.sql("SHOW LOCKS FOR charge_in_order;")[0]["locks"])

    replayed = client.sql("REPLAY DEAD LETTERS FROM `charged-in-order-dead-letter` WHERE cause LIKE '%declined%';")[0]
    print(f"\nREPLAY DEAD LETTERS: {replayed['replayed']} payment goes back to where it failed, with a mark in its headers.")
    again = client.sql("REPLAY DEAD LETTERS FROM `charged-in-order-dead-letter` WHERE rowoffset = 0;")[0]
    if (replayed["replayed"], again["replayed"]) != (1, 0):
        raise Failed(f"replayed {replayed['replayed']} payments, then {again['replayed']}: it should be 1, then 0")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="http://127.0.0.1:8088")
    try:
        run(Client(parser.parse_args().server))
    except (Failed, OSError) as e:
        print(f"\nFAILED: {e}", file=sys.stderr)
        return 1
    print("\nAll as promised.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
