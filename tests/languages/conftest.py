"""The black-box tests' server, with guests in other languages."""
import importlib.util
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
_spec = importlib.util.spec_from_file_location("blackbox", ROOT / "tests" / "blackbox" / "conftest.py")
blackbox = sys.modules["blackbox"] = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(blackbox)
blackbox.PLUGINS = ROOT / "target" / "languages" / "guests"

pytest_addoption = blackbox.pytest_addoption
make_server = blackbox.make_server
