"""databricks-sdk is loaded in part, and is whole for whoever asks for the rest."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys
from agent.platforms.databricks import sdk
sdk.prepare()
sdk.prepare()
from databricks.sdk.config import Config
heavy = "databricks.sdk.service.catalog"
assert heavy not in sys.modules, "the configuration came with every API"
from databricks.sdk import WorkspaceClient
import databricks.sdk
assert heavy in sys.modules
assert databricks.sdk.config.Config is Config is databricks.sdk.core.Config
assert WorkspaceClient.__module__ == "databricks.sdk"
try:
    databricks.sdk.nothing
except AttributeError:
    sdk.prepare()
    print("whole")
"""


@pytest.mark.slow
def test_the_configuration_comes_alone_and_the_rest_is_there_when_it_is_used() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "whole\n"), done.stderr
