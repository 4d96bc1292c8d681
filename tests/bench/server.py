"""A running `calzone server`, spoken to as any client would."""

import http.client
import json
import pathlib
import re
import subprocess
import time

from broker import free_port
from processes import cpu_seconds, memory_mib

START_SECONDS_MAX = 60


class Server:
    """Started with default settings but for `more`; without `brokers` it keeps records in its embedded log."""

    def __init__(self, program: pathlib.Path, state: pathlib.Path, brokers: str | None, service_id: str, more: dict | None = None):
        self.port = free_port()
        settings = {
            "listeners": f"http://127.0.0.1:{self.port}",
            "ksql.streams.state.dir": str(state),
            "ksql.service.id": service_id,
        }
        if brokers:
            settings["bootstrap.servers"] = brokers
        settings |= more or {}
        state.mkdir(parents=True, exist_ok=True)
        self.log = state / "server.log"
        command = [str(program), "server"]
        for name, value in settings.items():
            command += ["--set", f"{name}={value}"]
        started = time.monotonic()
        self.process = subprocess.Popen(command, stdout=self.log.open("a"), stderr=subprocess.STDOUT)
        self.pid = self.process.pid
        self._wait_until_ready(started)
        self.ready_seconds = time.monotonic() - started
        self.ready_cpu_seconds = cpu_seconds(self.pid)

    def _wait_until_ready(self, started: float):
        while True:
            try:
                self.request("GET", "/info")
                return
            except OSError as failure:
                if self.process.poll() is not None:
                    raise RuntimeError(f"the server ended:\n{self.log.read_text()[-2000:]}") from failure
                if time.monotonic() - started > START_SECONDS_MAX:
                    self.process.kill()
                    raise RuntimeError(f"the server was not ready after {START_SECONDS_MAX} s") from failure
                time.sleep(0.005)

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def request(self, method: str, path: str, body: dict | bytes | None = None) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            content = json.dumps(body) if isinstance(body, dict) else body
            connection.request(method, path, content, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer = response.read().decode()
        finally:
            connection.close()
        if response.status not in (200, 201):
            raise RuntimeError(f"{method} {path} gave {response.status}: {answer}")
        return answer

    def upload(self, name: str, file: pathlib.Path):
        self.request("PUT", f"/plugins/{name}?activate=true", file.read_bytes())

    def wait_for_records(self, count: int, seconds_max: float = 120):
        """Until the queries have read so many records, and committed."""
        deadline = time.monotonic() + seconds_max
        while self.counters()[0] < count:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.counters()[0]} records were read in {seconds_max} s, not {count}")
            time.sleep(0.02)

    def execute(self, sql: str, properties: dict | None = None) -> list:
        return json.loads(self.request("POST", "/ksql", {"ksql": sql, "streamsProperties": properties or {}}))

    def counters(self) -> tuple[int, int]:
        """Records that all queries have read so far, those of internal topics among them, and their commits."""
        metrics = self.request("GET", "/metrics")
        found = []
        for name in ("records_in", "commits"):
            found.append(sum(int(float(n)) for n in re.findall(rf"^calzone_query_{name}_total\S* (\S+)$", metrics, re.M)))
        return found[0], found[1]

    def committed(self, source: str, topic: str) -> int:
        """Up to which record, summed over partitions, the queries that read the source have committed."""
        description = self.execute(f"DESCRIBE {source} EXTENDED;")[0]["sourceDescription"]
        total = 0
        for group in description["queryOffsetSummaries"]:
            for summary in group["topicSummaries"]:
                if summary["kafkaTopic"] == topic:
                    total += sum(offset["consumerOffset"] for offset in summary["offsets"])
        return total

    def cpu_seconds(self) -> float:
        return cpu_seconds(self.pid)

    def memory_mib(self, field: str = "VmHWM") -> float:
        return memory_mib(self.pid, field)
