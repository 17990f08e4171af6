"""A stand-in for Oracle's `oci` command, as far as `oci session refresh` goes.

Rules kept here: it asks the simulated workspace for a new token, which that writes where the
profile says; any other command, profile or config file fails as a refresh that is too late does.
Source: https://docs.oracle.com/en-us/iaas/Content/API/SDKDocs/clitoken.htm
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from agent.simulators.aidp.identity import SESSION
from agent.simulators.control import ROOT

if TYPE_CHECKING:
    from agent.simulators.aidp.service import Simulator

_SCRIPT = """#!{python}
import sys, urllib.error, urllib.request
words = sys.argv[1:]
def said(name, unsaid):
    return words[words.index(name) + 1] if name in words else unsaid
late = "This CLI session has expired, so it cannot currently be used to run commands"
if words[:2] != ["session", "refresh"] or said("--profile", "DEFAULT") != {profile!r}:
    sys.exit(late)
if said("--config-file", {config!r}) != {config!r}:
    sys.exit(late)
request = urllib.request.Request(
    {url!r}, b'{{"do": "refresh"}}', {{"content-type": "application/json"}}
)
try:
    urllib.request.build_opener(urllib.request.ProxyHandler({{}})).open(request).close()
except urllib.error.HTTPError:
    sys.exit(late)
print("Successfully refreshed token")
"""


def install(sim: "Simulator", folder: Path) -> Path:
    """Write the command `oci` into a folder and return its path. The simulator must be served,
    over plain HTTP."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "oci"
    url = f"{sim.url}{ROOT}session"
    text = _SCRIPT.format(
        python=sys.executable, profile=SESSION, config=str(sim.config_file), url=url
    )
    path.write_text(text)
    path.chmod(0o700)
    return path
