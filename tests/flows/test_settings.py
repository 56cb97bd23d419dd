"""Settings from a file and variables: what is read, what is refused, and what is said of it."""

import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from catalog.records import Announced
from flows.settings import (
    Address,
    Endpoint,
    OnDamage,
    OnDeadline,
    Pictures,
    Settings,
    SettingsError,
    Source,
    known_sources,
    other_stores,
    require_urls_apart,
)
from storage.errors import InvalidUrl
from storage.opening import open_source
from tests.flows.written import PASSWORD, refused, write

EVERYTHING = f"""
output = "s3://archive/?region=eu-west-1"
catalog = "postgresql://aftertake:{PASSWORD}@db/aftertake"
stores = ["cos://backup-1250000000/?region=ap-guangzhou", "further"]
data = "kept"
listen = "0.0.0.0:80"
slots = 5
exports_per_person = 3
export_keep = "2d"
export_deadline = "6h"

[[sources]]
name = "agora-eu"
vendor = "agora"
store = "oss://calls/classes/?region=cn-hangzhou"
settle_time = "90s"
deadline = "48h"
on_deadline = "hold"
on_damage = "hold"
pictures = "normalise"
late_for = "0s"
app = 4711
webhook_secrets = "hooks/agora"
look_through = "1h"

[[sources]]
name = "any"
store = "in"

[[endpoints]]
name = "crm"
url = "https://crm.example/hooks?key={PASSWORD}"
events = ["recording.settled", "export.done"]

[[endpoints]]
name = "our-index"
url = "http://index.internal:8000/"
private = true
secrets = "secrets/index"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder of each test."""
    monkeypatch.chdir(tmp_path)
    return tmp_path.resolve()


