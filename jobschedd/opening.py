"""What the parts of the house are built from: what was asked for, how job files are read, what the record says."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobschedd import __version__
from jobschedd.control.asking import House, Reloaded
from jobschedd.control.feed import Feed
from jobschedd.control.service import Service
from jobschedd.model.config import Settings
from jobschedd.model.event import ThreadFailed, show_instant
from jobschedd.model.host import Host
from jobschedd.model.job import Definition, parse, read_terms
from jobschedd.model.places import Places
from jobschedd.model.record import Keep, Past, RecordFailed
from jobschedd.model.schedule import Schedule
from jobschedd.model.timing import Defaults
from jobschedd.world import sd
from jobschedd.world.host import read_boot, read_machine
from jobschedd.world.log import is_logged
from jobschedd.world.log.reading import JournalReader, our_service
from jobschedd.world.settings import load_settings
from jobschedd.world.state import StateDirectory, open_directory
from jobschedd.world.store import Marker, SqliteStore, record_path
from jobschedd.world.store.reading import Reader
from jobschedd.world.task_types import InstalledTaskTypes
from jobschedd.world.varlink import Server
from jobschedd.world.zones import ZoneDatabase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from jobschedd.model.message import Reply
    from jobschedd.model.run import Instant
    from jobschedd.ports import Clock, Inbox


SOCKET = "io.jobschedd"
"""In the runtime directory."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line and the environment ask for."""

    places: Places
    flags: Mapping[str, Any]
    env: Mapping[str, str]

    def settings(self) -> Settings:
        """As they stand now. Raises BadSetting."""
        return load_settings(self.places, self.env, self.flags)


def parser(settings: Settings) -> Callable[[str, str, bytes], Definition]:
    """How to read job files under these settings, with the zones that the machine has now."""
    zones = ZoneDatabase()
    defaults = Defaults(zones.local(), settings.defaults, zones, InstalledTaskTypes())
    return lambda name, path, data: parse(name, path, data, defaults)


def read_past_terms(job_id: str, terms: str) -> Schedule | None:
    """The schedule of a version that is on the record. Raises BadFile."""
    return read_terms(job_id, terms, ZoneDatabase()).schedule


def keep(settings: Settings) -> Keep:
    """How much of the past is kept under these settings."""
    return Keep(settings.keep_runs_for, settings.keep_runs_per_job)


def open_socket(
    places: Places,
    settings: Callable[[], Settings],
    *,
    inbox: Inbox,
    clock: Clock,
    feed: Feed,
    log_format: str,
    since: Instant,
    reload: Callable[[Reply[Reloaded]], None],
) -> Server:
    """Where we are asked and told. Raises CannotRun."""
    house = House(
        inbox=inbox,
        clock=clock,
        zones=ZoneDatabase(),
        listen=feed,
        feed=feed,
        open_record=lambda: Reader(record_path(settings().store, places.state_dir)),
        open_journal=(lambda runs: JournalReader(our_service(), runs)) if log_format == "journal" else None,
        is_logged=lambda event: is_logged(event, settings().log_level),
        reload=reload,
        jobs_dirs=lambda: settings().jobs_dirs,
        facts={
            "version": __version__,
            "pid": os.getpid(),
            "host": os.uname().nodename,
            "since": show_instant(since),
            "log_format": log_format,
        },
    )
    return Server(
        os.path.join(places.runtime_dir, SOCKET),
        Service(house),
        lambda trace: feed(ThreadFailed("control", trace)),
        handed=sd.listening_socket(),
    )


def open_record(
    places: Places, settings: Settings, clock: Clock, state: StateDirectory
) -> tuple[SqliteStore, Past, Host]:
    """The record, what it says, and what is known of this machine. Raises CannotRun.

    A record that cannot be written now is no reason not to run: the first write tells.
    """
    now, boot_id = clock.now(), read_boot()
    path = record_path(settings.store, places.state_dir)
    if settings.store:
        os.close(open_directory(os.path.dirname(path), 0o700))
    marker = Marker(places.state_dir, places.runtime_dir)
    store = SqliteStore(path, host=os.uname().nodename, marker=marker, renew=state.renew)
    known = marker.make()
    try:
        past = store.open(now, boot_id)
    except RecordFailed:
        past = Past(unread=True, doubt=marker.read())
    if known and past == Past():
        past = Past(set_aside="")  # it was emptied, or deleted
    # A machine whose record is lost or cannot be read may have had its @reboot: in doubt it is not run.
    in_doubt = past.set_aside is not None or past.unread or past.doubt
    boot = (past.boot or None) if past.boot is not None or in_doubt else now
    return store, past, Host(now, boot, boot_id, read_machine(), ZoneDatabase().local())
