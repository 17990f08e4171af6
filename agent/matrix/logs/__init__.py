"""What a job left behind, read as an expert would.

`reading` takes in a log of any size and any bytes, with `folded` and `prefixes` for lines that hold
several or are wrapped by others; `structure` tells its lines apart (`kinds`, `outcomes`, `signals`)
and finds the deepest cause in its chains of exceptions (`traces`, `chains`); `frames` and
`libraries` find the user's own line.
"""
