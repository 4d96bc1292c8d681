#!/usr/bin/env python3
"""Runs a suite of cases at several batch sizes and demands that at least as many pass as tests/compat/floor says.

Usage: check_floor.py CALZONE SUITE.jsonl

Formats that need a schema registry are left out. The floor only rises: when more cases pass, the number to write there is
printed. Cases that fail are listed with their reason; those that are known are explained in tests/compat/KNOWN.md.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

BATCH_SIZES = [1, 7, 4096]
WITHOUT = ["fmt:AVRO", "fmt:PROTOBUF", "fmt:JSON_SR", "fmt:PROTOBUF_NOSR"]


def run(calzone, suite, batch_size):
    """The result lines of one run, by case."""
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as out:
        command = [calzone, "test-runner", "--suite", suite, "--batch-size", str(batch_size), "--out", out.name]
        for tag in WITHOUT:
            command += ["--without", tag]
        ended = subprocess.run(command, stderr=subprocess.PIPE, text=True)
        if ended.returncode not in (0, 1):
            sys.exit(f"test-runner failed: {ended.stderr}")
        with open(out.name) as lines:
            return {result["id"]: result for result in map(json.loads, lines)}


def main():
    calzone, suite = sys.argv[1:3]
    floor = int((pathlib.Path(__file__).parent / "floor").read_text().split()[0])
    runs = {size: run(calzone, suite, size) for size in BATCH_SIZES}
    first = runs[BATCH_SIZES[0]]
    failed = [result for result in first.values() if result["status"] != "pass"]
    for result in failed:
        print(f"{result['status']}  {result['id']}: {result.get('reason', '').splitlines()[0]}")
    passed = len(first) - len(failed)
    print(f"{passed} of {len(first)} cases pass; the floor is {floor}")
    for size, results in runs.items():
        differing = [case for case in first if results[case]["status"] != first[case]["status"]]
        if differing:
            sys.exit(f"in batches of {size} these end in another way: {', '.join(differing)}")
    if passed < floor:
        sys.exit(f"{floor - passed} cases fewer than before pass")
    if passed > floor:
        print(f"more than before: write {passed} into tests/compat/floor")


if __name__ == "__main__":
    main()
