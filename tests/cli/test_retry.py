"""`aftertake retry`: one recording, and all that are alarmed."""

import pytest

from catalog.records import id_text, read_id
from tests.cli.running import aftertake
from tests.cli.site import AGORA, Site


def test_one_that_waits_is_due_now(site: Site) -> None:
    site.configure({"name": "calls", "store": str(site.source)})
    site.lay_agora(end=False)
    aftertake("submit", site.source)
    assert aftertake("process", AGORA).code == 7

    run = aftertake("retry", AGORA.partition(":")[2], "--reason", "it is over")

    assert (run.code, run.err) == (0, "")
    assert run.out == f"{AGORA}: waiting; it is due now, and the next free worker takes it\n"
    assert site.audited() == [("ada@desk", "retry", AGORA, "it is over")]


def test_an_alarm_is_over(site: Site) -> None:
    recording = site.register("held")
    site.alarm(recording, "a person must look")
    assert "left to a person" in aftertake("show", "held").out

    run = aftertake("retry", "held", "--json")

    (shown,) = run.json["recordings"]
    assert (run.json["schema"], shown["alarm"], shown["state"]) == ("aftertake.retry/1", None, "waiting")
    assert site.audited() == [("ada@desk", "retry", "agora:held", "no reason given")]
    with site.catalog() as catalog:
        assert catalog.get(recording).due_at is not None


def test_all_that_are_alarmed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.retry.MOST_ROWS", 2)
    alarmed = [site.register(f"held{number}") for number in range(5)]
    for recording in alarmed:
        site.alarm(recording, "look")
    site.register("fine")

    run = aftertake("retry", "--alarm", "--json")
    again = aftertake("retry", "--alarm")

    assert {r["task_id"] for r in run.json["recordings"]} == {recording.task_id for recording in alarmed}
    assert {subject for _, _, subject, _ in site.audited()} == {id_text(recording) for recording in alarmed}
    assert (again.code, again.out) == (0, "no recording was made due\n")
    assert aftertake("ls", "--alarm").code == 4


def test_without_a_source_it_is_told_where_to_say_it(site: Site) -> None:
    site.lay_agora()
    aftertake("process", site.source, "--output", site.output)
    site.configure()
    aftertake("reindex")
    site.alarm(read_id(AGORA), "look")
    site.configure({"name": "a", "store": str(site.source)}, {"name": "b", "store": str(site.folder / "b")})

    for arguments in ((AGORA,), ("--alarm",)):
        run = aftertake("retry", *arguments)
        assert run.code == 2
        assert "`aftertake submit VENDOR:TASK_ID --source NAME`" in run.err
    assert aftertake("submit", AGORA, "--source", "a").code == 0
    assert aftertake("retry", AGORA).code == 0
    assert aftertake("process", AGORA).code == 0


def test_one_id_of_two_vendors(site: Site) -> None:
    aftertake("submit", "agora:same")
    aftertake("submit", "zego:same")

    run = aftertake("retry", "same")

    assert (run.code, run.out) == (2, "")
    assert "agora:same, zego:same. Write one of these." in run.err
    assert aftertake("retry", "zego:same").code == 0
    assert len(site.audited()) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ((), 2, "usage: aftertake retry"),
        (("a", "--alarm"), 2, "not allowed with"),
        (("nothing",), 4, "knows no recording nothing"),
        (("agora:\x1b[2J",), 4, "knows no recording agora:\\x1b[2J"),
        (("a\0b",), 2, "write 1 to 1024 characters"),
        (("a", "--reason", "\0"), 2, "write 1 to 1024 characters"),
    ],
)
@pytest.mark.usefixtures("site")
def test_wrong_arguments(arguments: tuple[str, ...], code: int, says: str) -> None:
    run = aftertake("retry", *arguments)

    assert (run.code, run.out) == (code, "")
    assert says in run.err
