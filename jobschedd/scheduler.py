"""The thread that decides. It alone owns the catalog, the timetable and the running set; nothing in it is locked.

One inbox, one wait: until the next start, the next message, or a step of the wall clock; then everything is computed
again from the wall clock. NTP and suspend need no path of their own.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from jobschedd.dispatch import Dispatch
from jobschedd.inquiry import Inquiry
from jobschedd.model import event, message
from jobschedd.model.catalog import Added, Catalog, Cleared, Effect, Removed, Troubled
from jobschedd.model.record import Booted, Keep, Past, Undefined, Waits
from jobschedd.model.run import SECOND, Instant, Outcome
from jobschedd.passing import CHANGED, GONE, HELD_UP
from jobschedd.record import Record
from jobschedd.recovery import ReadTerms, Recovery
from jobschedd.supervision import Supervision

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobschedd.model.host import Host
    from jobschedd.model.job import Definition
    from jobschedd.ports import Clock, Listener, Runner, Store, Waiting, Watches

STEP = SECOND
"""A difference between wall clock and elapsed time that no slewing makes between two wake-ups."""

BULK = 100
"""More changes than this at once are said one by one only at debug level."""


class Scheduler:
    def __init__(
        self,
        *,
        inbox: Waiting,
        clock: Clock,
        runner: Runner,
        store: Store,
        watches: Watches,
        listen: Listener,
        host: Host,
        past: Past,
        catch_up_parallel: int,
        max_running: int | None = None,
        read_terms: ReadTerms,
        keep: Keep = Keep(),  # noqa: B008 - Keep is frozen: one default shared by all callers is safe
        lead: int = 0,
        patience: int = 0,
    ) -> None:
        """`lead`: by how much ahead of its instant a start is claimed at most. `patience`: see record.py. Microseconds."""
        self._inbox = inbox
        self._clock = clock
        self._runner = runner
        self._watches = watches
        self._listen = listen
        self._host = host
        self._past = past
        self._catalog = Catalog()
        self._record = Record(store, clock, listen, keep, patience=patience)
        self._dispatch = Dispatch(
            clock=clock,
            runner=runner,
            listen=listen,
            record=self._record,
            catalog=self._catalog,
            host=host,
            past=past,
            lead=lead,
        )
        self._dispatch.catch_up_parallel = catch_up_parallel
        self._dispatch.admission.max_running = max_running
        self._supervision = Supervision(runner, listen, self._catalog, self._dispatch, past)
        self._inquiry = Inquiry(self._catalog, self._dispatch, self._record, listen)
        self._recovery = Recovery(
            clock=clock, record=self._record, dispatch=self._dispatch, supervision=self._supervision,
            catalog=self._catalog, host=host, past=past, read_terms=read_terms,
        )  # fmt: skip
        self._offset = clock.now() - clock.elapsed()
        self._asleep = clock.asleep()
        self._stop_reply: message.Reply[message.Status] | None = None
        self._write_replies: list[message.Reply[None]] = []

    def run(self) -> None:
        """Decide until the process ends. An exception out of here is a bug of ours and ends the daemon."""
        while True:
            self.turn(self._inbox.wait(self._next_moment()))

    def _next_moment(self) -> Instant:
        moments = [self._record.next_moment, self._dispatch.ends.next_moment(self._clock.now())]
        if not self._stop_reply:
            start = self._dispatch.timetable.first()
            moments += [start and start - self._dispatch.lead, self._dispatch.admission.waiting.first()]
        return min(moment for moment in moments if moment is not None)

    def turn(self, received: message.Message | None) -> None:
        """One wake-up: what is due, what was said, then what is owed from before.

        What is due goes first, because a message may replace a job whose instant has come: the version that was in
        force at the instant still owes it. What is owed goes last, because a message may be the end of a run that it
        waited for.
        """
        now = self._clock.now()
        why_late = self._notice_gap(now)
        if not self._stop_reply:
            self._dispatch.start_due(now, why_late)
        self._dispatch.ends.pass_time()
        if received is not None:
            self.handle(received, now)
        if not self._stop_reply:
            self._dispatch.start_waiting(now)
            self._dispatch.catch_up(now)
        self._supervision.end_chains(now)
        self._dispatch.note_arrears()
        for job_id, since in self._dispatch.timetable.take_released().items():
            if definition := self._catalog.get(job_id):
                self._record.note(self._recovery.defined(definition, since))
        write_now, self._write_replies = self._write_replies, []
        self._record.flush(now, at_once=bool(self._stop_reply or write_now))
        for reply in write_now:
            reply.put(None)
        if recorded := self._record.take_recorded():
            self._runner.forget(recorded)
        self._record.tidy(now, self._dispatch.timetable.first())

    # -- time ----------------------------------------------------------------------------------------------------

    def _notice_gap(self, now: Instant) -> str:
        """Tell a step of the clock and a suspend from time that passed; why what is late now is late."""
        offset, asleep = now - self._clock.elapsed(), self._clock.asleep()
        step, self._offset = offset - self._offset, offset
        slept, self._asleep = asleep - self._asleep, asleep
        why = HELD_UP
        if slept >= STEP:
            self._listen(event.MachineSlept(slept))
            why = "suspended"
        if abs(step) >= STEP:
            self._listen(event.ClockStepped(step))
            why = "clock_step"
            self._record.doubt_the_clock(now)
            for held in self._dispatch.admission.waiting.step(step):
                self._record.note(Waits(held))
            boot = self._dispatch.timetable.step_boot(step, self._catalog)
            if boot is not None:
                self._record.note(Booted(self._host.boot_id, boot))
        if step <= -STEP:
            self._record.step_back(now)
            self._dispatch.timetable.set_back(now)
            started = self._record.started_ahead(now)
            for definition in self._catalog:
                self._step_back(definition, started.get(definition.job.job_id, ()), now)
        return why

    def _step_back(self, definition: Definition, started: Sequence[Instant], now: Instant) -> None:
        job_id = definition.job.job_id
        if job_id in self._dispatch.quarantined and self._dispatch.timetable.due(job_id) is None:
            return
        try:
            self._dispatch.timetable.step_back(definition, started, now)
        except Exception:  # noqa: BLE001 - a bug of ours met by one job must not take the others' instants
            self._dispatch.quarantine(definition, traceback.format_exc())

    # -- what was said -------------------------------------------------------------------------------------------

    def handle(self, received: message.Message, now: Instant) -> None:
        """Take in one message."""
        match received:
            case message.JobsChanged(changes, taken):
                for change in changes:
                    for effect in self._catalog.apply(change):
                        self._follow(effect, now, bulk=len(changes) > BULK)
                self._dispatch.timetable.forget(now, self._catalog, len(self._catalog))
                if taken is not None:
                    taken.put(None)
            case (
                message.RunnerFound()
                | message.RunStarted()
                | message.RunRefused()
                | message.RunEnded()
                | message.RunnerLost()
            ):
                self._supervision.hear(received, now)
                if self._stop_reply and not self._dispatch.running:
                    self._stop_reply.put(self._inquiry.status())
            case message.FirstLoadDone():
                self._recovery.end_first_load(now)
            case message.Configure(catch_up_parallel, max_running, keep):
                self._dispatch.catch_up_parallel = catch_up_parallel
                self._dispatch.admission.max_running = max_running
                self._record.keep = keep
            case message.WriteDown(written_reply):
                self._write_replies.append(written_reply)
            case message.FilesArrived(job_id, paths):
                self._dispatch.start_for(job_id, paths, now)
            case message.Stop() | message.EndRuns() | message.Close():
                self._hear_end(received, now)
            case _:
                self._inquiry.answer(received, now)

    def _hear_end(self, received: message.Leaving, now: Instant) -> None:
        match received:
            case message.EndRuns(signal):
                self._dispatch.ends.signal_all(signal)
            case message.Stop(reply):
                self._stop_reply = reply
                self._dispatch.stopping = True
                self._record.decides_until = now
                reply.put(self._inquiry.status())
                if not self._dispatch.running:
                    reply.put(self._inquiry.status())
            case message.Close(closed_reply):
                self._dispatch.note_arrears()
                unwritten = self._record.close(now)
                self._runner.forget(self._record.take_recorded())
                closed_reply.put(message.Closed(unwritten))

    # -- jobs ----------------------------------------------------------------------------------------------------

    def _follow(self, effect: Effect, now: Instant, *, bulk: bool) -> None:
        """Let one effect of a changed file reach the agenda, and say it."""
        match effect:
            case Added(definition, replaced):
                self._take_in(definition, replaced, now, bulk=bulk)
            case Removed(definition):
                job_id = definition.job.job_id
                self._dispatch.quarantined.discard(job_id)
                self._dispatch.admission.withdraw(job_id, GONE, now)
                for stretch in self._dispatch.timetable.withdraw(definition, now):
                    self._dispatch.passing.pass_all(definition, stretch, Outcome.SKIPPED, GONE, now)
                self._record.note(Undefined(job_id, now))
                if definition.job.watch is not None:
                    self._watches.watch(job_id, None)
                self._listen(event.JobRemoved(job_id, definition.path))
            case Troubled(path, problems, kept):
                self._listen(event.ProblemFound(path, problems, kept))
            case Cleared(path):
                self._listen(event.ProblemCleared(path))

    def _take_in(self, definition: Definition, replaced: Definition | None, now: Instant, *, bulk: bool) -> None:
        job_id = definition.job.job_id
        self._dispatch.quarantined.discard(job_id)
        try:
            started = self._supervision.adopted.get(job_id, ())
            arrival = self._dispatch.timetable.load(definition, replaced, now, started)
            due = self._dispatch.timetable.next_start(definition)
        except Exception:  # noqa: BLE001 - a bug of ours met by one job must not keep the others from loading
            self._dispatch.quarantine(definition, traceback.format_exc())
            return
        if not definition.job.enabled:
            self._dispatch.admission.withdraw(job_id, CHANGED, now)
        for stretch in arrival.withdrawn:
            self._dispatch.passing.pass_all(replaced or definition, stretch, Outcome.SKIPPED, CHANGED, now)
        for stretch in arrival.doubted:
            self._dispatch.passing.pass_doubted(definition, stretch, now)
        if arrival.before and arrival.since is not None:
            self._recovery.let_pass(job_id, arrival.before, arrival.since, Outcome.SKIPPED, CHANGED)
            self._recovery.withdraw(job_id, arrival.before, arrival.withdrawn_before, CHANGED)
        if arrival.since is not None:
            self._record.note(self._recovery.defined(definition, arrival.since))
        self._recovery.go_on_waiting(definition, now)
        self._dispatch.admission.waiting.look_again(job_id)
        for run in self._supervision.take_lost(job_id):
            self._supervision.lose(run, now)
        watch = definition.job.watch if definition.job.enabled else None
        if watch is not None or (replaced is not None and replaced.job.watch is not None):
            self._watches.watch(job_id, watch)
        self._listen(event.JobLoaded(definition, replaced is not None, due, now, bulk))
