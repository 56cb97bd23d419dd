"""`aftertake process TASK`: a recording of the catalog, processed where the command is given."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from catalog.errors import LeaseLostError
from catalog.model import State
from catalog.records import read_id
from cli.by_hand import Overheard
from deployments.sandbox.layouts import AGORA_SID
from flows.process import run_inline
from storage.errors import Transient
from tests.cli.running import aftertake
from tests.cli.site import AGORA, ZEGO, Site
from tests.flows.folders import aged, followed


@pytest.fixture
def known(site: Site) -> Site:
    """A recording that was submitted."""
    site.lay_agora()
    assert aftertake("submit", site.source).code == 0
    return site


@pytest.mark.parametrize("task", [AGORA, AGORA_SID])
def test_the_answer_is_that_for_a_folder(task: str, known: Site) -> None:
    run = aftertake("process", task, "--json")
    folder = aftertake("process", known.source, "--output", known.output, "--json")

    assert (run.code, run.err) == (0, "")
    assert run.json == folder.json
    assert (run.json["schema"], run.json["verdict"]) == ("aftertake.process/1", "complete")
    followed(known.output, "agora", AGORA_SID)
    with known.catalog() as catalog:
        recording = catalog.get(read_id(AGORA))
    assert (recording.state, recording.verdict) == ("settled", "complete")


def test_twice_is_the_same_answer(known: Site) -> None:
    first, second = aftertake("process", AGORA), aftertake("process", AGORA)

    assert (second.code, second.out, second.err) == (0, first.out, "")
    with known.catalog() as catalog:
        assert catalog.changes(read_id(AGORA))[-1].cause == "nothing new"


def test_a_worse_run_is_no_success(known: Site) -> None:
    aftertake("process", AGORA)
    for lost in sorted(known.source.rglob("*.ts"))[1:3]:
        lost.unlink()

    run = aftertake("process", AGORA)

    assert run.code == 3
    assert "the published revision stays, because this run is worse" in run.out


def test_one_that_must_be_waited_for(site: Site) -> None:
    site.configure({"name": "calls", "store": str(site.source)})
    site.lay_zego(without=2)
    aftertake("submit", site.source)

    run, shown = aftertake("process", ZEGO), aftertake("process", ZEGO, "--json")

    assert run.code == 7
    assert run.err.startswith("aftertake: recording ")
    assert "1 promised slices are not there" in run.err
    assert f"({ZEGO}: it is looked at again at 20" in run.err
    assert run.out == f"{ZEGO.replace(':', ' ')}: waiting\n"
    assert (shown.code, shown.json["state"], shown.json["verdict"]) == (7, "waiting", None)
    assert not site.output.exists()


def test_force_waits_for_nothing_and_is_audited(site: Site) -> None:
    site.configure({"name": "calls", "store": str(site.source), "on_deadline": "hold", "deadline": "0s"})
    site.lay_zego(without=2)
    aged(site.source)
    aftertake("submit", site.source)
    held = aftertake("process", ZEGO)
    assert held.code == 7
    assert "left to a person" in held.err

    run = aftertake("process", ZEGO, "--force", "--reason", "the customer waits")

    assert (run.code, run.err) == (3, "")
    assert "zego Zk3-QeE4Iq2AAAAB: gaps" in run.out
    assert site.audited() == [("ada@desk", "force", ZEGO, "the customer waits")]


def test_somebody_else_has_it(known: Site) -> None:
    with known.catalog() as catalog:
        catalog.claims.take(read_id(AGORA), holder="other", ttl=timedelta(minutes=1), cause="run 1")

    run, shown = aftertake("process", AGORA), aftertake("process", AGORA, "--json")

    assert run.code == 5
    assert run.err == f"aftertake: somebody else works on {AGORA} now. `aftertake show` tells how far it is.\n"
    assert (shown.json["recordings"][0]["state"], shown.json["verdict"]) == (State.PROCESSING, None)


def _raising(error: Exception) -> Callable[..., None]:
    def fails(*_: object) -> None:
        raise error

    return fails


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (Transient("list", "", "503 SlowDown"), 5, "503 SlowDown"),
        (RuntimeError("\x1b[2Jbroken"), 1, "a fault of Aftertake, please report it: RuntimeError: \\x1b[2Jbroken"),
    ],
)
def test_what_failed(error: Exception, code: int, says: str, known: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.process.seek", _raising(error))

    run = aftertake("process", AGORA)

    assert run.code == code
    assert says in run.err
    assert f"({AGORA}: it is looked at again at 20" in run.err
    assert run.out == f"agora {AGORA_SID}: failed\n"
    with known.catalog() as catalog:
        assert catalog.get(read_id(AGORA)).state is State.FAILED


def test_what_a_person_must_mend(known: Site) -> None:
    aftertake("process", AGORA)
    for manifest in known.output.rglob("manifests/agora/*/0*.json"):
        manifest.write_bytes(b"{}")

    run = aftertake("process", AGORA, "--force", "--reason", "again")

    assert run.code == 6
    assert "Move it away" in run.err
    with known.catalog() as catalog:
        assert catalog.get(read_id(AGORA)).alarm


@pytest.mark.usefixtures("known")
def test_a_lost_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.process.seek", _raising(LeaseLostError("the lease is lost")))

    run = aftertake("process", AGORA)

    assert (run.code, run.err) == (5, "aftertake: the lease is lost\n")


def test_an_interrupt_hands_it_back(known: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("flows.process.seek", interrupted)

    run = aftertake("process", AGORA)

    assert run.code == 130
    assert "run the same command again" in run.err
    with known.catalog() as catalog:
        recording = catalog.get(read_id(AGORA))
    assert (recording.state, recording.tries) == (State.STOPPED, 0)


def test_its_steps_are_named_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)

    assert run_inline(Overheard().run("assemble \x1b[2J", lambda: 1)) == 1
    assert capsys.readouterr() == ("", "process: assemble \\x1b[2J\n")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("agora:nothing",), 4, "knows no recording agora:nothing"),
        (("nothing",), 4, "knows no recording nothing"),
        ((AGORA, "--force"), 2, "--force and --reason TEXT go together"),
        ((AGORA, "--reason", "so"), 2, "--force and --reason TEXT go together"),
        ((AGORA, "--output", "out"), 2, "leave --output out"),
        (("nowhere", "--output", "out"), 2, "is no folder that is there"),
        (("./nowhere",), 2, "say with --output URL"),
        (("calls", "--output", "out", "--force", "--reason", "so"), 2, "name one as VENDOR:TASK_ID"),
        (("agora:\0",), 2, "write 1 to 1024 characters"),
    ],
)
def test_wrong_arguments(arguments: tuple[str, ...], code: int, says: str, known: Site) -> None:
    run = aftertake("process", *arguments)

    assert (run.code, run.out) == (code, "")
    assert says in run.err
    assert known.audited() == []
