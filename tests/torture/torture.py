#!/usr/bin/env python3
"""Kills servers and brokers under load, many times, and counts at the end.

    torture.py --calzone BINARY [--log embedded|kafka|both] [--kills 200] [--servers 1] [--seed N]
    torture.py --calzone BINARY --minutes 30        no kills: half of full speed, a swap every 10 s (longrun.py)

On Kafka three brokers are started (tests/kafka/kafka.sh, in a folder of its own, removed at the end); every fourth kill
strikes one of them. Rows are numbered; at the end every acknowledged row must be there once, copied once and counted once.
A stage that fails for some keys has an error policy: their rows must have come out in order or be dead letters, once.
"""
import argparse
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "blackbox"))
from conftest import PLUGINS, Server, wait_for  # noqa: E402

KEYS = 13

# Rows that the stage declines twice, and for ever.
FAILS = "CONFIG (fails = 'slow:2,dead:1000')"


def key_of(n):
    return "slow" if n % 499 == 0 else "dead" if n % 503 == 0 else f"k{n % KEYS}"


class Producer(threading.Thread):
    """Inserts rows of its own numbers into whichever server answers; knows which rows were acknowledged."""

    def __init__(self, servers, number, producers):
        super().__init__(daemon=True)
        self.servers, self.next, self.step = servers, number, producers
        self.acknowledged, self.unsure, self.stopping = set(), set(), threading.Event()

    def run(self):
        while not self.stopping.is_set():
            n, self.next = self.next, self.next + self.step
            server = random.choice(self.servers)
            try:
                server.sql(f"INSERT INTO s (k, n) VALUES ('{key_of(n)}', {n});")
                self.acknowledged.add(n)
            except (OSError, AssertionError, ValueError):
                self.unsure.add(n)
                time.sleep(0.05)


