"""What was wanted, what was measured, and both as Markdown and JSON."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from statistics import median

from tests.benchmarks.rounds import Costs

_PACKAGES = ("aftertake", "av", "numpy", "fastcrc", "urllib3", "sqlalchemy", "psycopg")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One figure. `met` is None where nothing is promised, or where it could not be measured."""

    what: str
    wanted: str
    measured: str
    met: bool | None = None

    def line(self, *, judged: bool) -> str:
        """One line of the table."""
        verdict = {True: "met", False: "**missed**", None: "–"}[self.met if judged else None]
        return f"| {self.what} | {self.wanted} | {self.measured} | {verdict} |"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """The figures of one question, the costs they came from (each in `unit`), and the commands that cost it."""

    title: str
    rows: Sequence[Row]
    unit: str = ""
    costs: Costs = field(default_factory=dict)
    commands: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()


def machine() -> dict[str, str]:
    """What the figures were measured on; the load says who else was there."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{pages / 1e9:.0f} GB",
        "system": f"{platform.system()} {platform.release()}",
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def versions() -> dict[str, str]:
    """Of Python and of the packages whose work is measured."""
    return {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}


def markdown(scale: str, facts: Mapping[str, str], sections: Sequence[Section], *, judged: bool) -> str:
    """The whole report; where it is not `judged`, no figure counts as met or missed."""
    lines = [f"# Benchmarks ({scale})", "", "; ".join(f"{name} {value}" for name, value in facts.items()), ""]
    if not judged:
        lines += ["Tiny inputs: this shows that the benchmarks work; the figures mean nothing.", ""]
    lines += ["| what | wanted | measured | |", "|---|---|---|---|"]
    for section in sections:
        lines.append(f"| **{section.title}** | | | |")
        lines += [row.line(judged=judged) for row in section.rows]
    for section in sections:
        lines += _details(section)
    return "\n".join(lines) + "\n"


def _details(section: Section) -> list[str]:
    lines = ["", f"## {section.title}", ""]
    lines += [f"- {note}" for note in section.notes]
    lines += [f"- {name}: `{command}`" for name, command in section.commands.items()]
    if section.costs:
        lines += ["", f"| {section.unit} | median | lowest | highest | rounds |", "|---|---|---|---|---|"]
    for name, costs in section.costs.items():
        numbers = f"{median(costs):.2f} | {min(costs):.2f} | {max(costs):.2f} | {len(costs)}"
        lines.append(f"| {name} | {numbers} |")
    return lines
