"""jobschedd: runs what the files in /etc/jobs.d describe. Start reading at daemon.py."""

__version__ = "0.1.0"
