"""When: the forms of `schedule`, and the one question they answer, `next(after)`."""

from jobschedd.model.schedule.form import AnyOf, AtBoot, Once, Schedule, Within
from jobschedd.model.schedule.interval import Every, Repeating
from jobschedd.model.schedule.parse import MOST_EXCEPT, MOST_PARTS, bound, names_boot, parse_days, parse_schedule
from jobschedd.model.schedule.recurring import Recurring
from jobschedd.model.schedule.timestamp import begin_of, end_of, parse_timestamp, read_day
from jobschedd.model.schedule.zone import UTC_ZONE, read_zone

__all__ = [
    "MOST_EXCEPT",
    "MOST_PARTS",
    "UTC_ZONE",
    "AnyOf",
    "AtBoot",
    "Every",
    "Once",
    "Recurring",
    "Repeating",
    "Schedule",
    "Within",
    "begin_of",
    "bound",
    "end_of",
    "names_boot",
    "parse_days",
    "parse_schedule",
    "parse_timestamp",
    "read_day",
    "read_zone",
]
