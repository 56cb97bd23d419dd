"""The files of `deployments/policies` themselves: complete, explained, and saying what the page beside them says."""

import json
import re
from xml.etree import ElementTree as ET

import pytest

from tests.sandbox.operations import CLOUDS, FOLDER, POLICIES, PREFIX, filled

README = (FOLDER / "README.md").read_text(encoding="utf-8")
CONDITION_KEYS = {"s3:prefix", "oss:Prefix"}
XML_TAGS = ("AllowedOrigin", "AllowedMethod", "AllowedHeader", "ExposeHeader")
FILES = sorted(path.name for path in FOLDER.iterdir())


def test_every_cloud_has_every_file() -> None:
    kinds = {kind: {name.partition("-")[0] for name in FILES if f"-{kind}." in name} for kind in (*POLICIES, "cors")}
    assert set(map(frozenset, kinds.values())) == {frozenset(CLOUDS)}
    assert {name.partition("-")[0] for name in FILES if "-lifecycle." in name} == set(CLOUDS)


@pytest.mark.parametrize("name", [name for name in FILES if name != "README.md"])
def test_every_file_and_every_word_to_replace_is_explained(name: str) -> None:
    words = set(re.findall(r"\b[A-Z][A-Z_]{3,}\b", (FOLDER / name).read_text(encoding="utf-8"))) - {"HEAD"}
    assert [word for word in (name, *words) if f"`{word}`" not in README] == []


@pytest.mark.parametrize("name", CLOUDS)
@pytest.mark.parametrize("kind", POLICIES)
def test_every_granted_action_is_explained(name: str, kind: str) -> None:
    actions = set(re.findall(r'"((?:s3|oss|name/cos):\w+)"', filled(f"{name}-{kind}.json"))) - CONDITION_KEYS
    assert actions
    assert [action for action in actions if f"`{action}`" not in README] == []


def test_abandoned_uploads_go_after_seven_days_and_nothing_else_does() -> None:
    (rule,) = json.loads(filled("s3-lifecycle.json"))["Rules"]
    assert rule == {
        "ID": "abort-abandoned-uploads",
        "Status": "Enabled",
        "Filter": {"Prefix": f"{PREFIX}/"},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    }
    common = {"ID": "abort-abandoned-uploads", "Status": "Enabled"}
    assert leaves("oss-lifecycle.xml") == common | {"Prefix": f"{PREFIX}/", "AbortMultipartUpload/Days": "7"}
    assert leaves("cos-lifecycle.xml") == common | {
        "Filter/Prefix": f"{PREFIX}/",
        "AbortIncompleteMultipartUpload/DaysAfterInitiation": "7",
    }


def leaves(name: str) -> dict[str, str]:
    """The texts of the only rule, by their path below it."""
    (rule,) = xml(name)
    nested = {f"{parent.tag}/{child.tag}": child.text or "" for parent in rule for child in parent}
    return nested | {child.tag: child.text or "" for child in rule if not len(child)}


def xml(name: str) -> ET.Element:
    return ET.fromstring(filled(name))  # noqa: S314 - it is our own file


def test_players_of_one_origin_may_read_ranges() -> None:
    (rule,) = json.loads(filled("s3-cors.json"))["CORSRules"]
    exposed = {"Content-Range", "Accept-Ranges", "Content-Length", "ETag"}
    assert rule["AllowedOrigins"] == ["https://aftertake.example"]
    assert rule["AllowedMethods"] == ["GET", "HEAD"]
    assert rule["AllowedHeaders"] == ["Range"]
    assert set(rule["ExposeHeaders"]) == exposed
    for name in ("oss-cors.xml", "cos-cors.xml"):
        rules = xml(name).findall("CORSRule")
        assert [[element.text for element in rules[0].findall(tag)] for tag in XML_TAGS] == [
            rule["AllowedOrigins"],
            rule["AllowedMethods"],
            rule["AllowedHeaders"],
            rule["ExposeHeaders"],
        ]
        assert len(rules) == 1
