"""The error-solution matrix: why a job failed, what proves it, what to do; or "not determined".

    matrix = load()                      # the shipped one; further files add to and override it
    matrix.diagnose(failure)             # of a case
    matrix.diagnose_text(stream, "driver.log")

`entries` says what an entry is and `patterns` how its patterns are matched; `logs` reads what a job
left behind, `native` names an error as its own system does; `diagnosing` scores what is found,
`fallback` takes an error by its native name where no cause is found, `confidence` says how sure
that is, `catalogue` puts them together, `linting` keeps the matrix sound.
"""

from agent.matrix.catalogue import Considered, Explanation, Matrix, document, load
from agent.matrix.entries import Entry, shipped

__all__ = ["Considered", "Entry", "Explanation", "Matrix", "document", "load", "shipped"]
