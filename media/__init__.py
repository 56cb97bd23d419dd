"""Segments in, MP4 out: bytes and numbers only; no buckets, no vendors, no Prefect."""
