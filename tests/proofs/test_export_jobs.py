"""Histories of exports, in small; `python -m tests.proofs.export_jobs` has many more of them."""

from pathlib import Path

from tests.proofs.export_jobs import equal_requests, histories


def test_no_job_is_without_an_end_and_no_file_without_a_certificate(tmp_path: Path) -> None:
    world = histories(f"sqlite:///{tmp_path}/catalog.db", tmp_path, range(20), steps=20)
    assert set(world.ended) == {"failed", "cancelled", "expired"}
    assert min(world.disturbed[kind] for kind in ("killed", "held up", "cancelled", "store failed")) >= 3


def test_nor_on_postgres(postgres_url: str, tmp_path: Path) -> None:
    assert histories(postgres_url, tmp_path, range(100, 101), steps=25).ended


def test_equal_requests_at_once_are_one_job_and_one_file(tmp_path: Path) -> None:
    assert equal_requests(f"sqlite:///{tmp_path}/catalog.db", tmp_path, 40) == (1, 1, 1, 40)
