import importlib
import tomllib
from importlib import resources
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from tests.deployments.files import DEPLOYMENTS, text_of, yaml_of
from tests.structure.repository import ROOT

if TYPE_CHECKING:  # Prefect only where a test needs it
    from prefect import Flow

pytestmark = pytest.mark.xdist_group("prefect")
PREFECT: dict[str, Any] = yaml_of(DEPLOYMENTS / "prefect.yaml")
ENTRYPOINTS: list[str] = [deployment["entrypoint"] for deployment in PREFECT["deployments"]]

# Prefect stores parameters in the clear and shows them to everyone who may look.
IDS_AND_TIMES = {"recording_id", "export_id", "recording_ids", "since", "until", "source"}


def flow_of(entrypoint: str) -> "Flow[..., Any]":
    from prefect import Flow  # noqa: PLC0415

    module, _, name = entrypoint.rpartition(".")
    found = getattr(importlib.import_module(module), name)
    assert isinstance(found, Flow)
    return found


def test_the_deployments_are_these() -> None:
    assert [
        (
            deployment["name"],
            deployment["entrypoint"],
            deployment["work_pool"]["name"],
            deployment["work_pool"]["work_queue_name"],
            deployment["tags"],
        )
        for deployment in PREFECT["deployments"]
    ] == [
        ("process_recording", "flows.deployed.process_recording", "aftertake", "live", ["aftertake", "live"]),
        ("process_batch", "flows.deployed.process_batch", "aftertake", "bulk", ["aftertake", "bulk"]),
        ("export_replay", "flows.deployed.export_replay", "aftertake", "export", ["aftertake", "export"]),
        ("backfill", "flows.deployed.backfill", "aftertake", "bulk", ["aftertake", "bulk"]),
    ]


def test_only_the_backfill_runs_by_the_clock() -> None:
    """Our own loops find what is due: they must work while Prefect is down."""
    clocked = [
        (d["name"], name) for name in ("schedule", "schedules", "triggers") for d in PREFECT["deployments"] if name in d
    ]
    assert clocked == [("backfill", "schedules")]


def test_the_backfill_of_a_night_overlaps_that_of_many_nights_before_and_never_runs_beside_it() -> None:
    [backfill] = [deployment for deployment in PREFECT["deployments"] if deployment["name"] == "backfill"]
    [schedule] = backfill["schedules"]
    assert (schedule["cron"], schedule["timezone"], schedule["active"]) == ("15 2 * * *", "UTC", True)
    assert "parameters" not in schedule, "they are lost where somebody pauses it; the flow's own are meant"
    assert backfill["concurrency_limit"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"}


def test_the_queues_are_these() -> None:
    (pool,) = PREFECT["work_pools"]
    assert (pool["name"], pool["type"]) == ("aftertake", "process")
    assert {queue["name"]: queue["priority"] for queue in pool["work_queues"]} == {"live": 1, "export": 2, "bulk": 3}


def test_every_deployment_goes_to_a_queue_that_is_there() -> None:
    queues = {(pool["name"], queue["name"]) for pool in PREFECT["work_pools"] for queue in pool["work_queues"]}
    wanted = {(d["work_pool"]["name"], d["work_pool"]["work_queue_name"]) for d in PREFECT["deployments"]}
    assert wanted <= queues


def test_every_deployment_has_one_line_of_description() -> None:
    assert [d["name"] for d in PREFECT["deployments"] if len(d["description"].splitlines()) != 1] == []


def test_no_code_is_fetched_and_no_directory_recorded() -> None:
    """Left out, it would make Prefect record the directory of whoever deployed; a colon makes an entrypoint a file."""
    assert PREFECT["pull"] == []
    assert [entrypoint for entrypoint in ENTRYPOINTS if ":" in entrypoint] == []


@pytest.mark.parametrize("entrypoint", ENTRYPOINTS)
def test_every_entrypoint_is_a_flow_of_the_deployments_name(entrypoint: str) -> None:
    assert flow_of(entrypoint).name == entrypoint.rpartition(".")[2]


@pytest.mark.parametrize("entrypoint", ENTRYPOINTS)
def test_flows_are_told_ids_and_times_and_nothing_else(entrypoint: str) -> None:
    parameters = set(flow_of(entrypoint).parameters.properties)
    assert parameters
    assert parameters <= IDS_AND_TIMES


def test_an_installation_brings_it_along() -> None:
    settings = tomllib.loads(text_of(ROOT / "pyproject.toml"))
    assert "prefect.yaml" in settings["tool"]["setuptools"]["package-data"]["deployments"]
    read = resources.files("deployments").joinpath("prefect.yaml").read_text(encoding="utf-8")
    assert yaml.safe_load(read) == PREFECT


def test_it_is_written_for_the_locked_prefect() -> None:
    assert f"\nprefect=={PREFECT['prefect-version']} \\\n" in text_of(ROOT / "requirements.lock")
