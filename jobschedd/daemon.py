"""Builds the house, opens it, closes it in reverse. Signals become messages.

The main thread owns the lifecycle and nothing else. Its one wait is on its own inbox: signal numbers, answers of
the scheduler, and the word that something has failed.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
import traceback
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import monotonic

from jobschedd import __version__
from jobschedd.control.asking import Reloaded
from jobschedd.control.feed import Feed
from jobschedd.dump import in_words, stacks
from jobschedd.leaving import ANSWER_WITHIN, Failed, Leaving
from jobschedd.model import event, message
from jobschedd.model.error import BadSetting, CannotRun
from jobschedd.opening import Asked, keep, open_record, open_socket, parser, read_past_terms
from jobschedd.record import PATIENCE
from jobschedd.reloads import Reloads
from jobschedd.routes import Routes
from jobschedd.scheduler import Scheduler
from jobschedd.world import memory, sd
from jobschedd.world.clock import SystemClock, WallTimer
from jobschedd.world.files.loader import Loader
from jobschedd.world.files.trust import check_import_path
from jobschedd.world.inbox import SchedulerInbox
from jobschedd.world.log import RemarkHandler, log_format, make_log
from jobschedd.world.runs import JOURNAL_STREAMS, RunnerProcess
from jobschedd.world.signals import SignalInbox
from jobschedd.world.state import RuntimeDirectory, StateDirectory
from jobschedd.world.units import Units
from jobschedd.world.watch import FileWatches

MOST_LEAD = 20_000
"""Microseconds by which a start is claimed ahead of its instant at most, so that a slow disk costs it no time."""

SWITCH_EVERY = 0.0005
"""Seconds for which a thread that answers somebody keeps the interpreter from the one that schedules."""

HEALTH_EVERY = 60.0
"""Seconds between looks at our own threads where no watchdog asks for more."""

OUR_THREADS = ("scheduler", "loader", "runner-link", "log", "watches", "units")
"""watchdog's are the loader's to replace."""


@dataclass(frozen=True, slots=True)
class AskReload:
    """As SIGHUP, by somebody who wants to be told when it is done."""

    reply: message.Reply[Reloaded]


@dataclass(frozen=True, slots=True)
class Loaded:
    """The loader has looked at everything and the scheduler has been told."""


class Daemon:
    """One instance, from its first line to its last."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._settings = asked.settings()
        self._inbox: SignalInbox[message.Status | message.Closed | Failed | Loaded | AskReload] = SignalInbox()
        self._clock = SystemClock()
        chosen = log_format(self._settings.log_format, asked.env.get("JOURNAL_STREAM", ""))
        self._log = make_log(chosen, self._clock, self._settings.log_level)
        to_scheduler = SchedulerInbox(WallTimer())
        runtime_dir = asked.places.runtime_dir
        journal = JOURNAL_STREAMS if chosen == "journal" else None
        self._chosen = chosen
        self._feed = Feed(self._log, self._log.output)
        self._runner = Routes(
            RunnerProcess(to_scheduler, self._clock, self._feed.output, runtime_dir=runtime_dir, journal=journal),
            Units(to_scheduler, self._clock, runtime_dir=runtime_dir),
        )
        self._to_scheduler = to_scheduler
        rescan = self._settings.rescan_every
        self._watches = FileWatches(to_scheduler, self._log, self._clock, rescan_every=rescan)
        self._loader = Loader(
            self._settings.jobs_dirs, parser(self._settings), to_scheduler, self._log, self._clock, rescan_every=rescan
        )
        self._ready = False
        self._reloads = Reloads()

    def run(self) -> int:
        """Serve until asked to stop; the exit code. Raises CannotRun before anything was started."""
        check_import_path()
        began = self._clock.elapsed()
        os.umask(0o077)
        sys.setswitchinterval(SWITCH_EVERY)
        places = self._asked.places
        state = StateDirectory(places.state_dir)
        runtime = RuntimeDirectory(places.runtime_dir)
        store, past, host = open_record(places, self._settings, self._clock, state)
        scheduler = Scheduler(
            inbox=self._to_scheduler,
            clock=self._clock,
            runner=self._runner,
            store=store,
            watches=self._watches,
            listen=self._feed,
            host=host,
            past=past,
            catch_up_parallel=self._settings.catch_up_parallel,
            max_running=self._settings.max_running,
            read_terms=read_past_terms,
            keep=keep(self._settings),
            lead=MOST_LEAD,
            patience=PATIENCE,
        )
        self._inbox.catch(signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
        threading.excepthook = self._thread_failed
        logging.basicConfig(level=logging.INFO, handlers=[RemarkHandler(self._log)], force=True)
        self._log.open()
        self._log(event.DaemonStarted(__version__, self._settings.jobs_dirs))
        if not self._clock.synchronised():
            self._log(event.ClockUnsynchronised())
        if past.set_aside is not None:
            why = "it could not be read" if past.set_aside else "it was emptied or deleted"
            self._log(event.RecordSetAside(why, past.set_aside))
        try:
            self._watches.open()
            self._runner.open(past.open)
            # All that is loaded stays: the collector would walk it again and again and find nothing.
            gc.disable()
            threading.Thread(target=scheduler.run, name="scheduler", daemon=True).start()
            self._loader.start()
            control = open_socket(
                places,
                lambda: self._settings,
                inbox=self._to_scheduler,
                clock=self._clock,
                feed=self._feed,
                log_format=self._chosen,
                since=host.since,
                reload=lambda reply: self._inbox.put(AskReload(reply)),
            )
            control.start()
            self._reloads.begin()
            self._load()
            code = self._serve(began)
            control.close()
            self._loader.stop()
            self._watches.close()
            self._runner.close()
        finally:
            self._log.close()
            runtime.close()
            state.close()
        return code

    # -- opening -------------------------------------------------------------------------------------------------

    def _thread_failed(self, args: threading.ExceptHookArgs) -> None:
        """A bug of ours in any thread: say it with its trace. Without one of our own threads we are of no use."""
        name = args.thread.name if args.thread else "a thread"
        trace = traceback.format_exception(args.exc_type, args.exc_value, args.exc_traceback)
        self._log(event.ThreadFailed(name, "".join(trace)))
        if name in OUR_THREADS:
            self._inbox.put(Failed(name))

    # -- serving -------------------------------------------------------------------------------------------------

    def _serve(self, began: int) -> int:
        interval = sd.watchdog_interval()
        beat = interval / 3 if interval else HEALTH_EVERY
        next_beat = monotonic() + beat
        while True:
            # Whatever keeps us busy, a storm of signals too, must not make the watchdog think that we hang.
            if monotonic() >= next_beat:
                self._show_life()
                next_beat = monotonic() + beat
            try:
                received = self._inbox.get(timeout=max(0.0, next_beat - monotonic()))
            except Empty:
                continue
            match received:
                case Loaded():
                    self._tell_loaded(began)
                case Failed():
                    return 1
                case signal.SIGHUP:
                    self._reload()
                case AskReload(reply):
                    self._reloads.tell_next(reply)
                    self._reload()
                case signal.SIGUSR1:
                    self._dump()
                case signal.SIGTERM | signal.SIGINT:
                    self._leave(signal.Signals(received).name)
                    return 0

    def _tell_loaded(self, began: int) -> None:
        """Say ready, at the start, or reloaded; and reload once more where that was asked for meanwhile."""
        status = self._ask()
        if self._ready:
            self._log(event.DaemonReloaded(status.jobs, status.problems))
        else:
            memory.settle()
            self._to_scheduler.put(message.FirstLoadDone())
            self._log(event.DaemonReady(status.jobs, status.problems, self._clock.elapsed() - began))
        again = self._reloads.end(status)
        self._ready = True
        sd.notify("READY=1", in_words(status))
        if again:
            self._reload()

    def _show_life(self) -> None:
        """Feed the watchdog, but only when every thread is alive and the scheduler has answered."""
        for thread in (self._loader, self._log, self._runner, self._watches):
            if not thread.alive():
                self._log(event.ThreadFailed(type(thread).__name__, "it has ended"))
                self._inbox.put(Failed(type(thread).__name__))
                return
        status = self._ask()
        sd.notify("WATCHDOG=1", in_words(status))

    def _ask(self) -> message.Status:
        reply: SimpleQueue[message.Status] = SimpleQueue()
        self._to_scheduler.put(message.AskStatus(reply))
        try:
            return reply.get(timeout=ANSWER_WITHIN)
        except Empty:
            self._log(event.ThreadFailed("scheduler", f"no answer in {ANSWER_WITHIN:g} s\n{stacks()}"))
            raise CannotRun(f"cannot go on: the scheduler has not answered for {ANSWER_WITHIN:g} s") from None

    def _reload(self) -> None:
        if not self._reloads.begin():
            return
        sd.notify_reloading()
        try:
            settings = self._asked.settings()
        except BadSetting as error:
            self._log(event.SettingsRefused(str(error)))
            settings = self._settings
            self._reloads.refuse_settings(str(error))
        self._settings = settings
        self._log.level = settings.log_level
        self._to_scheduler.put(message.Configure(settings.catch_up_parallel, settings.max_running, keep(settings)))
        self._watches.replace(settings.rescan_every)
        self._loader.replace(settings.jobs_dirs, parser(settings), settings.rescan_every)
        self._load()

    def _load(self) -> None:
        self._loader.rescan(force=True, done=lambda: self._inbox.put(Loaded()))

    def _dump(self) -> None:
        status = self._ask()
        self._log(event.StateDumped(f"{status}\n{stacks()}"))

    def _leave(self, why: str) -> None:
        settings = self._settings
        runs_end = settings.stop_runs or not sd.started_by_systemd()
        Leaving(self._inbox, self._to_scheduler, self._log).leave(why, grace=settings.stop_grace if runs_end else None)
