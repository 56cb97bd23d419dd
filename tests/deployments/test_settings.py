import re

from tests.deployments.files import DEPLOYMENTS, DOCKERFILE, WRITTEN, text_of

KNOWN = re.compile(
    r"AFTERTAKE_(CATALOG|OUTPUT|SOURCES|ENDPOINTS|STORES|SLOTS|LEASE|EXPORTS_PER_PERSON|EXPORT_KEEP|EXPORT_DEADLINE|LISTEN|PUBLIC_URL|DATA|[A-Z0-9]+_((API_|UPLOAD_)?(KEY_ID|SECRET)|WEBHOOK_SECRET|TOKEN))",
)
README = DEPLOYMENTS / "README.md"


def named_in(text: str) -> set[str]:
    return set(re.findall(r"\bAFTERTAKE_[A-Z0-9_]+", text))


def test_every_setting_that_is_named_exists() -> None:
    """One that does not would be refused, or worse, ignored."""
    wrong = [(path.name, name) for path in WRITTEN for name in named_in(text_of(path)) if not KNOWN.fullmatch(name)]
    assert len(WRITTEN) > 15
    assert wrong == []


def test_the_readme_has_all_of_them() -> None:
    named = {name for path in WRITTEN for name in named_in(text_of(path))}
    table = named_in(text_of(README))
    assert {name for name in named if not name.endswith(("_KEY_ID", "_SECRET", "_TOKEN"))} <= table


def test_every_image_has_a_tag_that_stays() -> None:
    images = re.findall(r"(?:^FROM|\bimage:) (\S+)", "\n".join(map(text_of, WRITTEN)), re.MULTILINE)
    assert {"python:3.13-slim-bookworm", "postgres:17-bookworm", "aftertake:0.1.0"} <= set(images)
    assert [image for image in images if not re.search(r":(-?[\w.-]+)\}?$", image)] == []
    assert [path.name for path in WRITTEN if re.search(r":latest\b", text_of(path))] == []


def test_the_base_names_a_minor_version() -> None:
    bases = re.findall(r"^FROM (\S+)", text_of(DOCKERFILE), re.MULTILINE)
    assert [base for base in bases if not re.fullmatch(r"python:3\.\d+-slim-\w+", base)] == []
    assert len(bases) == 2
