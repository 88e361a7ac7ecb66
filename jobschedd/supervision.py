"""What becomes of runs: adopted, begun, ended, refused, or lost."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from jobschedd.model import event, message
from jobschedd.model.event import show_instant
from jobschedd.model.policy import retry_delay
from jobschedd.model.record import Claimed
from jobschedd.model.run import NAMED, Cause, Ending, Instant, Outcome, Run, outcome_of
from jobschedd.model.start import Start
from jobschedd.model.waiting import Held

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobschedd.dispatch import Dispatch
    from jobschedd.model.catalog import Catalog
    from jobschedd.model.record import Past
    from jobschedd.ports import Listener, Runner

MOST_RERUNS = 3
"""Attempts at one instant whose end nobody saw: a job that takes the machine down with it comes to rest."""

NOT_SEEN = "nobody saw it end"


class Supervision:
    """Follows runs from their start to their end. Used by the scheduler's thread alone."""

    def __init__(self, runner: Runner, listen: Listener, catalog: Catalog, dispatch: Dispatch, past: Past) -> None:
        self._runner = runner
        self._listen = listen
        self._catalog = catalog
        self._dispatch = dispatch
        self._lost: dict[str, list[Run]] = {}
        """By job id: runs of the last daemon that are gone, and wait for what their jobs say of that."""
        self.adopted: dict[str, list[Instant]] = {}
        """By job id the instants of runs that the runner has and of which the record knew nothing."""
        self._in_doubt = past.doubt is not None
        """Second attempts, too, may have been made that were not written down."""
        for claim in past.open:
            dispatch.running.add(claim.run, claim.started_at, claim.pid, claim.variables)

    def hear(self, received: message.FromRunner, now: Instant) -> None:
        match received:
            case message.RunnerFound(runs):
                self._adopt(runs, now)
            case message.RunStarted(run_id, pid, started_at):
                if active := self._dispatch.running.get(run_id):
                    active.started_at, active.pid = started_at, pid
                    self._dispatch.ends.limit(active, now)
                    self._dispatch.record.began(active.run, pid, started_at)
            case message.RunRefused(run_id, reason):
                self._finish(run_id, now, Ending(None, None, 0, None, f"cannot_start: {reason}"), refused=True)
            case message.RunEnded(run_id, ended_at, ending):
                self._finish(run_id, ended_at, ending)
            case message.RunnerLost(reason, run_ids):
                self._listen(event.RunnerDied(reason, len(run_ids)))
                for run_id in run_ids:
                    if active := self._dispatch.running.get(run_id):
                        self.lose(active.run, now)

    def _adopt(self, found: Sequence[message.RunFound], now: Instant) -> None:
        """Go on with the runs that the runner has; what was claimed and it does not know is lost."""
        there = {run.run.run_id for run in found}
        for active in [active for active in self._dispatch.running if active.run.run_id not in there]:
            self._lost.setdefault(active.run.job_id, []).append(active.run)
        for run in found:
            known = self._dispatch.running.leave(run.run.run_id)
            if known is None and self._dispatch.record.claim([Claimed(run.run, found=True)]):
                continue  # its end is on the record: the daemon before us died before it could say so
            if known is None and run.run.cause in NAMED:
                self.adopted.setdefault(run.run.job_id, []).append(run.run.scheduled_at)
            variables = () if known is None else known.variables
            active = self._dispatch.running.add(run.run, run.started_at, run.pid, variables)
            self._dispatch.ends.limit(active, now)
            self._dispatch.ends.go_on(active, run.asked)
            if run.pid is not None and run.started_at is not None and (known is None or known.started_at is None):
                self._dispatch.record.began(run.run, run.pid, run.started_at)

    def lose(self, run: Run, now: Instant) -> None:
        """Nobody saw the end of this run, nor ever will."""
        active = self._dispatch.running.get(run.run_id)
        began = active is not None and active.started_at is not None
        reason = NOT_SEEN if began else f"{NOT_SEEN}; whether it was started is not known"
        self._finish(run.run_id, now, Ending(None, None, 0, None, reason))

    def _run_again(self, run: Run, variables: tuple[tuple[str, str], ...], now: Instant) -> None:
        """Its end was not seen: once more, if the job says so."""
        definition = self._catalog.get(run.job_id)
        if (
            definition is not None
            and definition.job.on_lost == "rerun"
            and definition.job.enabled
            and run.job_id not in self._dispatch.paused | self._dispatch.quarantined
            and run.attempt < MOST_RERUNS
            and not self._dispatch.stopping
            and not self._in_doubt
        ):
            again = self._dispatch.make_run(definition, run.scheduled_at, Cause.RETRY, now, run.attempt + 1)
            # In the place of the one that is lost: `overlap` has decided.
            reason = f"attempt {again.attempt}: {NOT_SEEN}"
            self._dispatch.admission.hold(Held(again, now, None, reason, variables, Outcome.LOST), now)

    def take_lost(self, job_id: str) -> list[Run]:
        """The runs of a job that the last daemon left and that nobody knows of; the caller loses them."""
        return self._lost.pop(job_id, [])

    def lose_the_rest(self, now: Instant) -> None:
        """Their jobs are gone, and cannot say what to do about them."""
        for runs in list(self._lost.values()):
            for run in runs:
                self.lose(run, now)
        self._lost.clear()
        self._in_doubt = False

    def _finish(self, run_id: str, ended_at: Instant, ending: Ending, *, refused: bool = False) -> None:
        active = self._dispatch.running.leave(run_id)
        if active is None:
            # Told twice: the daemon before us had written it down, and died before it said so.
            self._runner.forget([run_id])
            return
        run = active.run
        if not self._dispatch.running.has_job(run.job_id):
            self._dispatch.timetable.arrears.run_ended(run.job_id)
        self._dispatch.admission.waiting.look_again(run.job_id)
        if active.asked or not ending.asked:
            # What the runner says of it outlives us; what we said is in better words.
            words = dict.fromkeys(text for text in (active.reason, ending.reason) if text)
            ending = replace(ending, asked=active.asked, reason="; ".join(words))
        outcome = Outcome.SKIPPED if refused else outcome_of(run, ending)
        self._dispatch.record.ended(run, outcome, ending, active.started_at, ended_at, pid=active.pid)
        if outcome is Outcome.LOST:
            # Before those who follow are claimed: both are on the record, or neither is.
            self._run_again(run, active.variables, ended_at)
        withdrawn = refused and bool(ending.asked)  # it was stopped on purpose before it had begun
        if withdrawn and run.attempt == 1:
            return  # a further attempt comes after a failure
        if withdrawn or not self._try_again(run, outcome, ended_at, active.variables):
            # Whoever waits for a failure wants to know of a start that was not possible, too.
            self._tell_followers([(run.job_id, Outcome.FAILED if refused else outcome)], ended_at)

    def _try_again(self, run: Run, outcome: Outcome, ended_at: Instant, variables: tuple[tuple[str, str], ...]) -> bool:
        """Whether the job's `retry` has it tried again."""
        definition = self._catalog.get(run.job_id)
        if (
            definition is None
            or definition.job.retry is None
            or not definition.job.enabled
            or outcome not in (Outcome.FAILED, Outcome.TIMED_OUT, Outcome.SKIPPED)
            or run.attempt >= definition.job.retry.attempts
            or run.job_id in self._dispatch.paused | self._dispatch.quarantined
        ):
            return False
        retry = definition.job.retry
        again = self._dispatch.make_run(definition, run.scheduled_at, Cause.RETRY, ended_at, run.attempt + 1)
        since = ended_at + retry_delay(retry, run.attempt, run.run_id)
        reason = f"attempt {again.attempt} of {retry.attempts}, not before {show_instant(since)}"
        self._dispatch.admission.hold(Held(again, since, None, reason, variables, outcome), ended_at)
        return True

    def _tell_followers(self, ends: Sequence[tuple[str, Outcome]], now: Instant) -> None:
        """Runs of these jobs have ended so: who comes after them runs, once. All are claimed together."""
        followers = [follower for job_id, outcome in ends for follower in self._catalog.followers(job_id, outcome)]
        starts: list[Start] = []
        for follower in dict.fromkeys(followers):
            if definition := self._catalog.get(follower):
                run = self._dispatch.make_run(definition, self._dispatch.own_instant(), Cause.AFTER, now)
                if self._dispatch.may_start_now(definition, run, now, coming=len(starts)):
                    starts.append(Start.of(definition, run, now))
        self._dispatch.start(starts)

    def end_chains(self, now: Instant) -> None:
        """Who waits for the end of a run that was to be tried again, and is not, hears how its last attempt has ended.

        Not while the first files are read: some who wait for it may not be there yet.
        """
        admission = self._dispatch.admission
        while not self._dispatch.record.loading and (broken_off := admission.take_broken_off(now)):
            # Of one that was lost they have heard. One that could not be started has failed.
            known = [(held.run.job_id, held.failed) for held in broken_off if held.failed is not Outcome.LOST]
            timed_out = Outcome.TIMED_OUT
            self._tell_followers(
                [(job, timed_out if failed is timed_out else Outcome.FAILED) for job, failed in known], now
            )
