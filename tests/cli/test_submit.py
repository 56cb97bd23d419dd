"""`aftertake submit`: tasks and folders, and what is refused."""

import pytest

from catalog.records import Queue, read_id
from cli.actor import own_actor
from deployments.sandbox.clouds import Clouds
from deployments.sandbox.layouts import AGORA_SID
from storage.urls import StoreUrl
from tests.cli.running import aftertake
from tests.cli.site import AGORA, ZEGO, Site
from tests.clouds import ENVIRONMENT, new_bucket, running_clouds
from tests.flows.folders import slices
from tests.lab import agora_mixed, plain


def test_a_task(site: Site) -> None:
    run = aftertake("submit", AGORA)

    assert (run.code, run.err) == (0, "")
    assert run.out.splitlines() == [
        f"{AGORA}: stopped; source calls; it is due now, and the next free worker takes it",
        f"`aftertake show {AGORA}` tells how far it is.",
    ]
    with site.catalog() as catalog:
        recording = catalog.get(read_id(AGORA))
        (change,) = catalog.changes(recording.id)
    assert (recording.source, recording.folder, recording.queue) == ("calls", None, Queue.LIVE)
    assert (change.state, change.cause, change.actor) == ("stopped", "submitted", "ada@desk")


def test_a_folder_and_a_url_name_all_recordings_in_them(site: Site) -> None:
    site.lay_agora()
    site.lay_zego()
    plain(slices()).write_to(site.source / "more")

    run = aftertake("submit", site.source, "--bulk", "--json")
    within = aftertake("submit", (site.source / "more").as_uri(), "--json")

    assert (run.code, within.code) == (0, 0)
    shown = {(r["vendor"], r["room"], r["source"], r["state"]) for r in run.json["recordings"]}
    assert shown == {
        ("agora", "physics_101", "calls", "stopped"),
        ("zego", None, "calls", "stopped"),
        ("plain", None, "calls", "stopped"),
    }
    (lecture,) = within.json["recordings"]
    assert lecture["task_id"] in {r["task_id"] for r in run.json["recordings"]}
    with site.catalog() as catalog:
        assert catalog.get(read_id(AGORA)).folder == "classes/"
        (known,) = catalog.named(lecture["task_id"])
        assert (known.folder, known.queue) == ("more/vod/", Queue.LIVE)
    for task in (AGORA, ZEGO, f"plain:{lecture['task_id']}"):
        assert aftertake("process", task).code == 0


def test_keys_of_a_bucket_keep_their_full_names(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    with running_clouds() as clouds:
        url = _bucket(clouds)
        place, _, options = url.partition("?")
        site.configure({"name": "cloud", "store": f"{place}calls/?{options}"})

        run = aftertake("submit", f"{place}calls/classes?{options}", "--json")
        outside = aftertake("submit", f"{place}other/?{options}")

        (recording,) = run.json["recordings"]
        assert (recording["task_id"], recording["source"]) == (AGORA_SID, "cloud")
        with site.catalog() as catalog:
            assert catalog.get(read_id(AGORA)).folder == "calls/classes/"
        assert aftertake("process", AGORA).code == 0
    assert outside.code == 2
    assert f'store = "{place}other/?{options}"' in outside.err.splitlines()


def _bucket(clouds: Clouds) -> str:
    url = new_bucket(clouds, "s3")
    for key, data in agora_mixed(slices()).objects.items():
        clouds.put("s3", StoreUrl.parse(url).bucket, f"calls/{key}", data)
    return url


def test_what_is_settled_is_looked_at_again_and_the_audit_says_by_whom(site: Site) -> None:
    site.lay_agora()
    aftertake("submit", site.source, "--bulk")
    aftertake("process", AGORA)
    with site.catalog() as catalog:
        assert catalog.get(read_id(AGORA)).due_at is None

    again = aftertake("submit", AGORA, "--reason", "the vendor found a slice")

    assert again.out.startswith(f"{AGORA}: complete; source calls; it is due now")
    assert site.audited() == [("ada@desk", "submit", AGORA, "the vendor found a slice")]
    with site.catalog() as catalog:
        assert catalog.get(read_id(AGORA)).queue is Queue.LIVE


def test_submitting_twice_changes_nothing(site: Site) -> None:
    first, second = aftertake("submit", AGORA), aftertake("submit", AGORA)

    assert (second.code, second.out) == (0, first.out)
    with site.catalog() as catalog:
        assert len(catalog.changes(read_id(AGORA))) == 1


def test_of_several_sources_one_is_named(site: Site) -> None:
    site.configure(
        {"name": "eu", "store": str(site.source)},
        {"name": "us", "store": str(site.folder / "us"), "vendor": "agora"},
        {"name": "cn", "store": str(site.folder / "cn"), "vendor": "zego"},
    )

    unsure = aftertake("submit", AGORA)
    named = aftertake("submit", AGORA, "--source", "us", "--json")
    wrong = aftertake("submit", AGORA, "--source", "uk")

    assert unsure.code == 2
    assert "several sources: eu, us. Say which" in unsure.err
    assert named.json["recordings"][0]["source"] == "us"
    assert wrong.code == 2
    assert "there are eu, us, cn" in wrong.err


def test_a_source_of_another_vendor(site: Site) -> None:
    site.lay_agora()
    site.configure({"name": "zego-only", "store": str(site.source), "vendor": "zego"})

    folder, task = aftertake("submit", site.source), aftertake("submit", AGORA)
    site.lay_zego()
    both = aftertake("submit", site.source)

    assert (folder.code, folder.out) == (4, "")
    assert "the source zego-only is for zego" in folder.err
    assert task.code == 2
    assert "no source is configured for agora" in task.err
    assert both.code == 0
    assert both.out.startswith(ZEGO)


def test_a_folder_that_is_configured_through_a_link(site: Site) -> None:
    site.lay_agora()
    (site.folder / "link").symlink_to(site.source)

    for folder in (site.folder / "link", site.source / "classes" / ".." / "classes"):
        assert aftertake("submit", folder).code == 0


@pytest.mark.parametrize(
    ("what", "code", "says"),
    [
        (AGORA_SID, 2, "Write VENDOR:TASK_ID; the vendors are"),
        ("agora:", 2, "Write VENDOR:TASK_ID"),
        ("skype:1", 2, "Write VENDOR:TASK_ID"),
        ("agora:a\0b", 2, "write 1 to 1024 characters"),
        ("agora:\udcff", 2, "write 1 to 1024 characters"),
        ("agora:" + "x" * 1024, 2, "write 1 to 1024 characters"),
        ("", 2, "write 1 to 1024 characters"),
        ("../elsewhere", 2, "[[sources]]"),
        ("calls/../../elsewhere", 2, "Write VENDOR:TASK_ID"),
        ("./calls/../../elsewhere", 2, "[[sources]]"),
        ("file://host/x", 2, "Correct the store URL"),
        ("ftp://host/x", 2, "Correct the store URL"),
        ("calls", 4, "there is nothing"),
        ("./calls/no/such", 4, "there is nothing"),
    ],
)
def test_what_cannot_be_submitted(what: str, code: int, says: str, site: Site) -> None:
    run = aftertake("submit", what)

    assert (run.code, run.out) == (code, "")
    assert says in run.err
    assert "Traceback" not in run.err
    assert not (site.folder / "data").exists()


def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", nobody)
    monkeypatch.setattr("os.getuid", lambda: 4711)
    monkeypatch.setattr("socket.gethostname", lambda: "desk\x1b")

    assert own_actor() == "4711@desk\\x1b"
