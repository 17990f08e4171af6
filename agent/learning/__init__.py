"""What a solved case teaches: a proposed entry for the error matrix, checked, for a person to take.

Rules kept here: nothing is written without a person's word; a proposal that would take over a text
that means something else is none; what nobody knows yet is said to be unknown, never guessed.
"""

from agent.learning.material import Material, failures, gather, teaches
from agent.learning.proposing import Known, Labelled, Proposal, from_case, labelled, propose, write

__all__ = [
    "Known",
    "Labelled",
    "Material",
    "Proposal",
    "failures",
    "from_case",
    "gather",
    "labelled",
    "propose",
    "teaches",
    "write",
]
