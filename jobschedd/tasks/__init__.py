"""Programs that run as the process of a job, one for each task type that is more than a command. Standard library only.

They are started as `python -I -m jobschedd.tasks.NAME`. What is secret comes by standard input.
"""
