"""A first playbook for a folder whose job file is in AIDP's words."""

from pathlib import Path

_PLAYBOOK = """\
# What to carry to a verified success. Every key: runmend playbook schema
name: {name}
platform: aidp
# production: false   # unsaid: the workspace is production, and a person confirms each change
source: .
job:
  file: {file}

aidp:
  # profile: DEV                  of ~/.oci/config; -p wins
  # instance: ocid1.aidataplatform.oc1.iad.example     unsaid: AIDP_INSTANCE_ID
  # workspace: sales              key or display name; unsaid: AIDP_WORKSPACE
  # cluster: etl_cluster          for tasks that name none, and for checks on tables
  start_cluster: false            # true: a stopped cluster is started, and stopped again

verify: []            # what success means, e.g. - {{task: load, expect: failed == 0}}
edit: ["**"]          # what a fix may change
approve:
  mode: approve       # observe | suggest | approve | auto
deliver: patch        # patch | in-place | branch
"""


def job_file(folder: Path) -> str | None:
    """Return the name of the folder's job file, None where there is none in AIDP's words."""
    from agent.code import aidpjob, aidpwords

    for name in ("job.yaml", "job.yml", "job.json"):
        try:
            text = (folder / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue
        file = aidpjob.read(name, text)
        if file is not None and any(task.type in aidpwords.TYPES for task in file.tasks):
            return name
    return None


def playbook(name: str, file: str) -> str:
    """Return the playbook's text."""
    return _PLAYBOOK.format(name=name, file=file)
