"""A real Kafka broker for the time of a run."""

import os
import pathlib
import random
import shutil
import socket
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tests/kafka/kafka.sh"


def free_port() -> int:
    """A port below the range of short-lived ones, with room for the controller's."""
    while True:
        port = random.randrange(20000, 30000)
        with socket.socket() as one, socket.socket() as other:
            try:
                one.bind(("127.0.0.1", port))
                other.bind(("127.0.0.1", port + 1000))
                return port
            except OSError:
                continue


class Broker:
    """Starts with `with`, stops with its end; its data goes with it."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.address = ""

    def __enter__(self) -> "Broker":
        installed = pathlib.Path(os.environ.get("CALZONE_KAFKA_DIR", ROOT / "target/kafka"))
        self._script("install", installed)
        for name in ("conf", "run", "logs"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        (self.folder / "libs").symlink_to(installed / "libs")
        for file in (installed / "conf").glob("log4j2*.properties"):
            shutil.copy(file, self.folder / "conf")
        port = free_port()
        self._script("start", self.folder, str(port))
        self.address = f"127.0.0.1:{port}"
        return self

    def __exit__(self, *_):
        self._script("stop", self.folder)

    @staticmethod
    def _script(*arguments):
        subprocess.run([str(SCRIPT), *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)
