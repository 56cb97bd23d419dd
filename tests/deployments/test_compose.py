import re
from json import loads
from typing import Any

from tests.deployments.files import DEPLOYMENTS, lint, text_of, yaml_of

TEXT = text_of(DEPLOYMENTS / "compose.yaml")
EXAMPLE = text_of(DEPLOYMENTS / "example.env")
SERVICES: dict[str, dict[str, Any]] = yaml_of(DEPLOYMENTS / "compose.yaml")["services"]
OURS = ("prefect", "web", "worker")


def test_it_keeps_to_the_schema_of_compose() -> None:
    lint("check-jsonschema", "--builtin-schema", "vendor.compose-spec", DEPLOYMENTS / "compose.yaml")


def test_our_containers_may_do_next_to_nothing() -> None:
    assert set(SERVICES) == {"postgres", *OURS}
    for name in OURS:
        service = SERVICES[name]
        assert (service["read_only"], service["tmpfs"], service["cap_drop"]) == (True, ["/tmp"], ["ALL"])  # noqa: S108
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_every_service_is_kept_up_and_within_limits() -> None:
    for service in SERVICES.values():
        assert service["restart"] == "unless-stopped"
        assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory"}


def test_a_worker_has_a_minute_to_end() -> None:
    assert SERVICES["worker"]["stop_grace_period"] == "60s"


def test_the_databases_reach_nobody_and_no_port_is_open_to_all() -> None:
    assert SERVICES["postgres"]["networks"] == ["inner"]
    assert yaml_of(DEPLOYMENTS / "compose.yaml")["networks"]["inner"] == {"internal": True}
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []


def test_webs_have_a_port_each() -> None:
    """Two containers cannot be published on one."""
    ((first, last),) = re.findall(r"127\.0\.0\.1:(\d+)-(\d+):8080", TEXT)
    assert int(last) - int(first) + 1 == SERVICES["web"]["deploy"]["replicas"]


def test_every_variable_is_explained() -> None:
    asked = set(re.findall(r"\$\{(\w+)", TEXT))
    passed_on = {name for service in SERVICES.values() for name, value in service["environment"].items() if not value}
    assert asked | passed_on == set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", EXAMPLE, re.MULTILINE))


def test_the_example_holds_no_secret() -> None:
    secrets = re.findall(r"^#?(\w*(?:PASSWORD|SECRET|TOKEN|KEY_ID|AUTH))=(.*)$", EXAMPLE, re.MULTILINE)
    assert len(secrets) > 10
    assert [name for name, value in secrets if value] == []


def test_the_example_of_sources_is_one() -> None:
    (sources,) = re.findall(r"^AFTERTAKE_SOURCES='(.+)'$", EXAMPLE, re.MULTILINE)
    (source,) = loads(sources)
    assert [key for key in source if f"#   {key} " not in EXAMPLE] == []


def test_the_databases_that_are_used_are_made() -> None:
    made = re.findall(
        r"^CREATE DATABASE (\w+) OWNER (\w+)", text_of(DEPLOYMENTS / "postgres/databases.sql"), re.MULTILINE
    )
    used = re.findall(r"://(\w+):\$\{\w+:\?set it in \.env\}@postgres/(\w+)", TEXT)
    assert sorted(used) == sorted((owner, database) for database, owner in made)


def test_its_passwords_reach_the_databases() -> None:
    wanted = set(re.findall(r"^\\getenv \w+ (\w+)$", text_of(DEPLOYMENTS / "postgres/databases.sql"), re.MULTILINE))
    assert wanted < set(SERVICES["postgres"]["environment"])
