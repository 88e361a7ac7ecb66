"""The statements in sql/, by the names of their files, and the schema's steps in schema/, in order."""

from __future__ import annotations

from importlib.resources import files
from types import SimpleNamespace


def _read(folder: str) -> dict[str, str]:
    found = (item for item in files(__package__).joinpath(folder).iterdir() if item.name.endswith(".sql"))
    return {item.name.removesuffix(".sql"): item.read_text("utf-8") for item in found}


SQL = SimpleNamespace(**_read("sql"))

SCHEMA = tuple(text for _, text in sorted(_read("schema").items()))
"""Each step leads from the version that is its place to the next."""
