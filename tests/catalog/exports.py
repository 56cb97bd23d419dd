"""Requests for exports, and short ways to bring one somewhere."""

from datetime import timedelta

from catalog.export_request import Clip, ExportMode, ExportRequest, Origin
from catalog.exports import Export, ExportClaim, ExportedFile
from catalog.index import Catalog
from tests.catalog.steps import TTL

KEEP = timedelta(days=7)
MOST = 10


def request(number: int = 1, *, mode: ExportMode = ExportMode.FAST, size_bytes: int = 1000) -> ExportRequest:
    """A request; other numbers are other ones."""
    clip = Clip(
        vendor="agora",
        task_id="t1",
        room="demo",
        manifest="manifests/agora/t1/000001-0123456789ab.json",
        content_digest="ab" * 32,
        stream="user-123",
        user="123",
        origin=Origin(
            key="media/agora/t1/user-123/0123456789abcdef.mp4",
            size_bytes=100_000,
            crc64xz="0123456789abcdef",
            parts_sha256="cd" * 32,
            origin_s=0.0,
        ),
        from_s=float(number),
        to_s=number + 2.0,
        starts_at_s=float(number),
        ends_at_s=number + 2.0,
        starts_at=None,
        ends_at=None,
        zero_s=float(number),
        file="user-123.mp4",
        size_bytes=size_bytes,
    )
    return ExportRequest(mode=mode, from_utc=None, to_utc=None, clips=(clip,))


def ask(
    catalog: Catalog, number: int = 1, *, by: str = "ann", keep: timedelta = KEEP, most: int = MOST, name: str = "cut"
) -> Export:
    """Somebody asks."""
    return catalog.exports.ask(request(number), by=by, reason="a case", name=name, keep=keep, most=most)[0]


def take_export(catalog: Catalog, export: Export, holder: str = "worker 1", run: str | None = None) -> ExportClaim:
    """Somebody begins."""
    claim = catalog.exports.take(export.id, holder=holder, ttl=TTL, run=run)
    assert claim is not None
    return claim


def file_of(export: Export) -> ExportedFile:
    """What was made of it."""
    return ExportedFile(
        key=export.key.key,
        size_bytes=1234,
        sha256="ab" * 32,
        crc64xz="0123456789abcdef",
        certificate=export.key.certificate,
        has_gaps=False,
    )


def make(catalog: Catalog, export: Export) -> Export:
    """It is made, by a worker."""
    return catalog.exports.done(take_export(catalog, export), file_of(export))
