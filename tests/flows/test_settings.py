import pytest

from flows.settings import Settings, SettingsError

GIVEN = {"AFTERTAKE_SOURCE": "file:///in", "AFTERTAKE_OUTPUT": "file:///out"}


def test_settings_are_read_once_from_the_environment() -> None:
    assert Settings.from_environment(GIVEN) == Settings(source="file:///in", output="file:///out")


@pytest.mark.parametrize("name", GIVEN)
@pytest.mark.parametrize("value", [None, ""])
def test_what_is_not_set_is_named(name: str, value: str | None) -> None:
    environment = {key: text for key, text in GIVEN.items() if key != name} | ({} if value is None else {name: value})

    with pytest.raises(SettingsError, match=f"{name} is not set"):
        Settings.from_environment(environment)
