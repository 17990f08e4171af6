"""What solved cases teach: a proposal that waits for a person, rights that a failed fix costs."""

import json
import subprocess

import yaml
from cli_stage import UNKNOWN, Stage

from agent.simulators.model import ModelServer

LEDGER = 'raise RuntimeError("ledger %s trails shard %s by 12 rows; it was closed at 02:14")\n'
RECURRING = (
    "row = {'amount': 3}\n"
    "total = row['amuont']\n"
    "raise KeyError('amuont')  # what a fix of the line above cannot mend\n"
)
"""A misspelt key, and the same words once that is mended."""
MENDABLE = "row = {'amount': 3}\nprint(row['amuont'])\n"


def escalated(stage: Stage, text: str = UNKNOWN) -> str:
    stage.lay("one", files={"one.py": text})
    found = stage.object()
    assert found["verdict"] == "escalated", found["reason"]
    return str(found["case"])


def test_what_a_person_did_becomes_an_entry_once_they_say_so(stage: Stage) -> None:
    case = escalated(stage, LEDGER % ("'north'", "0x1f3a9c2b77"))
    unsolved = stage.run("matrix", "add", "--from-case", case)
    assert unsolved.code == 2
    assert f"runmend learn {case}" in unsolved.err
    note = "The shard lagged. Waiting for its closing time helped; token=ghp_" + "a1B2" * 9
    said = stage.run("learn", case, "--note", note, "--category", "data_quality")
    assert said.code == 0, said.err
    own = stage.state / "error_matrix.yaml"
    proposed = stage.run("matrix", "add", "--from-case", case)
    assert (proposed.code, own.exists()) == (0, False), "written though nobody said so"
    assert proposed.out.startswith("--- ")
    assert "ghp_" not in proposed.out
    assert "takes over none of" in proposed.err
    assert stage.run("matrix", "add", "--from-case", case, "--yes").code == 0
    (entry,) = yaml.safe_load(own.read_text())
    assert entry["category"] == "data_quality"
    assert "02:14" not in entry["match"][0]
    assert "north" not in entry["match"][0]
    assert "The shard lagged." in entry["solution"]
    stage.write({"one.py": LEDGER % ("'south'", "0x99aa00ff11")})
    again = stage.object()
    cause = again["causes"][0]
    assert (cause["determined"], cause["entry"]) == (True, entry["id"])
    known = stage.run("matrix", "add", "--from-case", case)
    assert (known.code, "the matrix knows" in known.err) == (2, True)


def test_what_the_model_mended_is_proposed_and_shown_in_the_report(stage: Stage) -> None:
    stage.lay("one", files={"one.py": LEDGER % ("'n'", "7")}, model={}, approve={"mode": "auto"})
    change = {"path": "one.py", "old": "raise RuntimeError", "new": "print"}
    server = ModelServer([{"edits": [change], "rationale": "A late ledger is only worth a line."}])
    try:
        env = {"ANTHROPIC_BASE_URL": server.base_url, "ANTHROPIC_API_KEY": "sk-ant-test"}
        waiting = stage.object(**env)
        patch = waiting["iterations"][0]["patch"]["id"]
        assert stage.run("approve", waiting["case"], patch).code == 0
        done = stage.run("resume", waiting["case"], "-o", "json", **env).json
    finally:
        server.close()
    assert done["verdict"] == "healed"
    assert any("matrix add --from-case" in step["command"] for step in done["steps"])
    (entry,) = yaml.safe_load(done["proposed_entry"])
    assert "A late ledger is only worth a line." in entry["solution"]
    assert (entry["remedy"], entry["platforms"]) == ("fix", ["local"])


def test_an_entry_that_would_take_over_other_texts_is_not_proposed(stage: Stage) -> None:
    case = escalated(stage, 'raise RuntimeError("the tide gauge gave no reading")\n')
    assert stage.run("learn", case, "--note", "it was off", "--category", "config").code == 0
    texts = stage.root / "texts.jsonl"
    row = {"id": "t1", "text": "INFO done\nthe tide gauge gave no reading, using the last one"}
    texts.write_text(json.dumps({**row, "is_failure": False}) + "\n")
    narrow = stage.run("matrix", "add", "--from-case", case, "--jsonl", texts)
    assert narrow.code == 0
    assert "RuntimeError: the tide gauge" in narrow.out
    row["text"] = "RuntimeError: the tide gauge gave no reading"
    files = [row, {**row, "text": f'File "/srv/one.py", line 1\n{row["text"]}'}]
    texts.write_text("".join(json.dumps({**f, "category": "timeout"}) + "\n" for f in files))
    refused = stage.run("matrix", "add", "--from-case", case, "--jsonl", texts, "--yes")
    assert refused.code == 2
    assert "it would take over t1 of the texts, which is timeout" in refused.err
    assert not (stage.state / "error_matrix.yaml").exists()


