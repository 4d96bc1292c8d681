"""What a run has given, and the table of all runs."""

import dataclasses


@dataclasses.dataclass
class Figures:
    records: int
    seconds: float
    cpu_seconds: float
    peak_mib: float
    # (time, MiB) while it ran.
    resident: list = dataclasses.field(default_factory=list)

    @property
    def rate(self) -> float:
        """Records a second, until the last output was there."""
        return self.records / self.seconds

    @property
    def cpu_per_million(self) -> float:
        return self.cpu_seconds * 1e6 / self.records

    def __str__(self) -> str:
        return f"{self.rate / 1000:6.0f} k/s, {self.cpu_per_million:5.2f} CPU-s/M, peak {self.peak_mib:4.0f} MiB"

    def as_json(self) -> dict:
        resident = [round(mib) for _, mib in self.resident]
        return {"rate": round(self.rate), "cpu_s_per_million": round(self.cpu_per_million, 3), "peak_mib": round(self.peak_mib), "resident_mib": resident}


@dataclasses.dataclass
class Row:
    name: str
    log: str
    calzone: list[Figures]
    loop: list[Figures] = dataclasses.field(default_factory=list)
    streams: list[Figures] = dataclasses.field(default_factory=list)

    def as_json(self) -> dict:
        found = {"work": self.name, "log": self.log}
        for program in ("calzone", "loop", "streams"):
            runs = getattr(self, program)
            if runs:
                found[program] = [run.as_json() for run in runs]
        for program in ("loop", "streams"):
            if getattr(self, program):
                rate, cpu = ratios(self, program)
                found[f"to_{program}"] = {"rate": round(rate, 2), "cpu": round(cpu, 2)}
        return found


def best(runs: list[Figures]) -> Figures:
    """The run that others on the machine have disturbed least."""
    return min(runs, key=lambda run: run.cpu_per_million)


def ratios(row: Row, program: str) -> tuple[float, float]:
    """How many times the rate, and how many times the CPU time, of the other program."""
    ours, theirs = row.calzone, getattr(row, program)
    rate = max(run.rate for run in ours) / max(run.rate for run in theirs)
    return rate, best(ours).cpu_per_million / best(theirs).cpu_per_million


def print_table(records: int, rows: list[Row]):
    if not rows:
        return
    print(f"\n{records:,} records of about 223 bytes, 4 partitions. Rates in thousands of records a second, CPU in")
    print("seconds per million records; the best of the runs. Ratios: rate (more is better) and CPU (less is better).\n")
    head = ["work", "log", "rate", "CPU", "peak MiB", "loop", "CPU", "Streams", "CPU", "to loop", "to Streams"]
    lines = [head]
    for row in rows:
        line = [row.name, row.log, f"{max(r.rate for r in row.calzone) / 1000:.0f}", f"{best(row.calzone).cpu_per_million:.2f}"]
        line.append(f"{max(r.peak_mib for r in row.calzone):.0f}")
        for runs in (row.loop, row.streams):
            line += [f"{max(r.rate for r in runs) / 1000:.0f}", f"{best(runs).cpu_per_million:.2f}"] if runs else ["–", "–"]
        for program in ("loop", "streams"):
            line.append("{:.2f}, {:.2f}".format(*ratios(row, program)) if getattr(row, program) else "–")
        lines.append(line)
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    lines.insert(1, ["-" * width for width in widths])
    for line in lines:
        cells = [cell.ljust(width) if i < 2 else cell.rjust(width) for i, (cell, width) in enumerate(zip(line, widths))]
        print("| " + " | ".join(cells) + " |")


def print_figures(found: dict):
    """Figures that are no rows of the table, by what they are of."""

    def text(value) -> str:
        if isinstance(value, dict):
            return ", ".join(f"{name.replace('_', ' ')} {text(part)}" for name, part in value.items())
        return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"

    for name, value in found.items():
        print(f"{name}: {text(value)}")
