"""The error-solution matrix: why a job failed, what proves it, what to do; or "not determined".

    matrix = load()                      # the shipped one; further files add to and override it
    matrix.diagnose(failure)             # of a case
    matrix.diagnose_text(stream, "driver.log")

`entries` says what an entry is, `reading` (with `folded`) takes in a log of any size,
`structure` tells its lines apart (with `signals`: how things are worded; `prefixes`, `frames` and
`libraries`: where the program was; `traces` and `chains`: which exception came from which),
`diagnosing` scores what is found, `identity` names it, `catalogue` puts them together, `linting`
keeps the matrix sound.
"""

from agent.matrix.catalogue import Considered, Explanation, Matrix, document, load
from agent.matrix.entries import Entry, shipped

__all__ = ["Considered", "Entry", "Explanation", "Matrix", "document", "load", "shipped"]
