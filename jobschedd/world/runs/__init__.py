"""The runner process as the daemon sees it."""

from jobschedd.world.runs.link import JOURNAL_STREAMS, RunnerProcess

__all__ = ["JOURNAL_STREAMS", "RunnerProcess"]
