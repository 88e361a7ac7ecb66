"""Brings a record that an older version wrote up to date, and sees that its tables are ours."""

from __future__ import annotations

import sqlite3

from jobschedd.model.error import CannotRun
from jobschedd.model.record import RecordFailed
from jobschedd.world.store.statement import SCHEMA


def bring_up_to_date(db: sqlite3.Connection, path: str) -> None:
    """Go the steps of the schema that this file has not gone yet. Raises CannotRun, RecordFailed."""
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > len(SCHEMA):
        raise CannotRun(
            f"cannot use {path}: a newer jobschedd has written it (version {version}, this one knows {len(SCHEMA)});"
            " install that one, or move the file away to begin a new record"
        )
    if version and _shape(db) != _shape_of(version):
        raise RecordFailed("its tables are not those that jobschedd makes", broken=True)
    for number, step in enumerate(SCHEMA[version:], version + 1):
        db.executescript(f"BEGIN IMMEDIATE; {step} PRAGMA user_version = {number}; COMMIT;")


def _shape(db: sqlite3.Connection) -> set[tuple[str, str]]:
    """Tables, indexes, views and triggers as SQL has them. What SQLite keeps for itself begins with sqlite_."""
    rows = db.execute("SELECT name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite@_%' ESCAPE '@'")
    return {(name, sql) for name, sql in rows}


def _shape_of(version: int) -> set[tuple[str, str]]:
    db = sqlite3.connect(":memory:")
    try:
        for step in SCHEMA[:version]:
            db.executescript(step)
        return _shape(db)
    finally:
        db.close()
