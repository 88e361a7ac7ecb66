"""What is said: to the journal where there is one, else to stderr."""

from jobschedd.world.log.choice import log_format, make_log
from jobschedd.world.log.journal import Journal
from jobschedd.world.log.lines import JsonLines, TextLines
from jobschedd.world.log.writer import Log, RemarkHandler, is_logged

__all__ = ["Journal", "JsonLines", "Log", "RemarkHandler", "TextLines", "is_logged", "log_format", "make_log"]
