"""Look at the day that is loaded. What is printed last, a JSON object, is the task's exit value."""

import argparse
import datetime
import json

parser = argparse.ArgumentParser()
parser.add_argument("--day", required=True)
day = datetime.date.fromisoformat(parser.parse_args().day)
print(f"[Step 1/1] {day} is a day like any other")
print(json.dumps({"status": "SUCCESS", "total": 1, "failed": 0}))
