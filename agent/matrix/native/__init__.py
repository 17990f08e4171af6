"""An error's own name in the system that raised it, with its parameters.

`identity` decides which name counts; `spark` (with `conditions`, `templates` and `wordings`),
`services` (databases, APIs, processes) and `raised` (exception classes) know their systems.
"""
