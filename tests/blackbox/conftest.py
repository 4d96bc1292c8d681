"""Starts the real server for tests, on the embedded log and on a real Kafka."""
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import uuid

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLUGINS = ROOT / "target" / "plugins"
EARLIEST = {"ksql.streams.auto.offset.reset": "earliest"}


def pytest_addoption(parser):
    parser.addoption("--calzone", default=str(ROOT / "target" / "debug" / "calzone"), help="the server's binary")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A server process that can be killed and started again on the same data."""

    def __init__(self, binary, directory, kafka=None, settings=None):
        self.binary, self.directory, self.kafka = binary, pathlib.Path(directory), kafka
        self.settings = dict(settings or {})
        self.port, self.process = free_port(), None
        self.service = f"t{uuid.uuid4().hex[:8]}_"

    def start(self, wait=True):
        command = [self.binary, "server", "--set", f"listeners=http://127.0.0.1:{self.port}",
                   "--set", f"ksql.streams.state.dir={self.directory}/state"]
        settings = dict(self.settings)
        if self.kafka:
            settings.setdefault("bootstrap.servers", self.kafka)
            settings.setdefault("ksql.service.id", self.service)
            settings.setdefault("ksql.streams.processing.guarantee", "exactly_once_v2")
        for name, value in settings.items():
            command += ["--set", f"{name}={value}"]
        self.log = open(self.directory / "server.log", "a", encoding="utf-8")
        self.process = subprocess.Popen(command, stdout=self.log, stderr=subprocess.STDOUT)
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self, seconds=40):
        deadline = time.time() + seconds
        while time.time() < deadline:
            assert self.process.poll() is None, f"the server ended:\n{self.log_text()[-3000:]}"
            try:
                if self.request("GET", "/info")[0] == 200:
                    return
            except OSError:
                time.sleep(0.05)
        raise AssertionError(f"the server was not ready after {seconds} s:\n{self.log_text()[-3000:]}")

    def log_text(self):
        return (self.directory / "server.log").read_text(errors="replace")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Asks the server to end; gives its exit status."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            return self.process.wait(15)
        return self.process.returncode if self.process else None

    def request(self, method, path, body=None, headers=None, timeout=60):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        data = body if isinstance(body, (bytes, type(None))) else json.dumps(body)
        connection.request(method, path, data, headers or {})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, text

    def sql(self, text, properties=EARLIEST):
        """Statements that must succeed; gives their entities."""
        status, answer = self.request("POST", "/ksql", {"ksql": text, "streamsProperties": properties})
        assert status == 200, f"{text}\n{answer.decode(errors='replace')}"
        return json.loads(answer)

    def sql_error(self, text):
        """Statements that must be refused; gives status and body."""
        status, answer = self.request("POST", "/ksql", {"ksql": text, "streamsProperties": {}})
        assert status >= 400, f"{text} should have been refused: {answer.decode(errors='replace')}"
        return status, json.loads(answer)

    def rows(self, text, properties=EARLIEST):
        """Rows of a query that ends, as lists."""
        status, answer = self.request("POST", "/query-stream", {"sql": text, "properties": properties})
        assert status == 200, f"{text}\n{answer.decode(errors='replace')}"
        lines = [json.loads(line) for line in answer.decode().splitlines() if line]
        assert all(isinstance(line, list) for line in lines[1:]), f"{text} failed: {lines[-1]}"
        return lines[1:]

    def upload(self, name, file, activate=False):
        status, answer = self.request("PUT", f"/plugins/{name}" + ("?activate=true" if activate else ""), (PLUGINS / f"{file}.wasm").read_bytes())
        assert status in (200, 201), answer.decode(errors="replace")
        return status, json.loads(answer)


def wait_for(what, check, seconds=30):
    """Polls until `check` gives something true, and gives that."""
    deadline = time.time() + seconds
    last = None
    while time.time() < deadline:
        last = check()
        if last:
            return last
        time.sleep(0.1)
    raise AssertionError(f"{what}: not so after {seconds} s (last: {last!r})")


@pytest.fixture
def make_server(request, tmp_path):
    """Makes servers that are killed when the test ends, however it ends."""
    made = []

    def make(kafka=None, **settings):
        directory = tmp_path / f"server{len(made)}"
        directory.mkdir()
        server = Server(request.config.getoption("--calzone"), directory, kafka, settings.get("settings"))
        made.append(server)
        return server

    yield make
    for server in made:
        if server.process and server.process.poll() is None:
            server.kill()


def kafka_address():
    address = os.environ.get("CALZONE_TEST_KAFKA")
    assert address, "set CALZONE_TEST_KAFKA to the address of a Kafka; `make test` starts one"
    return address


@pytest.fixture(params=["embedded", "kafka"])
def server(request, make_server):
    """A running server, once on each log."""
    return make_server(kafka_address() if request.param == "kafka" else None).start()


@pytest.fixture
def embedded(make_server):
    """A running server on the embedded log."""
    return make_server().start()
