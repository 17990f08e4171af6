"""Makes this folder's modules known to the tests below it."""