class TestReading:
    def test_nothing_has_to_be_said(self, folder: Path) -> None:
        assert Settings.load({}) == Settings(
            output=f"file://{folder}/aftertake-data/published",
            catalog=f"sqlite:///{folder}/aftertake-data/catalog.db",
            data=folder / "aftertake-data",
            listen=Address(host="127.0.0.1", port=8080),
            slots=2,
            exports_per_person=10,
            export_keep=timedelta(days=7),
            export_deadline=timedelta(hours=24),
        )

    def test_the_file_says_everything(self, folder: Path) -> None:
        write(EVERYTHING)
        assert Settings.load({}) == Settings(
            output="s3://archive/?region=eu-west-1",
            catalog=f"postgresql://aftertake:{PASSWORD}@db/aftertake",
            stores=("cos://backup-1250000000/?region=ap-guangzhou", f"file://{folder}/further"),
            data=folder / "kept",
            listen=Address(host="0.0.0.0", port=80),  # noqa: S104
            slots=5,
            exports_per_person=3,
            export_keep=timedelta(days=2),
            export_deadline=timedelta(hours=6),
            sources=(
                Source(
                    name="agora-eu",
                    vendor="agora",
                    store="oss://calls/classes/?region=cn-hangzhou",
                    settle_time=timedelta(seconds=90),
                    deadline=timedelta(hours=48),
                    on_deadline=OnDeadline.HOLD,
                    on_damage=OnDamage.HOLD,
                    pictures=Pictures.NORMALISE,
                    late_for=timedelta(),
                    app="4711",
                    webhook_secrets=folder / "hooks" / "agora",
                    look_through=timedelta(hours=1),
                ),
                Source(name="any", store=f"file://{folder}/in"),
            ),
            endpoints=(
                Endpoint(
                    name="crm",
                    url=f"https://crm.example/hooks?key={PASSWORD}",
                    events=(Announced.SETTLED, Announced.EXPORT_DONE),
                ),
                Endpoint(
                    name="our-index",
                    url="http://index.internal:8000/",
                    private=True,
                    secrets=folder / "secrets/index",
                ),
            ),
        )

    def test_a_source_is_patient_unless_told_otherwise(self) -> None:
        source = Source(name="a", store="memory://a")
        assert (source.settle_time, source.deadline, source.late_for) == (
            timedelta(minutes=30),
            timedelta(hours=24),
            timedelta(days=7),
        )
        assert (source.on_deadline, source.on_damage, source.vendor) == (OnDeadline.PUBLISH, OnDamage.PUBLISH, None)
        assert source.pictures is Pictures.AS_RECORDED

    def test_variables_win_over_the_file(self, folder: Path) -> None:
        write(EVERYTHING)
        environment = {
            "AFTERTAKE_OUTPUT": "memory://out",
            "AFTERTAKE_CATALOG": "sqlite:///c.db",
            "AFTERTAKE_STORES": "memory://a  memory://b",
            "AFTERTAKE_DATA": "data",
            "AFTERTAKE_LISTEN": "[::1]:0",
            "AFTERTAKE_SLOTS": "1",
            "AFTERTAKE_EXPORTS_PER_PERSON": "2",
            "AFTERTAKE_EXPORT_KEEP": "3h",
            "AFTERTAKE_EXPORT_DEADLINE": "4h",
            "AFTERTAKE_SOURCES": '[{"name": "z", "vendor": "zego", "store": "memory://z", "deadline": "1h"}]',
            "AFTERTAKE_ENDPOINTS": '[{"name": "bi", "url": "https://bi.example/"}]',
        }
        assert Settings.load(environment) == Settings(
            output="memory://out",
            catalog=f"sqlite:///{folder}/c.db",
            stores=("memory://a", "memory://b"),
            data=folder / "data",
            listen=Address(host="::1", port=0),
            slots=1,
            exports_per_person=2,
            export_keep=timedelta(hours=3),
            export_deadline=timedelta(hours=4),
            sources=(Source(name="z", vendor="zego", store="memory://z", deadline=timedelta(hours=1)),),
            endpoints=(Endpoint(name="bi", url="https://bi.example/"),),
        )

    def test_one_variable_is_short_for_one_source(self) -> None:
        assert Settings.load({"AFTERTAKE_SOURCE": "memory://a"}).sources == (
            Source(name="default", store="memory://a"),
        )
        write(EVERYTHING)
        named = [source.name for source in Settings.load({"AFTERTAKE_SOURCE": "memory://a"}).sources]
        assert named == ["agora-eu", "any", "default"]

    def test_an_empty_variable_is_not_set(self) -> None:
        write(EVERYTHING)
        empty = dict.fromkeys(Settings.load({}).as_environment(), "")
        assert Settings.load(empty | {"AFTERTAKE_ANYTHING": ""}) == Settings.load({})

    def test_paths_of_a_file_are_taken_from_its_folder(self, folder: Path) -> None:
        path = write('output = "out"\ncatalog = "sqlite:///c.db"\ndata = "../data"', "etc/a/settings.toml")
        settings = Settings.load({"AFTERTAKE_CONFIG": str(path), "AFTERTAKE_STORES": "further"})
        assert settings.output == f"file://{folder}/etc/a/out"
        assert settings.catalog == f"sqlite:///{folder}/etc/a/c.db"
        assert settings.data == folder / "etc/data"
        assert settings.stores == (f"file://{folder}/further",)
        write("", str(path))
        assert Settings.load({"AFTERTAKE_CONFIG": str(path)}).data == folder / "etc/a/aftertake-data"

    def test_a_store_is_called_as_it_calls_itself_when_it_is_open(self, folder: Path) -> None:
        (folder / "link").symlink_to(folder / "real")
        for url in ("link", "a b?#", f"file://{folder}/%61", "memory://a/b"):
            assert Settings.load({"AFTERTAKE_SOURCES": f'[{{"name": "a", "store": "{url}"}}]'}).known_stores == (
                open_source(url).url,
            )

    def test_no_heavy_library_is_loaded(self) -> None:
        text = (
            "import sys; from flows.settings import Settings; "
            "Settings.load({'AFTERTAKE_STORES': 's3://a oss://a cos://a-1'}); "
            "sys.exit(str({'sqlalchemy', 'prefect', 'asyncio', 'boto3', 'oss2', 'qcloud_cos'} & set(sys.modules)))"
        )
        root = str(Path(__file__).parents[2])
        done = subprocess.run([sys.executable, "-c", text], cwd=root, capture_output=True, check=False, timeout=60)  # noqa: S603
        assert done.stderr.decode().strip() == "set()"


