"""Bars over time, as lines of text. Pure: values in, lines out."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from jobschedd.ctl.terminal import DIM, GOOD, GREEN, RED, YELLOW, fit, pad, styled

if TYPE_CHECKING:
    from collections.abc import Sequence

LONGEST_NAME = 24
STEPS = tuple(
    timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 10080, 43200)
)
"""Between two times on the axis."""

CROWD = 5
"""Starts in one minute that are worth a line."""

MOST_CROWDS = 5

NOT_RUN = ("missed", "skipped", "coalesced", "waiting")
"""Outcomes without a start."""


class Marks(NamedTuple):
    ran: str
    runs: str
    not_run: str
    coming: str
    now: str
    axis: str


LINES = Marks("━", "╍", "×", "|", "│", "─")  # noqa: RUF001 - a cross
ASCII = Marks("=", "~", "x", "|", ":", "-")


class Frame(NamedTuple):
    """What is drawn."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Paper:
    """What is drawn on."""

    since: datetime
    until: datetime
    room: int
    """Columns."""
    marks: Marks

    def column(self, moment: datetime) -> int:
        place = int((moment - self.since) / (self.until - self.since) * self.room)
        return max(0, min(self.room - 1, place))


@dataclass(frozen=True, slots=True)
class Bar:
    job_id: str
    outcome: str
    """Or `coming`."""
    begins: datetime
    ends: datetime


def draw(bars: Sequence[Bar], frame: Frame, now: datetime, width: int, marks: Marks) -> list[str]:
    """A row a job, an axis, what the marks mean, and the crowded minutes."""
    if not bars:
        return ["nothing ran and nothing is due in that time"]
    names = sorted({bar.job_id for bar in bars})
    label = min(LONGEST_NAME, max(len(name) for name in names))
    paper = Paper(frame.since, frame.until, max(20, width - label - 2), marks)
    by_job: dict[str, list[Bar]] = defaultdict(list)
    for bar in bars:
        by_job[bar.job_id].append(bar)
    here = paper.column(now) if frame.since <= now <= frame.until else None
    lines = [f"{'':{label}}  {_axis(paper)}"]
    for name in names:
        cells = _row(by_job[name], paper)
        if here is not None and cells[here] == (" ", ""):
            cells[here] = (marks.now, DIM)
        lines.append(f"{pad(fit(name, label), label)}  {_joined(cells)}".rstrip())
    legend = f"{marks.ran} ran  {marks.runs} runs  {marks.not_run} did not run  {marks.coming} due  2-9 so many, + more  {marks.now} now"
    return [*lines, "", legend, *_crowds(bars, frame)]


def _row(bars: Sequence[Bar], paper: Paper) -> list[tuple[str, str]]:
    cells = [(" ", "")] * paper.room
    begun: Counter[int] = Counter()
    for bar in sorted(bars, key=lambda bar: bar.begins):
        first, last = paper.column(bar.begins), paper.column(bar.ends)
        mark, style = _mark(bar.outcome, paper.marks)
        for place in range(first, last + 1):
            # What went wrong is not drawn over.
            if cells[place][1] != RED:
                cells[place] = (mark, style)
        begun[first] += 1
    for place, number in begun.items():
        if number > 1:
            cells[place] = (str(number) if number < 10 else "+", cells[place][1])
    return cells


def _mark(outcome: str, marks: Marks) -> tuple[str, str]:
    if outcome == "coming":
        return marks.coming, ""
    if outcome == "running":
        return marks.runs, GREEN
    if outcome in NOT_RUN:
        return marks.not_run, YELLOW
    return marks.ran, GREEN if outcome in GOOD else RED


def _joined(cells: Sequence[tuple[str, str]]) -> str:
    """Cells of one style together: an escape a cell would be slow to draw."""
    text, run, style = "", "", ""
    for mark, its in cells:
        if its != style:
            text, run, style = text + styled(run, style), "", its
        run += mark
    return text + styled(run, style)


def _axis(paper: Paper) -> str:
    axis = [paper.marks.axis] * paper.room
    whole = paper.until - paper.since
    step = next((step for step in STEPS if whole / step * 8 <= paper.room), whole / (paper.room // 10))
    form = "%H:%M" if step < timedelta(days=1) else "%m-%d" if whole < timedelta(days=366) else "%Y-%m"
    local = paper.since.astimezone()
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    tick = midnight + ((local - midnight) // step + 1) * step
    while tick <= paper.until:
        text = tick.astimezone().strftime(form)
        place = paper.column(tick)
        if place + len(text) <= paper.room:
            axis[place : place + len(text)] = text
        tick += step
    return "".join(axis)


def _crowds(bars: Sequence[Bar], frame: Frame) -> list[str]:
    starts = Counter(
        bar.begins.replace(second=0, microsecond=0)
        for bar in bars
        if frame.since <= bar.begins <= frame.until and bar.outcome not in NOT_RUN
    )
    crowded = [(minute, number) for minute, number in starts.most_common(MOST_CROWDS) if number >= CROWD]
    return [f"crowded: {minute.astimezone():%Y-%m-%d %H:%M} has {number} starts" for minute, number in sorted(crowded)]
