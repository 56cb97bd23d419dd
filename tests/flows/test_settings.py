import pytest

from flows.settings import Settings, SettingsError, require_urls_apart

GIVEN = {"AFTERTAKE_SOURCE": "file:///in", "AFTERTAKE_OUTPUT": "file:///out"}


def test_settings_are_read_once_from_the_environment() -> None:
    assert Settings.from_environment(GIVEN) == Settings(source="file:///in", output="file:///out")


@pytest.mark.parametrize("name", GIVEN)
@pytest.mark.parametrize("value", [None, ""])
def test_what_is_not_set_is_named(name: str, value: str | None) -> None:
    environment = {key: text for key, text in GIVEN.items() if key != name} | ({} if value is None else {name: value})

    with pytest.raises(SettingsError, match=f"{name} is not set"):
        Settings.from_environment(environment)


HANGZHOU = "oss://rec/calls/?region=cn-hangzhou"
GUANGZHOU = "cos://rec-1250000000/calls/?region=ap-guangzhou"
MINIO = "s3://rec/calls/?endpoint=http://localhost:9000"
AMAZON = "s3://rec/calls/?region=eu-west-1"

INSIDE = {
    "an internal host of OSS": (HANGZHOU, f"{HANGZHOU}&endpoint=https://oss-cn-hangzhou-internal.aliyuncs.com"),
    "an accelerated host of COS": (GUANGZHOU, f"{GUANGZHOU}&endpoint=https://cos.accelerate.myqcloud.com"),
    "a domain of one's own": (HANGZHOU, f"{HANGZHOU}&domain=https://rec.example"),
    "OSS through its S3 API": (HANGZHOU, "s3://rec/calls/?endpoint=https://s3.oss-cn-hangzhou.aliyuncs.com"),
    "COS through its S3 API": (GUANGZHOU, "s3://rec-1250000000/calls/?endpoint=https://cos.ap-guangzhou.myqcloud.com"),
    "Amazon with its own endpoint": (AMAZON, "s3://rec/calls/?endpoint=https://s3.eu-west-1.amazonaws.com"),
    "Amazon behind a private name": (AMAZON, "s3://rec/calls/?endpoint=https://s3.corp.example"),
    "localhost by its address": (MINIO, "s3://rec/calls/?endpoint=http://127.0.0.1:9000"),
    "two self-hosted stores": (MINIO, "s3://rec/calls/?endpoint=https://store.example"),
    "options in another order": ("s3://rec/?region=a&endpoint=https://b", "s3://rec/?endpoint=https://b&region=a"),
    "a prefix below": (HANGZHOU, "oss://rec/calls/published/?region=cn-hangzhou"),
    "a prefix without its slash": (HANGZHOU, "oss://rec/calls?region=cn-hangzhou"),
    "a prefix spelled otherwise": (HANGZHOU, "oss://rec/c%61lls/?region=cn-hangzhou"),
    "a source among what is published": ("oss://rec/out/media/?region=a", "oss://rec/out/?region=a"),
    "a folder": ("file:///srv/in", "file:///srv/in/out"),
    "memory": ("memory://a", "memory://a"),
}
APART = {
    "another prefix": (HANGZHOU, "oss://rec/published/?region=cn-hangzhou"),
    "a prefix that begins alike": (HANGZHOU, "oss://rec/calls-mp4/?region=cn-hangzhou"),
    "another bucket": (MINIO, "s3://published/calls/?endpoint=http://localhost:9000"),
    "the bucket around a source": (HANGZHOU, "oss://rec/?region=cn-hangzhou"),
    "two clouds": (AMAZON, HANGZHOU),
    "two clouds that speak S3": (
        "s3://rec/calls/?endpoint=https://1a2b.r2.cloudflarestorage.com",
        "s3://rec/calls/?endpoint=https://storage.googleapis.com",
    ),
    "a cloud and a folder": ("file:///rec", "oss://rec/?region=cn-hangzhou"),
    "folders": ("file:///srv/in", "file:///srv/in-mp4"),
}


@pytest.mark.parametrize("how", INSIDE)
def test_an_output_in_the_source_is_refused_however_it_is_spelled(how: str) -> None:
    source, output = INSIDE[how]
    with pytest.raises(SettingsError, match=r"which is never written.*another prefix, or in a bucket of another name"):
        require_urls_apart(source, output)


@pytest.mark.parametrize("how", APART)
def test_an_output_outside_of_the_source_is_taken(how: str) -> None:
    require_urls_apart(*APART[how])


def test_a_host_that_only_ends_like_a_clouds_is_nobodys() -> None:
    with pytest.raises(SettingsError):
        require_urls_apart(AMAZON, "s3://rec/calls/?endpoint=https://evilaliyuncs.com")