class TestSecrets:
    def test_a_password_is_never_shown(self) -> None:
        write(EVERYTHING)
        settings = Settings.load({})
        assert PASSWORD in settings.catalog
        assert PASSWORD in settings.endpoints[0].url
        assert PASSWORD not in f"{settings!r} {settings}"

    @pytest.mark.parametrize(
        "catalog",
        [
            f"mysql://a:{PASSWORD}@b/c",
            f"postgresql://a:{PASSWORD}@b",
            f"postgresql://a:{PASSWORD}@[b/c",
            f"postgresql://a:b@c:{PASSWORD}/d",
        ],
    )
    def test_nor_in_what_is_said_of_a_catalog(self, catalog: str) -> None:
        said = 'write "sqlite:///FILE" or "postgresql://USER:PASSWORD@HOST/DATABASE"'
        assert refused({"AFTERTAKE_CATALOG": catalog}) == f"AFTERTAKE_CATALOG: {said}"
        write(f'catalog = "{catalog}"')
        assert refused() == f"aftertake.toml: catalog: {said}"

    @pytest.mark.parametrize(
        "store", [f"s3://a:{PASSWORD}@b/", f"gs://{PASSWORD}", f"s3://b/?{PASSWORD}", f"//[{PASSWORD}://"]
    )
    def test_nor_in_what_is_said_of_a_store(self, store: str) -> None:
        assert refused({"AFTERTAKE_STORES": f"memory://a {store}"}).startswith("AFTERTAKE_STORES[1]: ")


IN_A_SOURCE = {
    'name = "Agora EU"': "name: it should match pattern",
    'vendor = "agoora"': "vendor: write one of jocloud, zego, agora, plain, or leave it out",
    'settle_time = "30"': 'settle_time: write a whole number and its unit, such as "90s", "30m", "24h" or "7d"',
    "deadline = 24": "deadline: write a whole number and its unit",
    'late_for = "9999d"': 'late_for: write "3650d" at most',
    'on_deadline = "stop"': "on_deadline: it should be 'publish' or 'hold'",
    'on_damage = ""': "on_damage: it should be 'publish' or 'hold'",
    'pictures = "upright"': "pictures: it should be 'as_recorded' or 'normalise'",
    'store = "gs://bucket"': "store: the supported stores are file://, memory://, s3://, oss://, cos:// and plain",
    'store = "s3://bucket/?endpoint=host"': "store: it is written endpoint=https://host",
    'store = "file://host/folder"': "store: a folder is written file:///absolute/path, with three slashes",
    'store = ""': "store: this is no path and no URL",
    "store = 5": "store: it should be a valid string",
    'deadlin = "24h"': "deadlin: there is no such setting; did you mean deadline?",
    'secret = ""': "secret: there is no such setting; there are name, store, vendor, settle_time,",
}
AT_THE_TOP = {
    'store = ["a"]': "store: there is no such setting; did you mean stores?",
    "slots = 0": "slots: it should be greater than or equal to 1",
    'lease = "0s"': 'lease: write something from "5s" to "1h"',
    'export_keep = "0s"': 'export_keep: write "1m" or more',
    "exports_per_person = 0": "exports_per_person: ",
    "slots = true": "slots: it should be a valid integer",
    "listen = 8080": 'listen: write HOST:PORT, such as "127.0.0.1:8080"',
    'listen = "127.0.0.1:99999"': "listen: write HOST:PORT",
    'listen = "me@127.0.0.1:80/a"': "listen: write HOST:PORT",
    'catalog = "sqlite:///:memory:"': 'catalog: write "sqlite:///FILE"',
    "data = 5": "data: it is not a valid path",
    'stores = "a"': "stores: write a list",
    'sources = ["memory://a"]': "sources[0]: write a table that begins with [[sources]]",
    '[sources]\nname = "a"': "sources: write a list",
}
IN_VARIABLES = {
    ("AFTERTAKE_SLOTS", "two"): "AFTERTAKE_SLOTS: it should be a valid integer",
    ("AFTERTAKE_LISTEN", ":80"): "AFTERTAKE_LISTEN: write HOST:PORT",
    ("AFTERTAKE_SOURCE", "gs://b"): "AFTERTAKE_SOURCE: the supported stores are",
    ("AFTERTAKE_SOURCES", "[{"): "AFTERTAKE_SOURCES: Invalid JSON: ",
    ("AFTERTAKE_SOURCES", '[{"name": "a"}]'): "AFTERTAKE_SOURCES[0].store: it is missing",
    ("AFTERTAKE_OUTPT", "a"): "AFTERTAKE_OUTPT: there is no such setting; did you mean AFTERTAKE_OUTPUT?",
    ("AFTERTAKE_PORT", "80"): "AFTERTAKE_PORT: there is no such setting; ",
    ("AFTERTAKE_CONFIG", "gone.toml"): "gone.toml: No such file or directory. Name the file of the settings in",
}