class Brokers:
    """Three brokers of a Kafka of their own."""

    def __init__(self, directory):
        self.directory, self.script = directory, str(ROOT / "tests" / "kafka" / "kafka.sh")
        cache = pathlib.Path(os.environ.get("CALZONE_KAFKA_DIR", ROOT / "target" / "kafka"))
        self.run("install", cache)
        for folder in ("conf", "run", "logs"):
            (directory / folder).mkdir(parents=True)
        (directory / "libs").symlink_to((cache / "libs").resolve())
        for file in (cache / "conf").glob("log4j2*.properties"):
            shutil.copy(file, directory / "conf")

    def run(self, command, directory, *arguments):
        settings = "default.replication.factor=3;min.insync.replicas=2;transaction.state.log.min.isr=2"
        environment = os.environ | {"KAFKA_EXTRA": settings, "KAFKA_HEAP": "384m", "KAFKA_WAIT": "120"}
        done = subprocess.run([self.script, command, str(directory), *map(str, arguments)], env=environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert done.returncode == 0, f"kafka.sh {command}: {done.stdout}"

    def start(self):
        port = free_port_range()
        self.run("start", self.directory, port, 3)
        return ",".join(f"127.0.0.1:{port + i}" for i in range(3))

    def kill_one(self):
        broker = random.randint(1, 3)
        self.run("broker-kill", self.directory, broker)
        time.sleep(random.uniform(0.5, 4))
        self.run("broker-start", self.directory, broker)


def free_port_range():
    """A port with room for two brokers above it, and the controllers' ports a thousand higher."""
    while True:
        port = random.randrange(20000, 29000)
        try:
            for candidate in (*range(port, port + 3), *range(port + 1000, port + 1003)):
                with __import__("socket").socket() as s:
                    s.bind(("127.0.0.1", candidate))
            return port
        except OSError:
            continue


def rows(server, query):
    return sorted(map(tuple, server.rows(query)))


def check_fates(server, written):
    """Every row was charged or is a dead letter, once; rows of a key were charged in their order."""
    fates = lambda: sorted(row[0] for source in ("charged", "dead") for row in server.rows(f"SELECT n FROM {source};"))
    wait_for("every row was charged once or is a dead letter", lambda: fates() == written, 180)
    buried = {row[0] for row in server.rows("SELECT n FROM dead;")}
    assert buried == {n for n in written if key_of(n) == "dead"}, "others are buried than those that always fail"
    def in_order(source):
        count = len(server.rows(f"SELECT n FROM {source};"))
        return sorted(map(tuple, server.rows(f"SELECT ROWPARTITION AS p, ROWOFFSET AS o, n FROM {source} EMIT CHANGES LIMIT {count};"))) if count else []

    came = {}
    for _, _, n in in_order("s"):
        came.setdefault(key_of(n), []).append(n)
    left = {}
    for _, _, n in in_order("charged"):
        left.setdefault(key_of(n), []).append(n)
    came.pop("dead", None)
    assert left == came, "rows of a key were charged out of order"
    wait_for("nothing is locked", lambda: not server.sql("SHOW LOCKS FOR charge;")[0]["locks"])
    print(f"{len(came.get('slow', []))} rows were charged at the third attempt, {len(buried)} are dead letters", flush=True)


def torture(log, binary, kills, server_count, directory):
    with_policy = (PLUGINS / "charge.wasm").exists() and server_count == 1
    brokers, address = None, None
    if log == "kafka":
        brokers = Brokers(directory / "kafka")
        address = brokers.start()
    servers, service = [], None
    longest = 0.0
    try:
        for number in range(server_count):
            home = directory / f"server{number}"
            home.mkdir()
            settings = {"ksql.internal.topic.replicas": "3"} if brokers else {}
            server = Server(binary, home, address, settings)
            service = service or server.service
            server.service = service
            servers.append(server.start())
        first = servers[0]
        replicas = ", REPLICAS=3" if brokers else ""
        first.sql(f"CREATE STREAM s (k VARCHAR KEY, n BIGINT) WITH (KAFKA_TOPIC='{service}s', PARTITIONS=3, VALUE_FORMAT='JSON'{replicas});")
        first.sql(f"CREATE STREAM copied WITH (KAFKA_TOPIC='{service}copied'{replicas}) AS SELECT k, n FROM s EMIT CHANGES;")
        first.sql(f"CREATE TABLE counts WITH (KAFKA_TOPIC='{service}counts'{replicas}) AS "
                  "SELECT k, COUNT(*) AS c, SUM(n) AS total FROM copied GROUP BY k EMIT CHANGES;")
        first.sql(f"CREATE TABLE rests WITH (KAFKA_TOPIC='{service}rests'{replicas}) AS "
                  "SELECT n % 7 AS rest, COUNT(*) AS c FROM s GROUP BY n % 7 EMIT CHANGES;")
        if with_policy:
            first.upload("charge", "charge")
            first.sql("CREATE ERROR POLICY careful AS RETRY IN ORDER WITH (ATTEMPTS=3, BACKOFF='FIXED', BACKOFF_INITIAL_MS=50);")
            first.sql(f"CREATE STREAM payments (account VARCHAR KEY, n BIGINT) WITH (KAFKA_TOPIC='{service}s', VALUE_FORMAT='JSON');")
            first.sql(f"CREATE STAGE charge FROM payments INTO charged WITH (KAFKA_TOPIC='{service}charged', VALUE_FORMAT='JSON'{replicas}) "
                      f"USING PLUGIN 'charge' {FAILS} ON ERROR careful;")
            first.sql(f"CREATE STREAM dead (k VARCHAR KEY, n BIGINT) WITH (KAFKA_TOPIC='{service}charged-dead-letter', VALUE_FORMAT='JSON');")
        producers = [Producer(servers, number, 3) for number in range(3)]
        for producer in producers:
            producer.start()
        for kill in range(kills):
            time.sleep(random.uniform(0.05, 1.0))
            if brokers and kill % 4 == 3:
                brokers.kill_one()
                what = "broker"
            else:
                server = random.choice(servers)
                server.kill()
                began = time.time()
                server.start(wait=False)
                # Some starts are killed, too.
                if random.random() < 0.2:
                    time.sleep(random.uniform(0.05, 0.6))
                    server.kill()
                    server.start(wait=False)
                server.wait_ready(120)
                longest = max(longest, time.time() - began)
                what = "server"
            if kill % 10 == 9:
                print(f"{log}: {kill + 1} kills, the last of a {what}; {sum(len(p.acknowledged) for p in producers)} rows acknowledged", flush=True)
        time.sleep(1)
        for producer in producers:
            producer.stopping.set()
        for producer in producers:
            producer.join()
        acknowledged = set().union(*(p.acknowledged for p in producers))
        unsure = set().union(*(p.unsure for p in producers))
        written = sorted(row[0] for row in first.rows("SELECT n FROM s;"))
        assert len(written) == len(set(written)), "an insert was written twice"
        assert acknowledged <= set(written), f"acknowledged inserts were lost: {sorted(acknowledged - set(written))[:10]}"
        assert set(written) <= acknowledged | unsure
        by_key, by_rest = {}, {}
        for n in written:
            count, total = by_key.get(key_of(n), (0, 0))
            by_key[key_of(n)] = (count + 1, total + n)
            by_rest[n % 7] = by_rest.get(n % 7, 0) + 1
        wait_for("every row was copied once", lambda: [r[0] for r in rows(first, "SELECT n FROM copied;")] == written, 120)
        everywhere = lambda query: sorted({row for server in servers for row in rows(server, query)})
        expected = sorted((key, count, total) for key, (count, total) in by_key.items())
        wait_for("every row was counted once by key", lambda: everywhere("SELECT k, c, total FROM counts;") == expected, 120)
        wait_for("every row was counted once by rest", lambda: everywhere("SELECT rest, c FROM rests;") == sorted(by_rest.items()), 120)
        if with_policy:
            check_fates(first, written)
        for server in servers:
            errors = [line for line in server.log_text().splitlines() if "panicked" in line]
            assert not errors, errors[:3]
            assert server.stop() == 0
        print(f"{log}: {kills} kills; {len(written)} rows are there once, {len(acknowledged)} were acknowledged, "
              f"the longest start took {longest:.1f} s", flush=True)
    finally:
        for server in servers:
            if server.process and server.process.poll() is None:
                server.kill()
        if brokers:
            brokers.run("stop", brokers.directory)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calzone", required=True)
    parser.add_argument("--log", choices=["embedded", "kafka", "both"], default="both")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--servers", type=int, default=1, help="servers that share the work; on Kafka only")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--minutes", type=float, default=None, help="a long run without kills")
    arguments = parser.parse_args()
    if arguments.minutes is not None:
        import longrun
        sys.exit(longrun.run(arguments.calzone, arguments.minutes))
    seed = arguments.seed if arguments.seed is not None else random.randrange(1 << 32)
    random.seed(seed)
    print(f"seed {seed}", flush=True)
    for log in ["embedded", "kafka"] if arguments.log == "both" else [arguments.log]:
        directory = pathlib.Path(tempfile.mkdtemp(prefix=f"calzone-torture-{log}-"))
        servers = arguments.servers if log == "kafka" else 1
        try:
            torture(log, arguments.calzone, arguments.kills, servers, directory)
        except BaseException:
            print(f"what is left is in {directory}", file=sys.stderr)
            raise
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
