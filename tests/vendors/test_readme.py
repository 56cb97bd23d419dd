import re

import pytest

from tests.structure.repository import ROOT

README = (ROOT / "vendors" / "README.md").read_text()
NAMED = sorted(set(re.findall(r"`(?:(tests/\S+\.py)::)?(test_\w+)`", README)))


def defined_in(paths: str) -> set[str]:
    files = ROOT.glob(paths)
    return {name for path in files for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)}


@pytest.mark.parametrize("paths", sorted({path for path, _ in NAMED}))
def test_every_test_that_is_named_exists(paths: str) -> None:
    missing = {name for path, name in NAMED if path == paths} - defined_in(paths or "tests/vendors/test_*.py")
    assert missing == set()


def test_a_rule_that_is_handled_both_ways_names_its_test() -> None:
    rows = [line for line in README.splitlines() if line.count(" | ") == 3 and not line.startswith("| Not settled")]
    assert len(rows) > 80
    assert [row for row in rows if "`test_" not in row and "::test_" not in row] == []


def test_no_rule_is_handled_in_one_way_only() -> None:
    heads = {line for line in README.splitlines() if line.startswith("| Not settled |")}
    assert heads == {
        "| Not settled | Readings | What Aftertake does | Test |",
        "| Not settled | Why it makes no difference |",
    }