class TestRefusals:
    @pytest.mark.parametrize("line", IN_A_SOURCE)
    def test_of_a_source(self, line: str) -> None:
        fields = {"name": 'name = "b"', "store": 'store = "b"'} | {line.partition(" ")[0]: line}
        write("\n".join(['[[sources]]\nname = "a"\nstore = "a"\n[[sources]]', *fields.values()]))
        assert refused().startswith(f"aftertake.toml: sources[1].{IN_A_SOURCE[line]}")

    @pytest.mark.parametrize("line", AT_THE_TOP)
    def test_at_the_top(self, line: str) -> None:
        write(line)
        assert refused().startswith(f"aftertake.toml: {AT_THE_TOP[line]}")

    @pytest.mark.parametrize("variable", IN_VARIABLES)
    def test_of_variables(self, variable: tuple[str, str]) -> None:
        assert refused(dict([variable])).startswith(IN_VARIABLES[variable])

    def test_all_at_once(self) -> None:
        write('slots = 0\n[[sources]]\nname = "a"')
        assert refused({"AFTERTAKE_SLOTS": "0"}).splitlines() == [
            "aftertake.toml: slots: it should be greater than or equal to 1",
            "aftertake.toml: sources[0].store: it is missing",
            "AFTERTAKE_SLOTS: it should be greater than or equal to 1",
        ]

    def test_a_line_that_is_no_toml_is_named(self) -> None:
        write("slots = 1\nslots 2\n")
        assert "aftertake.toml: this is no TOML: " in refused()
        assert "line 2" in refused()

    def test_text_that_is_not_utf_8(self) -> None:
        Path("aftertake.toml").write_bytes(b'data = "\xff"')
        assert "this is no TOML: 'utf-8' codec" in refused()

    def test_names_are_there_once(self) -> None:
        write('[[sources]]\nname = "default"\nstore = "a"\n[[sources]]\nname = "default"\nstore = "b"')
        assert refused({"AFTERTAKE_SOURCE": "c"}).splitlines() == [
            "aftertake.toml: sources[1]: 'default' is the name of aftertake.toml: sources[0] too; write another name",
            "AFTERTAKE_SOURCE: 'default' is the name of aftertake.toml: sources[0] too; write another name",
            "AFTERTAKE_SOURCE: 'default' is the name of aftertake.toml: sources[1] too; write another name",
        ]

    def test_every_source_lies_apart_from_the_output(self, folder: Path) -> None:
        write(f'output = "in/out"\n[[sources]]\nname = "a"\nstore = "in"\n[[sources]]\nname = "b"\nstore = "{folder}"')
        assert [line.partition(": the output")[0] for line in refused().splitlines()] == [
            "aftertake.toml: sources[0].store",
            "aftertake.toml: sources[1].store",
        ]
        assert refused({"AFTERTAKE_SOURCE": "."}).endswith("another prefix, or in a bucket of another name.")

    def test_variables_that_are_read_elsewhere_are_none_of_these(self) -> None:
        names = (
            "PROXY",
            "CA_BUNDLE",
            "LIVE_STORES",
            "S3_KEY_ID",
            "OSS_SECRET",
            "archive_2_TOKEN",
            "AGORA_WEBHOOK_SECRET",
        )
        of_a_service = {
            "AFTERTAKE_SERVICE_HOST": "10.0.0.1",
            "AFTERTAKE_WEB_SERVICE_PORT_HTTP": "80",
            "AFTERTAKE_PORT": "tcp://10.0.0.1:80",
            "AFTERTAKE_WEB_PORT_80_TCP_ADDR": "10.0.0.1",
        }
        environment = {f"AFTERTAKE_{name}": "x" for name in names} | of_a_service | {"PATH": "/bin"}
        assert Settings.load(environment) == Settings.load({})

    def test_the_secrets_of_the_longest_name_are_none_either(self) -> None:
        sources = {"AFTERTAKE_SOURCES": f'[{{"name": "{"a" * 40}", "store": "memory://a"}}]'}
        assert Settings.load({**sources, f"AFTERTAKE_{'A' * 40}_WEBHOOK_SECRET": "x"}) == Settings.load(sources)


