"""What is promised of replay exports: `python -m tests.proofs.exports`.

A thousand cuts, each judged by the numbers in its pictures and played in Chromium; a thousand requests, each held
against what is made of it; ten thousand steps of random histories and a thousand equal requests; live recordings beside
fifty exports. Each part can be run by itself, and ends with 1 if something is missed: `tests.proofs.export_cuts`,
`…export_asks`, `…export_jobs`, `…export_beside`.
"""

import subprocess
import sys

PARTS = (("export_cuts", "--play"), ("export_asks",), ("export_jobs",), ("export_beside",))


def main() -> int:
    """Run all parts, each in a process of its own; 0 if all hold."""
    missed = []
    for name, *options in PARTS:
        command = [sys.executable, "-m", f"tests.proofs.{name}", *options]
        sys.stdout.write(f"\n== {name}\n")
        sys.stdout.flush()
        if subprocess.run(command, check=False).returncode:  # noqa: S603 - our own program
            missed.append(name)
    sys.stdout.write(f"\nMissed in {', '.join(missed)}.\n" if missed else "\nAll parts hold.\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
