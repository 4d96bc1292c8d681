"""What a record costs inside the server, without any log: nanoseconds of a core and, where valgrind is installed,
instructions, which do not depend on what else the machine does."""

import re
import shutil
import subprocess

from broker import ROOT

TOOL = ROOT / "target/bench/release/calzone-bench-parts"
RECORDS = 500_000
# The difference of both leaves out what is done once.
COUNTED = (20_000, 60_000)


def measure(bench, _) -> dict:
    found = {}
    for work in run("1", "list").split():
        nanoseconds = float(re.search(r": (\d+) ns", run(str(RECORDS // 5 if bench.options.quick else RECORDS), work)).group(1))
        found[work] = {"ns_a_record": nanoseconds}
        if shutil.which("valgrind"):
            few, many = (instructions(count, work) for count in COUNTED)
            # The tool runs each query three times.
            found[work]["instructions_a_record"] = (many - few) / (COUNTED[1] - COUNTED[0]) / 3
    return {"rows": [], "figures": found}


def run(*arguments: str) -> str:
    return subprocess.run([TOOL, *arguments], check=True, capture_output=True, text=True).stdout


def instructions(count: int, work: str) -> int:
    call = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", TOOL, str(count), work]
    done = subprocess.run(call, check=True, capture_output=True, text=True)
    return int(re.search(r"Collected : (\d+)", done.stderr).group(1))
