"""A long run at half of full speed, with a swap of a plugin every ten seconds: memory, open files and disk must stay flat.

The server keeps records for a minute, so that its disk comes to rest soon. There is no table: its topic on the embedded log
keeps every change. The last quarter of the run is held against the
one before it.
"""
import os
import pathlib
import shutil
import tempfile
import threading
import time

from conftest import Server

CLIENTS = 2
ROWS_A_REQUEST = 250
WARM_UP_SECONDS = 15
SWAP_SECONDS = 10
SAMPLE_SECONDS = 5
KEPT_MS = 60_000

# By how much the last quarter may exceed the one before it: a share, and an amount that is no growth in any case.
LIMITS = {"MiB of memory": (0.05, 8), "open files": (0.0, 2), "MiB of disk": (0.10, 16)}


class Client(threading.Thread):
    """Inserts rows, at most so many a second in all of its requests."""

    def __init__(self, server, number):
        super().__init__(daemon=True)
        self.server, self.number, self.rows, self.rate, self.failure = server, number, 0, None, None
        self.stopping = threading.Event()

    def run(self):
        due = time.monotonic()
        while not self.stopping.is_set():
            first = self.rows
            statements = "".join(f"INSERT INTO pizza VALUES ('o{n % 1000}', {n});" for n in range(first, first + ROWS_A_REQUEST))
            try:
                self.server.sql(statements)
            except (OSError, AssertionError) as failure:
                self.failure = failure
                return
            self.rows += ROWS_A_REQUEST
            if self.rate:
                due = max(due + ROWS_A_REQUEST / self.rate, time.monotonic() - 1)
                time.sleep(max(0.0, due - time.monotonic()))


def sample(server):
    """What the server has now, by the names in LIMITS."""
    process = pathlib.Path("/proc", str(server.process.pid))
    resident = next(line for line in (process / "status").read_text().splitlines() if line.startswith("VmRSS"))
    disk = 0
    for folder, _, files in os.walk(server.directory / "state"):
        for file in files:
            try:
                disk += os.stat(os.path.join(folder, file)).st_blocks * 512
            except FileNotFoundError:
                pass
    return {"MiB of memory": int(resident.split()[1]) / 1024, "open files": len(list((process / "fd").iterdir())), "MiB of disk": disk / (1 << 20)}


def judge(samples):
    """A line for each figure, and whether all are flat."""
    quarter = max(1, len(samples) // 4)
    before, last = samples[-2 * quarter:-quarter], samples[-quarter:]
    flat = True
    for name, (share, amount) in LIMITS.items():
        mean = lambda part: sum(s[name] for s in part) / len(part)
        was, now = mean(before), mean(last)
        is_flat = now <= was * (1 + share) + amount
        flat &= is_flat
        print(f"{name:>14}: {was:8.1f} in the third quarter, {now:8.1f} in the last: {'flat' if is_flat else 'GROWS'}")
    return flat


def run(binary, minutes):
    """Gives the exit status."""
    directory = pathlib.Path(tempfile.mkdtemp(prefix="calzone-longrun-"))
    server = Server(binary, directory, None, {"calzone.embedded.log.retention.ms": KEPT_MS})
    samples, swaps = [], 0
    try:
        server.start()
        server.upload("sauce", "sauce")
        server.upload("sauce", "sauce2")
        server.sql("""CREATE STREAM pizza (id VARCHAR KEY, n INT) WITH (KAFKA_TOPIC='pizza', PARTITIONS=3, VALUE_FORMAT='JSON');
            CREATE STAGE add_sauce FROM pizza INTO sauced USING PLUGIN 'sauce' GRANT (RANDOM);
            CREATE STREAM filtered AS SELECT id, n FROM pizza WHERE n % 3 <> 0 EMIT CHANGES;""")
        clients = [Client(server, number) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        time.sleep(WARM_UP_SECONDS)
        full = sum(client.rows for client in clients) / WARM_UP_SECONDS
        for client in clients:
            client.rate = full / 2 / CLIENTS
        print(f"full speed is {full:,.0f} rows a second; on at half of it", flush=True)
        print(f"{'minute':>8} {'rows':>12} {'swaps':>6} " + " ".join(f"{name:>14}" for name in LIMITS), flush=True)
        began, next_swap, next_line = time.monotonic(), 0.0, 60.0
        while (passed := time.monotonic() - began) < minutes * 60:
            if passed >= next_swap:
                server.sql(f"ALTER PLUGIN sauce USE REVISION {2 - swaps % 2};")
                swaps, next_swap = swaps + 1, next_swap + SWAP_SECONDS
            samples.append(sample(server))
            if passed >= next_line:
                rows = sum(client.rows for client in clients)
                print(f"{passed / 60:8.0f} {rows:12,} {swaps:6} " + " ".join(f"{samples[-1][name]:14.1f}" for name in LIMITS), flush=True)
                next_line += 60
            failed = next((client.failure for client in clients if client.failure), None)
            assert failed is None, failed
            time.sleep(SAMPLE_SECONDS)
        for client in clients:
            client.stopping.set()
        for client in clients:
            client.join()
        flat = judge(samples)
        assert "panicked" not in server.log_text()
        assert server.stop() == 0
    finally:
        if server.process and server.process.poll() is None:
            server.kill()
    shutil.rmtree(directory)
    print(f"{minutes:g} minutes, {swaps} swaps: {'all is flat' if flat else 'something grows'}")
    return 0 if flat else 1