class TestHandingOn:
    def test_as_variables_they_load_again_over_whatever_is_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        write(EVERYTHING)
        full, default = (
            Settings.load({}),
            Settings.load({"AFTERTAKE_CONFIG": "/dev/null", "AFTERTAKE_SOURCE": "memory://s"}),
        )
        write('slots = 9\nstores = ["memory://other"]', "elsewhere/aftertake.toml")
        monkeypatch.chdir("elsewhere")
        inherited = {"AFTERTAKE_SOURCE": "memory://other", "AFTERTAKE_SLOTS": "7", "AFTERTAKE_STORES": "memory://other"}
        inherited["AFTERTAKE_ENDPOINTS"] = '[{"name": "other", "url": "https://other.example/"}]'
        for settings in (full, default, replace(full, sources=(), stores=(), endpoints=())):
            assert Settings.load(inherited | settings.as_environment()) == settings


class TestSources:
    def test_by_name(self) -> None:
        write(EVERYTHING)
        settings = Settings.load({})
        assert settings.source("any") is settings.sources[1]
        with pytest.raises(SettingsError, match="there is no source 'agora': there are agora-eu, any"):
            settings.source("agora")
        with pytest.raises(SettingsError, match="none is configured"):
            replace(settings, sources=()).source("agora")

    def test_by_vendor(self) -> None:
        write(EVERYTHING)
        settings = Settings.load({})
        assert settings.sources_for("agora") == settings.sources
        assert settings.sources_for("zego") == settings.sources[1:]

    @pytest.mark.parametrize(
        ("url", "name"),
        [
            ("oss://calls/classes/?region=cn-hangzhou", "classes"),
            (
                "oss://calls/classes/101/?region=cn-hangzhou&endpoint=https://oss-cn-hangzhou-internal.aliyuncs.com",
                "classes",
            ),
            ("oss://calls/c%6Casses/101", "classes"),
            ("oss://calls/classes-2/", "calls"),
            ("oss://calls-2/classes/", None),
            ("s3://calls/classes/", None),
            ("s3://twice/?endpoint=http://b", "b"),
            ("s3://twice/sub/?endpoint=http://b", "b"),
            ("s3://twice/?endpoint=http://c", "a"),
            ("file:///srv/in/room", "folder"),
            ("file:///srv/in", "folder"),
            ("file:///srv/inner", None),
            ("obs://elsewhere/", None),
        ],
    )
    def test_by_a_url_in_them(self, url: str, name: str | None) -> None:
        stores = {
            "calls": "oss://calls/?region=cn-hangzhou",
            "classes": "oss://calls/classes/?region=cn-hangzhou",
            "a": "s3://twice/?endpoint=http://a",
            "b": "s3://twice/?endpoint=http://b",
            "folder": "file:///srv/in",
        }
        sources = tuple(Source(name=name, store=store) for name, store in stores.items())
        found = replace(Settings.load({}), sources=sources).source_of_url(url)
        assert (found.name if found else None) == name

    def test_by_a_url_that_is_none(self) -> None:
        with pytest.raises(InvalidUrl):
            Settings.load({}).source_of_url("s3:///")

    def test_the_known_stores(self) -> None:
        assert other_stores({}) == ()
        with pytest.raises(SettingsError, match=r"no store is configured.*\[\[sources\]\].*AFTERTAKE_SOURCE"):
            known_sources({})
        write('stores = ["memory://a", "memory://b"]\n[[sources]]\nname = "a"\nstore = "memory://a"')
        assert known_sources({}) == ("memory://a", "memory://b")
        assert other_stores({}) == ("memory://a", "memory://b")


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
