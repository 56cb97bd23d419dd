import pytest

from cli.progress import Progress


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr("cli.progress.time.monotonic", lambda: now[0])
    return now


def test_a_plain_line_every_ten_seconds(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    shown = Progress("check", 4_000_000)
    for now in (1.0, 9.9, 10.0, 15.0, 20.5):
        clock[0] = now
        shown.add(1_000_000)
    shown.finish()

    assert capsys.readouterr() == ("", "check: 3 of 4 MB\ncheck: 5 of 4 MB\n")


def test_a_terminal_gets_one_line_that_redraws(
    clock: list[float], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    shown = Progress("process", 2_000_000)
    for now in (0.2, 0.25, 0.4):
        clock[0] = now
        shown.add(500_000)
    shown.finish()

    assert capsys.readouterr().err == "\r\x1b[Kprocess: 0 of 2 MB\r\x1b[Kprocess: 2 of 2 MB\r\x1b[K"


def test_short_work_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Progress("check", 10)
    shown.add(10)
    shown.finish()

    assert capsys.readouterr().err == ""
