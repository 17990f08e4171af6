"""Turn the extracted orders into amounts per order and day."""

import argparse
import csv
import json
from pathlib import Path

from dateutil import parser as dates


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--currency", required=True)
    currency = arguments.parse_args().currency

    print("[Step 1/2] computing amounts")
    with Path("data/extracted.csv").open(newline="") as file:
        orders = list(csv.DictReader(file))
    for order in orders:
        order["day"] = dates.isoparse(order["placed_at"]).date().isoformat()
        order["amount"] = f"{int(order['quantity']) * float(order['unit_price']):.2f}"
        order["currency"] = currency

    print("[Step 2/2] writing")
    with Path("data/amounts.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(orders[0]))
        writer.writeheader()
        writer.writerows(orders)
    total = len(orders)
    print(json.dumps({"status": "SUCCESS", "total": total, "successful": total, "failed": 0}))


main()
