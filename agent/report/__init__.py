"""What a person and a machine read about a case: events in, text out.

`tell` makes the story (one record), `text`, `markdown`, `html`, `junit` and `as_json` render it,
`write` puts all of them into the case's folder, the only I/O here. Rules kept: whatever a job or a
model wrote is data, made visible and escaped for its format; the HTML page loads nothing and runs
nothing; the card at the top reads in under a minute.
"""

from agent.report.story import Story
from agent.report.tell import Context, tell
from agent.report.text import text
from agent.report.written import as_json, schema, write

__all__ = ["Context", "Story", "as_json", "schema", "tell", "text", "write"]
