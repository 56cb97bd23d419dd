"""The table that a proof prints: lines with values, each judged or only told."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(slots=True)
class Table:
    """Lines with a label, some values, and whether that is what was promised."""

    missed: list[str] = field(default_factory=list)

    def line(self, label: str, values: Sequence[object], *, right: bool = True) -> None:
        marked = "" if right else "   MISSED"
        sys.stdout.write(f"{label:<44}" + "".join(f"{value!s:>16}" for value in values) + marked + "\n")
        if not right:
            self.missed.append(label)

    def heading(self, text: str) -> None:
        sys.stdout.write(f"\n{text}\n")

    def verdict(self) -> int:
        """The exit code, after the last line was printed."""
        sys.stdout.write(f"Missed: {', '.join(self.missed)}\n" if self.missed else "Every figure holds.\n")
        return 1 if self.missed else 0
