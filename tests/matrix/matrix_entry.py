"""An entry that a user could write."""

ENTRY = """\
- id: own.frobnicated
  title: The frobnicator is off
  category: config
  match: ['frobnicator (?P<name>\\w+) is off']
  cause: Somebody switched {name} off.
  solution: Switch {name} on.
  remedy: escalate
  sources: [https://example.org/frobnicator]
  examples: ["Error: frobnicator seven is off"]
  counter_examples: ["frobnicator seven is on"]
"""
