import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from json import loads

import pytest

from tests.deployments.files import DEPLOYMENTS, DOCKERFILE, WRITTEN, lint, text_of, yaml_of
from tests.structure.repository import ROOT

TEXT = text_of(DOCKERFILE)
LAST_STAGE = TEXT[TEXT.rindex("\nFROM ") :]


def asking_programs() -> list[tuple[str, int]]:
    """The programs of all health checks, and the port that each asks."""
    (image,) = re.findall(r"HEALTHCHECK [^\[]+(\[.+\])", TEXT)
    prefect = yaml_of(DEPLOYMENTS / "compose.yaml")["services"]["prefect"]["healthcheck"]["test"]
    return [(loads(image)[-1], 8080), (prefect[-1], 4200)]


@contextmanager
def answering(status: int) -> Iterator[int]:
    """A server on loopback, by its port, whose every answer has this status."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class names it
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def ask(program: str, port: int, instead: int) -> int:
    assert str(port) in program
    command = [sys.executable, "-c", program.replace(str(port), str(instead))]
    return subprocess.run(command, check=False, capture_output=True, timeout=30).returncode  # noqa: S603


def test_hadolint_finds_nothing() -> None:
    assert lint("hadolint", "--no-color", DOCKERFILE) == ""
    assert "hadolint ignore" not in TEXT


def test_it_does_not_run_as_root() -> None:
    (user,) = re.findall(r"^USER (\d+):(\d+)$", LAST_STAGE, re.MULTILINE)
    assert user == ("10001", "10001")
    assert f"--uid {user[0]} --gid {user[1]}" in LAST_STAGE


def test_it_starts_and_stops_as_documented() -> None:
    for line in ('ENTRYPOINT ["aftertake"]', 'CMD ["serve"]', "STOPSIGNAL SIGTERM", 'VOLUME ["/data"]', "EXPOSE 8080"):
        assert f"\n{line}\n" in LAST_STAGE


def test_it_installs_as_the_makefile_does() -> None:
    """But only what runs, and not as an editable copy."""

    def options(pip: str, text: str) -> list[set[str]]:
        lines = re.findall(rf"{pip} (.+)", text.replace("\\\n", "").replace("&&", "\n"))
        return [set(re.findall(r"(--\S+(?: [^-./]\S+)?)", line)) for line in lines]

    installed = options(r"-m pip install", TEXT)
    assert installed == options(r"\t\$\(PIP\)", text_of(ROOT / "Makefile"))
    assert installed[0] == {"--only-binary :all:", "--require-hashes"}
    assert len(installed) == 3


def test_it_has_the_packages_version() -> None:
    version = tomllib.loads(text_of(ROOT / "pyproject.toml"))["project"]["version"]
    assert f'org.opencontainers.image.version="{version}"' in TEXT
    named = re.findall(r"aftertake:(\d[\w.]*)", "".join(map(text_of, WRITTEN)))
    assert set(named) == {version}


def test_every_package_reaches_the_build() -> None:
    settings = tomllib.loads(text_of(ROOT / "pyproject.toml"))
    rooms = {name.partition(".")[0] for name in settings["tool"]["setuptools"]["packages"]}
    allowed = set(re.findall(r"^!(.+?)/?$", text_of(ROOT / ".dockerignore"), re.MULTILINE))
    assert rooms | {"pyproject.toml", "requirements.in", "requirements.lock", "README.md"} <= allowed


def test_nothing_else_reaches_the_build() -> None:
    """Least of all an .env, wherever it lies."""
    rules = [line for line in text_of(ROOT / ".dockerignore").splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    assert rules.index("**/.env") > max(number for number, rule in enumerate(rules) if rule.startswith("!"))
    assert ".env" in text_of(ROOT / ".gitignore").splitlines()


@pytest.mark.parametrize(("program", "port"), asking_programs())
def test_health_is_what_the_server_says(program: str, port: int) -> None:
    with answering(200) as healthy:
        assert ask(program, port, healthy) == 0
    with answering(503) as ill:
        assert ask(program, port, ill) != 0
    assert ask(program, port, ill) != 0  # closed by now
