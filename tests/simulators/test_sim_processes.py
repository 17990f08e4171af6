"""What tasks find on a simulated cluster without asking for it."""

import json
from pathlib import Path

from agent.simulators import processes


def test_an_image_brings_what_the_code_around_a_main_file_imports(tmp_path: Path) -> None:
    folder = tmp_path / "Workspace" / "Shared"
    folder.mkdir(parents=True)
    cells = [{"cell_type": "code", "source": ["x = 1\n", "import pandas as pd\n"]}]
    (folder / "load.ipynb").write_text(json.dumps({"cells": cells}))
    (folder / "tools.py").write_text("from sklearn.base import clone\nimport requests_mock\n")
    (folder / "note.txt").write_text("import yaml\n")
    (tmp_path / "other.py").write_text("import numpy\n")
    assert processes.image(tmp_path, "Workspace/Shared/load.ipynb") == ["pandas", "scikit-learn"]
