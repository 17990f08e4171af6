"""Runs tasks for real: job files, environments, processes, notebooks, SQL.

The local platform runs on it, and so do the simulators. `runs` starts and watches a run from the
outside; `claim` starts the detached process in which `supervisor` carries it. Where a job is the
user's to mend (a wrong file, a failed installation), what comes back is a `records.Failure`.
"""
