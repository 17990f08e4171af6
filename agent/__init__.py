"""runmend: carries a data-platform job to a verified success.

The import package behind the `runmend` command. Start reading at `machine` (where a case can go),
then `runner` (what happens in each state), then `platforms` (where jobs run).
"""

__version__ = "0.1.0"
