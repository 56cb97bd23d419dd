"""`aftertake backfill`: find what lies in the sources and nobody has looked at, tell it, and have it looked at."""

import argparse
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from catalog.index import Catalog
from catalog.model import State, Verdict
from catalog.records import Recording, id_text
from cli.actor import own_actor
from cli.exits import Exit, exit_of_verdict
from cli.meaning import NO_REASON, moment, plain_text
from cli.progress import Line
from cli.recordings import time_text, verdict_of
from cli.report import tell, worst
from cli.sources import source_of_folder
from flows.backfill import Backfiller, hand_over_all, plan_all, sources_of, totals
from flows.opening import open_catalog
from flows.process import Inline, run_inline
from flows.recorders import Recorders
from flows.settings import Settings, SettingsError, Source
from flows.steps.backfilling import Asked, History, Item, Plan, Todo, outcome
from flows.steps.store_checks import counted
from storage.credentials import CLOUDS
from storage.urls import StoreUrl, split_url
from vendors.registry import RECORDED

_LISTED: Final = 20
"""Recordings of a source that people are shown; JSON has all."""
_LOOK_S: Final = 1.0
_WORDS: Final = frozenset([*State, *Verdict])
_SAID: Final[Mapping[Todo, str]] = {
    Todo.BUILD: "to build",
    Todo.AGAIN: "to look at again",
    Todo.UNDER_WAY: "under way",
    Todo.GOING_ON: "still going on",
    Todo.UNCHANGED: "not complete, and nothing came since",
    Todo.COMPLETE: "already complete",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is told: the plans, what was handed over (None: that was not asked for), and what came of it, if known."""

    asked: Asked
    plans: Sequence[Plan]
    handed_over: int | None
    done: Sequence[Recording] | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which recordings, and whether they are only counted."""
    parser.add_argument("--from", dest="since", type=moment, metavar="TIME", help="2026-05-03T14:00Z, or 24h for ago")
    parser.add_argument("--to", dest="until", type=moment, metavar="TIME", help="up to, and without, this time")
    parser.add_argument("--prefix", type=plain_text, metavar="URL|FOLDER", help="only what lies there in a source")
    parser.add_argument("--source", metavar="NAME", help="one source instead of all")
    words = ", ".join(dict.fromkeys([*Verdict, *State]))
    parser.add_argument("--only", type=_only, default=frozenset(), metavar="WORD,WORD", help=f"known ones: {words}")
    parser.add_argument("--history", action="store_true", help="ask the vendors for their own lists, too")
    parser.add_argument("--dry-run", action="store_true", help="count and list, and change nothing")
    parser.add_argument("--wait", action="store_true", help="until all has been looked at; exit 0, 3 or 7")
    parser.add_argument("--reason", type=plain_text, default=NO_REASON, metavar="TEXT", help="why, for the audit")


def run(options: argparse.Namespace) -> int:
    """Count first; then have it done, unless that is not wanted."""
    settings = Settings.load()
    asked = Asked(since=options.since, until=options.until, only=options.only)
    if asked.since and asked.until and asked.since >= asked.until:
        raise SettingsError(
            "--from is not before --to, so that nothing lies between them. Write the earlier one first."
        )
    wanted = _wanted(settings, asked, options.prefix, options.source)
    with open_catalog(settings) as catalog, closing(Recorders(settings)) as recorders:
        backfiller = Backfiller(
            name=own_actor(),
            reason=options.reason,
            catalog=catalog,
            settings=settings,
            history=_history(recorders, options.source) if options.history else None,
        )
        plans = run_inline(plan_all(Inline(), backfiller, wanted))
        if options.dry_run:
            return _answer(Answer(asked=asked, plans=plans, handed_over=None), as_json=options.json)
        if not options.json:
            tell({}, preview(plans), as_json=False)
        began_at = catalog.database.read(catalog.database.now)
        answer = Answer(asked=asked, plans=plans, handed_over=run_inline(hand_over_all(Inline(), backfiller, plans)))
        if options.wait:
            answer = replace(answer, done=_awaited(catalog, plans, began_at))
    return _answer(answer, as_json=options.json)


def _history(recorders: Recorders, name: str | None) -> History:
    """The vendors' own lists. Raises `SettingsError` if no vendor can be asked of what is meant."""
    if not any(name in {source.name, None} for vendor in RECORDED for source in recorders.able(vendor)):
        whose = "no source has" if name is None else f"source {name} lacks"
        raise SettingsError(f"--history: {whose} app, and the key of its vendor's API. See README, Vendors.")
    return recorders.history


def _wanted(settings: Settings, asked: Asked, prefix: str | None, name: str | None) -> list[tuple[Source, Asked]]:
    """The sources with what is asked of each. Raises `SettingsError`."""
    sources = sources_of(settings, name)
    if not sources:
        raise SettingsError("no source is configured. Write [[sources]] with its name and store into aftertake.toml.")
    if prefix is None:
        return [(source, asked) for source in sources]
    if "://" in prefix or prefix.startswith(("/", "./", "../")) or Path(prefix).is_dir():
        source, folder = source_of_folder(settings, prefix, name)
        return [(source, replace(asked, prefix=folder))]
    return [(source, replace(asked, prefix=f"{_top(source)}{prefix}")) for source in sources]


def _top(source: Source) -> str:
    """What all keys of a source begin with: those of buckets keep their full names."""
    return StoreUrl.parse(source.store).prefix if split_url(source.store).scheme in CLOUDS else ""


def _awaited(catalog: Catalog, plans: Sequence[Plan], began_at: datetime) -> Sequence[Recording]:
    """All recordings that were handed over or under way, as soon as somebody has looked at each."""
    line = Line("backfill")
    try:
        while True:
            found = outcome(catalog, plans, since=began_at)
            if len(found.done) == found.total:
                return found.done
            line.say(f"{len(found.done)} of {found.total} recordings")
            time.sleep(_LOOK_S)
    finally:
        line.finish()


def _answer(answer: Answer, *, as_json: bool) -> Exit:
    tell(document(answer), lines(answer), as_json=as_json)
    if not answer.done:
        return Exit.OK
    verdict = worst([verdict_of(recording) for recording in answer.done])
    return Exit.NOT_FINAL if verdict is None else exit_of_verdict(verdict)


def document(answer: Answer) -> dict[str, Any]:
    """The one JSON object that `--json` prints."""
    asked, plans = answer.asked, answer.plans
    return {
        "schema": "aftertake.backfill/1",
        "from": time_text(asked.since),
        "to": time_text(asked.until),
        "dry_run": answer.handed_over is None,
        "counts": dict(totals(plans)),
        "size_bytes": sum(plan.size_bytes for plan in plans),
        "cross_cloud_bytes": sum(plan.size_bytes for plan in plans if plan.crosses),
        "sources": [_source(plan) for plan in plans],
        "handed_over": answer.handed_over,
        "done": None if answer.done is None else [_done(recording) for recording in answer.done],
    }


def _source(plan: Plan) -> dict[str, Any]:
    return {
        "source": plan.source,
        "store": plan.store,
        "objects": plan.objects,
        "counts": {todo.value: count for todo, count in plan.counts.items()},
        "size_bytes": plan.size_bytes,
        "crosses": plan.crosses,
        "unreadable": {
            "count": plan.unclaimed.count,
            "size_bytes": plan.unclaimed.size_bytes,
            "keys": list(plan.unclaimed.shown),
        },
        "recordings": [_item(item) for item in plan.items],
    }


def _item(item: Item) -> dict[str, Any]:
    return {
        "vendor": item.recording.vendor,
        "task_id": item.recording.task_id,
        "todo": item.todo.value,
        "folder": item.folder,
        "room": item.room,
        "began_at": time_text(item.began_at),
        "size_bytes": item.size_bytes,
        "state": item.state.value if item.state else None,
        "verdict": item.verdict.value if item.verdict else None,
    }


def _done(recording: Recording) -> dict[str, Any]:
    verdict = verdict_of(recording)
    return {
        "vendor": recording.id.vendor,
        "task_id": recording.id.task_id,
        "state": recording.state.value,
        "verdict": verdict.value if verdict else None,
    }


def lines(answer: Answer) -> Iterator[str]:
    """For people: the preview, unless it was told before; then what was done about it."""
    if answer.handed_over is None:
        yield from preview(answer.plans)
        yield "nothing was changed (--dry-run)"
    elif answer.handed_over:
        yield f"handed over: {counted(answer.handed_over, 'recording')}; the workers of `aftertake serve` take them"
        yield "`aftertake ls --state stopped,processing,waiting,failed` tells which are not done; this command goes on"
    else:
        yield "nothing is to be done"
    if answer.done is not None:
        yield from _verdicts(answer.done)


def preview(plans: Sequence[Plan]) -> Iterator[str]:
    """What is to be done, a paragraph for each source."""
    for plan in plans:
        told = [f"{count} {_SAID[todo]}" for todo, count in plan.counts.items() if count]
        yield f"{plan.source}: {counted(len(plan.items), 'recording')}{': ' if told else ''}{', '.join(told)}"
        yield f"  {plan.store}: {counted(plan.objects, 'object')} listed; {_megabytes(plan.size_bytes)} to read"
        if plan.crosses and plan.size_bytes:
            yield f"  ! {_megabytes(plan.size_bytes)} leave their cloud or region on the way to the output"
        if plan.unclaimed.count:
            shown = ", ".join(plan.unclaimed.shown[:3])
            yield f"  ! {counted(plan.unclaimed.count, 'unreadable name')}, which no recording claims: {shown}"
        for item in plan.work[:_LISTED]:
            yield f"  {item.todo:<6} {id_text(item.recording)}  {item.room or '-'}  {_when(item)}  {_so_far(item)}"
        if len(plan.work) > _LISTED:
            yield f"  … and {len(plan.work) - _LISTED} more; --json has all"


def _when(item: Item) -> str:
    return (time_text(item.began_at) or "-")[:19].replace("T", " ")


def _so_far(item: Item) -> str:
    return (item.verdict or item.state or "new").lower()


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"


def _verdicts(done: Sequence[Recording]) -> Iterator[str]:
    told = [str(verdict_of(recording) or recording.state) for recording in done]
    yield f"looked at: {', '.join(f'{told.count(word)} {word}' for word in dict.fromkeys(sorted(told))) or 'none'}"


def _only(text: str) -> frozenset[str]:
    words = frozenset(word.strip() for word in text.split(","))
    if words <= _WORDS:
        return words
    raise argparse.ArgumentTypeError(f"write some of {', '.join(sorted(_WORDS))}, with commas between")
