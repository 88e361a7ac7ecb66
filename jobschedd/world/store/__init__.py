"""The record in SQLite. The only room that knows SQL."""

from jobschedd.world.store.marker import Marker
from jobschedd.world.store.sqlite import SqliteStore, record_path

__all__ = ["Marker", "SqliteStore", "record_path"]
