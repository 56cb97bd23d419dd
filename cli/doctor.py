"""`aftertake doctor`: whether the configured stores are right, and what to do where they are not."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from catalog.wire import utc_text
from cli.exits import Exit
from cli.report import tell
from cli.vendors_check import check_vendors
from cli.webhooks_check import check_webhooks
from flows.settings import Settings, SettingsError, known_sources
from flows.steps.examining import Examination
from flows.steps.store_checks import Check, Outcome, Place, Role, StoreReport, counted, failed, ok
from storage.base import PendingUpload
from storage.errors import StorageError

EPILOG = (
    "Exit codes: 0 nothing fails (there may be warnings), 3 a check fails: recordings would be lost or held up, "
    "2 usage: a URL or setting is wrong, or none is there. A source is only read; below the output, doctor/ is written."
)
SWEEP_DAYS = 7

_SHOWN = {Outcome.FAIL: "FAIL"}
_INDENT = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What `doctor` found: one report for each store, and the uploads that a sweep aborted (None: no sweep).

    `others` are checks of the catalog, of webhooks and of vendors, where the settings are examined and not only stores.
    """

    stores: Sequence[StoreReport]
    swept: Sequence[PendingUpload] | None = None
    others: Sequence[Check] = ()

    @property
    def checks(self) -> Sequence[Check]:
        """All checks."""
        return [*(check for store in self.stores for check in store.checks), *self.others]

    def count(self, outcome: Outcome) -> int:
        """How many checks ended so."""
        return sum(check.outcome is outcome for check in self.checks)

    @property
    def exit(self) -> Exit:
        """3 where any check fails."""
        return Exit.LOST if self.count(Outcome.FAIL) else Exit.OK


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `aftertake doctor`."""
    parser.epilog = EPILOG
    parser.add_argument("--source", action="append", default=[], metavar="URL", help="where recordings lie; repeatable")
    parser.add_argument("--output", metavar="URL", help="where MP4s and manifests go")
    parser.add_argument(
        "--sweep",
        nargs="?",
        const=SWEEP_DAYS,
        type=_days,
        metavar="DAYS",
        help=f"also abort uploads to the output that are older (default: {SWEEP_DAYS} days); none may still run then",
    )


def run(options: argparse.Namespace) -> int:
    """Examine the stores of the arguments; without any, those of the settings, the catalog and the webhooks."""
    settings, is_bare = Settings.load(), not options.source and not options.output
    sources, output = _places(options)
    configured = [Place.parse(Role.SOURCE, url) for url in settings.known_stores]
    diagnosis = diagnose(Examination(), sources, output, apart_from=configured, sweep_days=options.sweep)
    if is_bare:
        from cli.catalog_check import check_catalog  # noqa: PLC0415 - SQL is for those who ask the catalog

        others = [check_catalog(settings), check_webhooks(settings), check_vendors(settings)]
        diagnosis = replace(diagnosis, others=others)
    tell(document(diagnosis), lines(diagnosis), as_json=options.json)
    return diagnosis.exit


def diagnose(
    examination: Examination,
    sources: Sequence[Place],
    output: Place | None,
    *,
    apart_from: Sequence[Place] = (),
    sweep_days: int | None = None,
) -> Diagnosis:
    """Examine each store, sources first, then sweep the output if that is wanted.

    The output must lie apart from `sources` and from `apart_from`, or nothing is written to it, nor swept.
    """
    reports = [examination.of(source) for source in sources]
    if output is None:
        return Diagnosis(stores=reports)
    report = examination.of(output, sources=[*sources, *apart_from])
    if sweep_days is None:
        return Diagnosis(stores=[*reports, report])
    if any(check.name == "apart" and check.outcome is Outcome.FAIL for check in report.checks):
        return Diagnosis(stores=[*reports, report], swept=())
    swept, check = _sweep(examination, output, timedelta(days=sweep_days))
    report = StoreReport(role=report.role, url=report.url, checks=[*report.checks, check])
    return Diagnosis(stores=[*reports, report], swept=swept)


def _sweep(examination: Examination, output: Place, older_than: timedelta) -> tuple[Sequence[PendingUpload], Check]:
    try:
        swept = examination.sweep(output, older_than)
    except StorageError as error:
        return (), failed("sweep", output, error)
    return swept, ok("sweep", f"{counted(len(swept), 'upload')} older than {counted(older_than.days, 'day')} aborted")


def document(diagnosis: Diagnosis) -> dict[str, Any]:
    """The one JSON object that `--json` prints."""
    outcomes = [store.outcome for store in diagnosis.stores]
    outcomes += [check.outcome for check in diagnosis.others]
    shown: dict[str, Any] = {
        "schema": "aftertake.doctor/1",
        "outcome": max(outcomes, key=lambda outcome: outcome.rank).value,
        "stores": [_store(store) for store in diagnosis.stores],
    }
    shown |= {check.name: _check(check) for check in diagnosis.others}
    if diagnosis.swept is not None:
        shown["swept"] = [
            {"key": upload.key, "upload_id": upload.upload_id, "started_at": utc_text(upload.started_at)}
            for upload in diagnosis.swept
        ]
    return shown


def _store(store: StoreReport) -> dict[str, Any]:
    return {
        "role": store.role.value,
        "url": store.url,
        "outcome": store.outcome.value,
        "checks": [_check(check) for check in store.checks],
    }


def _check(check: Check) -> dict[str, Any]:
    return {"check": check.name, "outcome": check.outcome.value, "seen": check.seen, "fix": check.fix or None}


def lines(diagnosis: Diagnosis) -> Iterator[str]:
    """The same for people: a line for each check, and its fix below it."""
    for store in diagnosis.stores:
        yield f"{store.role.value}  {store.url}"
        for check in store.checks:
            yield from _check_lines(check)
    for check in diagnosis.others:
        yield from _check_lines(check)
    for upload in diagnosis.swept or ():
        yield f"aborted  {upload.key}  begun {utc_text(upload.started_at)}"
    counted = ((Outcome.FAIL, "fail"), (Outcome.WARN, "warn"), (Outcome.SKIPPED, "were skipped"))
    yield "doctor: " + ", ".join(f"{diagnosis.count(outcome)} {words}" for outcome, words in counted)


def _check_lines(check: Check) -> Iterator[str]:
    yield f"  {_SHOWN.get(check.outcome, check.outcome.value):<8} {check.name:<12} {check.seen}"
    if check.fix:
        yield f"{'':{_INDENT}}-> {check.fix}"


def _places(options: argparse.Namespace) -> tuple[list[Place], Place | None]:
    if options.sweep is not None and options.source and not options.output:
        raise SettingsError("--sweep needs --output: a source is never written.")
    if not options.source and not options.output:
        options.source, options.output = [*known_sources()], Settings.load().output
    output = Place.parse(Role.OUTPUT, options.output) if options.output else None
    return [Place.parse(Role.SOURCE, url) for url in options.source], output


def _days(text: str) -> int:
    days = int(text)
    if days < 1:
        raise argparse.ArgumentTypeError("it takes a day at least: an upload that still runs must not be aborted")
    return days
