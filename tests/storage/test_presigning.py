from email.message import Message
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import Unsupported
from storage.presigning import LONGEST_S, check_lifetime, disposition


@pytest.mark.parametrize("seconds", [1, 60, LONGEST_S])
def test_lives_that_every_store_gives(seconds: int) -> None:
    check_lifetime("a", seconds)


@pytest.mark.parametrize("seconds", [-1, 0, LONGEST_S + 1])
def test_lives_that_not_every_store_gives(seconds: int) -> None:
    with pytest.raises(Unsupported, match=f"1 to {LONGEST_S} seconds, not {seconds}"):
        check_lifetime("a", seconds)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_browsers_save_under_the_name_whatever_it_holds(filename: str) -> None:
    header = disposition(filename)
    assert header.isascii()
    assert header.isprintable()
    assert " " not in header
    assert header.startswith('attachment;filename="')
    assert header.count('"') == 2
    assert unquote(header.partition("filename*=UTF-8''")[2]) == filename


def test_older_programs_get_a_plain_name() -> None:
    message = Message()
    message["Content-Disposition"] = disposition('a "b"; c/会议\r\nX: y.mp4')
    assert message.get_content_disposition() == "attachment"
    assert '"a__b___c_____X__y.mp4"' in message["Content-Disposition"]
