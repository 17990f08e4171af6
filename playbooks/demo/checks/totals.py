"""The loaded amounts are those of the export, to the cent."""

import csv
from pathlib import Path

import duckdb

source = Path(__file__).parents[1] / "data"
with (source / "orders.csv").open(newline="") as file:
    expected = sum(int(o["quantity"]) * float(o["unit_price"]) for o in csv.DictReader(file))
with duckdb.connect(str(source / "nightly.duckdb"), read_only=True) as database:
    (loaded,) = database.execute("select sum(amount) from sales").fetchone()
assert abs(loaded - expected) < 0.01, f"loaded {loaded:.2f}, exported {expected:.2f}"
print(f"{loaded:.2f} loaded and exported")
