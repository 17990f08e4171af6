"""Compare the shop's export with the ledger, which is one parcel short."""

import csv
from pathlib import Path


class LedgerOutOfBalance(Exception):
    """The ledger and the export disagree."""


with Path("data/orders.csv").open(newline="") as file:
    orders = list(csv.DictReader(file))
print(f"[Step 1/1] {len(orders)} orders against the ledger")
raise LedgerOutOfBalance(f"the ledger has {len(orders) - 1} parcels, expected {len(orders)}")