def test_a_failed_automatic_fix_costs_its_entry_the_right_until_a_person_restores_it(
    stage: Stage,
) -> None:
    stage.lay("one", files={"one.py": RECURRING}, approve={"mode": "auto"})
    first = stage.object()
    assert first["verdict"] == "escalated", first["reason"]
    assert "no progress" in first["reason"]
    entry = first["causes"][0]["entry"]
    assert first["misled"][0].startswith(f"{entry}, its fix was deployed")
    top = stage.run("matrix", "top", "-o", "json").json["failures"]
    (row,) = [r for r in top if r["entry"] == entry]
    assert (row["failed"], row["healed"], row["automatic"]) == (1, 0, False)
    assert row["misled"][0]["signal"], "the signal that misled is not kept"

    stage.write({"one.py": MENDABLE})
    waits = stage.object()
    assert (waits["exit_code"], waits["verdict"]) == (3, "waiting")
    assert f"runmend matrix trust {entry}" in waits["reason"]
    patch = waits["iterations"][0]["patch"]["id"]
    assert stage.run("reject", waits["case"], patch).code == 0
    assert stage.run("heal", stage.book).code in (3, 4)
    for case in stage.run("cases", "-o", "json").json["cases"]:
        stage.run("cancel", case["case"])

    restored = stage.run("matrix", "trust", entry, "--reason", "the job was at fault")
    assert (restored.code, first["case"] in restored.out) == (0, True)
    assert stage.run("matrix", "trust", entry).code == 2, "it was restored twice"
    done = stage.object()
    assert (done["exit_code"], done["verdict"]) == (0, "healed"), done["reason"]
    assert stage.run("audit", "verify").code == 0


def test_a_wrong_diagnosis_is_recorded_with_what_misled_and_a_better_entry_wins(
    stage: Stage,
) -> None:
    case = escalated(stage, "open('/nowhere/ledger.csv')\n")
    entry = stage.show(case)["causes"][0]["entry"]
    git(stage, "init", "-q")
    git(stage, "add", ".")
    git(stage, "commit", "-q", "-m", "Ask for the mount before reading")
    said = stage.run(
        *("learn", case, "--category", "config", "--commit", "HEAD"),
        *("--note", "The share was not mounted."),
    )
    assert said.code == 0, said.err
    shown = stage.show(case)
    assert "Ask for the mount before reading" in shown["learned"][0]
    assert shown["misled"][0].startswith(entry)
    assert "ledger.csv" in shown["misled"][0], "the signal that misled is not named"
    assert stage.run("matrix", "add", "--from-case", case, "--yes").code == 0
    (own,) = yaml.safe_load((stage.state / "error_matrix.yaml").read_text())
    assert entry in own["over"]
    assert stage.object()["causes"][0]["entry"] == own["id"]


def test_what_cannot_be_learned_is_said_and_leaves_no_trace(stage: Stage) -> None:
    none = stage.run("matrix", "top")
    assert (none.code, "there is no state folder" in none.err) == (2, True), none.err
    case = escalated(stage)
    git(stage, "init", "-q")
    for words, told in (
        (("--note", " "), "the note is empty"),
        (("--note", "x", "--category", "code-bug"), "did you mean code_bug"),
        (("--note", "x", "--commit", "0123abc"), "has no commit 0123abc"),
    ):
        done = stage.run("learn", case, *words)
        assert (done.code, told in done.err) == (2, True), done.err
    assert stage.show(case)["learned"] == []
    (row,) = stage.run("matrix", "top", "-o", "json").json["failures"]
    assert (row["hits"], row["cases"], row["open"]) == (1, 1, 1)
    assert row["entry"] in stage.run("matrix", "top").out
    found = stage.run("matrix", "coverage", "-o", "json").json
    assert found["entries"] >= found["hit_by_example"] > len(found["never"])
    assert found["hit_by_case"] == int("." in row["entry"]), "an unknown failure hits no entry"


def test_commands_that_diagnose_repeat_the_matrix_that_was_named(stage: Stage) -> None:
    stage.lay("one", files={"one.py": MENDABLE}, approve={"mode": "approve"})
    own = stage.root / "my own.yaml"
    own.write_text("[]\n")
    found = stage.object("--matrix", own)
    commands = {step["command"].split()[1]: step["command"] for step in found["steps"]}
    assert f"--matrix '{own}'" in commands["resume"]
    assert "--matrix" not in commands["approve"]
    assert stage.typed(commands["resume"]) == 3
    early = stage.run("learn", found["case"], "--note", "x")
    assert (early.code, "is on its way" in early.err) == (2, True), early.err


def git(stage: Stage, *words: str) -> None:
    author = ("-c", "user.name=Ana", "-c", "user.email=ana@example.com")
    subprocess.run(["git", *author, *words], cwd=stage.job, check=True, capture_output=True)
