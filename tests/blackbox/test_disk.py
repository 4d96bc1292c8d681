"""The disk of the embedded log: full, full for good, and with a damaged end of the journal. Nothing acknowledged is lost."""
import os
import pathlib
import subprocess
import time

import pytest

from conftest import Server, wait_for

MIB = 1 << 20


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 96 MiB."""
    directory = tmp_path / "disk"
    directory.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(directory)], capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"no small file system: {mounted.stderr}")
    yield directory
    subprocess.run(["umount", "-l", str(directory)], check=True)


def fill(directory, free):
    """Leaves so many bytes free."""
    state = os.statvfs(directory)
    with open(directory / "ballast", "wb") as file:
        for _ in range((state.f_bavail * state.f_frsize - free) // MIB):
            file.write(bytes(MIB))


def shop(server):
    server.sql("""CREATE STREAM s (k VARCHAR KEY, n BIGINT, pad VARCHAR) WITH (KAFKA_TOPIC='s', PARTITIONS=2, VALUE_FORMAT='JSON');
        CREATE TABLE counts WITH (KAFKA_TOPIC='counts') AS SELECT k, COUNT(*) AS c, SUM(n) AS total FROM s GROUP BY k EMIT CHANGES;""")


def insert(server, n, pad=10):
    server.sql(f"INSERT INTO s VALUES ('k{n % 3}', {n}, '{'x' * pad}');")


def is_exact(server, acknowledged, unsure=()):
    """Every acknowledged row is there once, nothing else but perhaps unsure ones, and all is counted."""
    written = sorted(row[0] for row in server.rows("SELECT n FROM s;"))
    assert len(written) == len(set(written)) and acknowledged <= set(written) <= acknowledged | set(unsure)
    expected = sorted((f"k{k}", sum(1 for n in written if n % 3 == k), sum(n for n in written if n % 3 == k)) for k in range(3))
    return sorted(map(tuple, server.rows("SELECT k, c, total FROM counts;"))) == [row for row in expected if row[1]]


def insert_until_refused(server, acknowledged, unsure, first, pad):
    """Gives what the server says. The rows are such that compressing them does not help."""
    for n in range(first, first + 2000):
        sql = f"INSERT INTO s VALUES ('k{n % 3}', {n}, '{os.urandom(pad // 2).hex()}');"
        status, answer = server.request("POST", "/ksql", {"ksql": sql, "streamsProperties": {}})
        if status != 200:
            unsure.add(n)
            return answer.decode()
        acknowledged.add(n)
    raise AssertionError("the disk did not fill")


def test_a_disk_that_is_almost_full_stops_writing_until_there_is_room(request, small_disk):
    server = Server(request.config.getoption("--calzone"), small_disk, None, {"calzone.disk.reserve.bytes": 24 * MIB}).start()
    try:
        shop(server)
        acknowledged, unsure = set(range(10)), set()
        for n in acknowledged:
            insert(server, n)
        wait_for("all is counted", lambda: is_exact(server, acknowledged))
        fill(small_disk, 10 * MIB)
        time.sleep(0.2)
        said = insert_until_refused(server, acknowledged, unsure, 10, 10)
        assert "almost full" in said and "calzone.disk.reserve.bytes" in said, said
        assert is_exact(server, acknowledged), "a refused row was written, or what was there cannot be read"
        (small_disk / "ballast").unlink()
        insert(server, 5000)
        wait_for("it goes on by itself", lambda: is_exact(server, acknowledged | {5000}))
        assert "almost full" in server.log_text() and "room on the disk again" in server.log_text()
        assert server.stop() == 0
    finally:
        server.process.kill()


def test_a_disk_that_is_full_makes_the_server_start_again(request, small_disk):
    # Without a reserve, the storage engine itself meets the end of the disk.
    server = Server(request.config.getoption("--calzone"), small_disk, None, {"calzone.disk.reserve.bytes": 0}).start()
    # The log of the server lies on the disk, too: what it says meanwhile is lost.
    try:
        shop(server)
        acknowledged, unsure = set(range(10)), set()
        for n in acknowledged:
            insert(server, n)
        wait_for("all is counted", lambda: is_exact(server, acknowledged))
        fill(small_disk, 2 * MIB)
        insert_until_refused(server, acknowledged, unsure, 10, 20_000)
        time.sleep(1)
        assert server.process.poll() is None, "the server ended"
        (small_disk / "ballast").unlink()

        def works():
            try:
                insert(server, 5000)
                return True
            except (OSError, AssertionError):
                return False

        wait_for("it starts again and works", works, 30)
        wait_for("all is counted", lambda: is_exact(server, acknowledged | {5000}, unsure))
        assert server.stop() == 0
    finally:
        server.process.kill()


def journal(server):
    """The journal that was written last, and where its last commit ends."""
    files = sorted(pathlib.Path(server.directory, "state", "data").glob("*.jnl"), key=lambda file: int(file.stem))
    return files[-1], len(files[-1].read_bytes().rstrip(b"\0"))


@pytest.mark.parametrize("damage", ["torn", "garbled", "appended"])
def test_a_damaged_end_of_the_journal_is_reported_and_cut(make_server, damage):
    server = make_server().start()
    shop(server)
    for n in range(60):
        insert(server, n)
    wait_for("all is counted", lambda: is_exact(server, set(range(60))))
    server.kill()
    file, end = journal(server)
    with open(file, "r+b") as journal_file:
        if damage == "torn":
            journal_file.truncate(end - 7)
        elif damage == "garbled":
            journal_file.seek(end - 7)
            journal_file.write(b"\xa5" * 3)
        else:
            journal_file.seek(end)
            journal_file.write(os.urandom(500))
    server.start()
    said = server.log_text()
    assert "the journal did not end with a whole commit" in said, said[-2000:]
    assert list(file.parent.glob("*.damaged-at-*"))
    written = {row[0] for row in server.rows("SELECT n FROM s;")}
    # At most the last commit is gone, and records, offsets and counts still agree.
    assert written >= set(range(59)) and (damage != "appended" or written == set(range(60)))
    wait_for("all is counted", lambda: is_exact(server, written))
    insert(server, 100)
    wait_for("the next one is counted, too", lambda: is_exact(server, written | {100}))
    assert server.stop() == 0
