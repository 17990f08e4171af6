"""A playbook is read strictly: each problem with its line, flags over environment over file."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent import playbook
from agent.errors import PlaybookError
from agent.playbook import Loaded

SMALL = "platform: local\njob: {file: job.yaml}\n"


def write(folder: Path, text: str, name: str = "nightly.yaml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str) -> list[str]:
    path = write(folder, text)
    with pytest.raises(PlaybookError) as caught:
        playbook.load(path, env={})
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}") for line in lines)
    return [line.removeprefix(f"{path}:") for line in lines]


def test_a_small_playbook_gets_every_default(tmp_path: Path) -> None:
    loaded = playbook.load(write(tmp_path, SMALL), env={})
    book = loaded.playbook
    assert (book.name, book.where, book.approve.mode) == ("nightly", "local", "approve")
    assert (book.partial, book.limits.iterations, book.deliver) == (0.9, 3, "patch")
    assert (loaded.folder, loaded.source) == (tmp_path, tmp_path.resolve())


def test_a_name_comes_from_the_file_with_odd_characters_replaced(tmp_path: Path) -> None:
    assert playbook.load(write(tmp_path, SMALL, "my job!.yaml"), env={}).playbook.name == "my-job"


def test_a_whole_playbook_survives_the_journal(tmp_path: Path) -> None:
    text = """\
name: sales
platform: databricks
target: dev
production: false
job:
  bundle: sales_job
  parameters: {run_date: 2026-07-01, store: 007, at: 1:30, full: on, share: 1e-3}
requires:
  - playbook: bronze.yaml
    on_missing: run
  - table: main.bronze.orders
    rows: ">= 1"
poll: {first: 30s, max: 120s, deadline: 2h}
verify:
  - {task: load, expect: failed == 0}
  - {table: main.gold.sales, columns: [id, day], rows: 30}
  - sql: select count(*) = 0 from t where a is null
  - command: [python, checks/compare.py]
idempotent: [transform, load]
edit: [src/**, "*.sql"]
limits: {wall_clock: 4h, model_usd: 2}
approve:
  expires: 24h
  rules: [{author: "fixer:*", risk: safe, then: approve}]
model: none
"""
    loaded = playbook.load(write(tmp_path, text), env={})
    assert loaded.playbook.job.parameters == {
        "run_date": "2026-07-01",
        "store": "007",
        "at": "1:30",
        "full": "on",
        "share": 0.001,
    }
    assert (loaded.playbook.poll.deadline, loaded.playbook.model) == (7200, None)
    assert loaded.playbook.idempotent == ("transform", "load")
    assert Loaded.model_validate_json(loaded.dump()) == loaded


def test_an_unknown_key_is_named_with_its_line_and_the_nearest_key(tmp_path: Path) -> None:
    assert problems(tmp_path, f"{SMALL}\naprove: {{mode: auto}}\n") == [
        '4: unknown key "aprove"; did you mean "approve"?'
    ]


def test_an_unknown_key_deep_inside_is_compared_with_its_own_neighbours(tmp_path: Path) -> None:
    text = f"{SMALL}approve:\n  rules:\n    - then: ask\n      rsik: safe\n"
    assert problems(tmp_path, text) == ['6: unknown key "rsik"; did you mean "risk"?']


def test_a_key_at_the_wrong_level_is_shown_where_it_belongs(tmp_path: Path) -> None:
    assert problems(tmp_path, f"{SMALL}mode: auto\n")[0].startswith("3: unknown key")
    assert (
        "did you mean approve.mode?"
        in problems(tmp_path, f"{SMALL}wall_clock: 4h\nmode: auto\n")[1]
    )


def test_a_key_like_nothing_known_lists_what_is_known(tmp_path: Path) -> None:
    found = problems(tmp_path, f"{SMALL}poll:\n  zzz: 1\n")
    assert found == [
        '4: unknown key "zzz" in poll; known are first, max, deadline, kind, history, running_for'
    ]


def test_all_problems_are_told_at_once_in_the_order_of_their_lines(tmp_path: Path) -> None:
    text = """\
platform: locl
job: {file: job.yaml}
partial: 3
poll:
  deadline: soon
verify:
  - task: load
limits: {lines: "80"}
approve: {rules: [{then: perhaps}]}
"""
    found = problems(tmp_path, text)
    assert [line.split(":")[0] for line in found] == ["1", "3", "5", "7", "8", "9"]
    assert found[0].endswith(
        'platform: expected one of local, databricks, aidp, found "locl"; did you mean "local"?'
    )
    assert found[2].endswith("not a duration: 'soon'; write it like 30s, 5m or 2h")
    assert found[3].endswith("a check on a task needs both task and expect")
    assert found[4].endswith('limits.lines: expected a whole number, found "80"')
    assert "approve.rules[0].then" in found[5]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("production: yes", "production: expected true or false"),
        ("partial: true", "partial: expected a number"),
        ("limits: {model_usd: .inf}", "limits.model_usd: expected a number"),
        ("limits: {model_usd: 1e999}", "1e999 is too large a number"),
        ("limits: {wall_clock: 9999999d}", "less than or equal to"),
        ("limits: {iterations: 4}", "less than or equal to 3"),
        ("edit: [/etc/**]", "not a pattern of paths inside the source"),
        ("edit: [../other/**]", "not a pattern of paths inside the source"),
        ("poll: {first: 5m, max: 1m}", "poll.first (300 s) is longer than poll.max (60 s)"),
        ("source: nowhere", "there is no folder"),
        ("verify: [{table: t, rows: many}]", 'write it like ">= 1000"'),
        ("verify: [{task: t, expect: failed}]", "is no expectation"),
        ("verify: [{task: t, expect: status == ok}]", "text in double quotes"),
        ("verify: [{sql: a, command: [b]}]", "exactly one of"),
        ("requires: [{rows: 3}]", "exactly one of playbook, table, file"),
        ("approve: {rules: [{risk: destructive, then: approve}]}", "always takes a person"),
        ("name: 'a b'", "name: expected"),
        ("idempotent: 3", "idempotent: expected true or false or a list, found 3"),
        ("approve: auto", 'approve: expected keys and values, found "auto"'),
        ("verify: [{command: []}]", "expected a list that is not empty"),
        ("platform: local", 'key "platform" is given twice (first in line 1)'),
        ("target: !!python/name:os.system", "has no meaning here"),
        ("target: [", "not valid YAML"),
    ],
)
def test_a_wrong_value_is_refused_with_its_line(tmp_path: Path, line: str, words: str) -> None:
    (found,) = problems(tmp_path, f"{SMALL}{line}\n")
    assert words in found
    assert found.split(":")[0] in ("3", "4")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("platform: local\njob: {parameters: {}}\n", "2: job: job names nothing"),
        ("platform: local\njob: {id: 7}\n", "2: job.file is needed on platform local"),
        ("platform: aidp\njob: {id: 7, name: x}\n", "2: job names name and id; give one of them"),
        ("job: {file: a}\n", '1: the key "platform" is missing'),
        ("", "1: the file is empty"),
        ("- a\n", "1: expected keys and values, found a list"),
        ("[" * 100_000, "1: nested deeper than 50 levels"),
        ("a: &a [*a]\n", "aliases unfold"),
        ("? [a]\n: b\n", "a key must be one word"),
    ],
)
def test_a_playbook_that_says_too_little_is_refused(tmp_path: Path, text: str, words: str) -> None:
    assert words in problems(tmp_path, text)[0]


def test_a_bomb_of_aliases_is_refused_quickly(tmp_path: Path) -> None:
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 9)]
    began = time.monotonic()
    assert "aliases unfold" in problems(tmp_path, "\n".join(rows))[0]
    assert time.monotonic() - began < 10


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(SMALL.encode() + b"name: caf\xe9\n")
    with pytest.raises(PlaybookError, match=r"p\.yaml:3: not UTF-8"):
        playbook.load(path, env={})


def test_a_missing_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(PlaybookError, match=r"gone\.yaml: cannot be read: No such file"):
        playbook.load(tmp_path / "gone.yaml", env={})


def test_anchors_aliases_and_merge_keys_work(tmp_path: Path) -> None:
    text = f"""\
{SMALL}
poll: &slow {{first: 30s, deadline: 1h}}
approve:
  rules:
    - &fixers {{author: "fixer:*", risk: safe, then: approve}}
    - <<: *fixers
      then: ask
"""
    rules = playbook.load(write(tmp_path, text), env={}).playbook.approve.rules
    assert [(r.author, r.then) for r in rules] == [("fixer:*", "approve"), ("fixer:*", "ask")]


def test_a_flag_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    path = write(
        tmp_path, f"{SMALL}approve: {{mode: observe}}\ntarget: a\npoll: {{deadline: 1s}}\n"
    )
    env = {"RUNMEND_MODE": "suggest", "RUNMEND_TARGET": "b", "RUNMEND_DEADLINE": ""}
    book = playbook.load(path, {"approve.mode": "auto"}, env=env).playbook
    assert (book.approve.mode, book.target, book.poll.deadline) == ("auto", "b", 1.0)


def test_a_wrong_override_is_blamed_on_where_it_came_from(tmp_path: Path) -> None:
    path = write(tmp_path, SMALL)
    with pytest.raises(
        PlaybookError, match=r"^RUNMEND_MODE: approve\.mode: expected one of .* found \"aut\""
    ):
        playbook.load(path, env={"RUNMEND_MODE": "aut"})
    with pytest.raises(PlaybookError, match=r"^approve\.mode \(from the command line\)"):
        playbook.load(path, {"approve.mode": "aut"}, env={"RUNMEND_MODE": "auto"})


@pytest.mark.parametrize(
    ("text", "env", "expected"),
    [
        ("", {"RUNMEND_MODEL": "none"}, None),
        ("", {"RUNMEND_MODEL": "m"}, ("m", None)),
        ("model: none\n", {"RUNMEND_MODEL": "m"}, ("m", None)),
        ("model: none\n", {"RUNMEND_MODEL_BASE_URL": "http://x"}, None),
        ("model: {id: n}\n", {"RUNMEND_MODEL_BASE_URL": "http://x"}, ("n", "http://x")),
        ("", {"RUNMEND_MODEL": "none", "RUNMEND_MODEL_BASE_URL": "http://x"}, None),
    ],
)
def test_the_environment_chooses_the_model(
    tmp_path: Path, text: str, env: dict[str, str], expected: tuple[str, str | None] | None
) -> None:
    model = playbook.load(write(tmp_path, SMALL + text), env=env).playbook.model
    assert (model and (model.id, model.base_url)) == expected


def test_required_playbooks_come_in_dependency_order(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    write(tmp_path, f"{SMALL}requires: [{{playbook: sub/b.yaml}}, {{playbook: c.yaml}}]", "a.yaml")
    write(tmp_path, f"{SMALL}requires: [{{playbook: ../c.yaml}}]", "sub/b.yaml")
    write(tmp_path, SMALL, "c.yaml")
    found = playbook.order(playbook.load(tmp_path / "a.yaml", env={}))
    assert [book.playbook.name for book in found] == ["c", "b", "a"]


def test_a_circle_is_one_error_that_names_it(tmp_path: Path) -> None:
    write(tmp_path, f"{SMALL}requires: [{{playbook: a.yaml}}]", "start.yaml")
    write(tmp_path, f"{SMALL}requires: [{{playbook: b.yaml}}]", "a.yaml")
    write(tmp_path, f"{SMALL}requires: [{{playbook: a.yaml}}]", "b.yaml")
    with pytest.raises(PlaybookError, match=r"in a circle: a -> b -> a; remove one"):
        playbook.order(playbook.load(tmp_path / "start.yaml", env={}))


def test_a_missing_required_playbook_is_named_with_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, f"{SMALL}requires:\n  - table: t\n  - playbook: gone.yaml\n", "a.yaml")
    loaded = playbook.load(path, env={})
    with pytest.raises(PlaybookError, match=r"a\.yaml:5: requires playbook 'gone\.yaml'"):
        playbook.order(loaded)


def test_the_published_schema_is_the_one_in_the_repository() -> None:
    kept = Path(__file__).parents[2] / "playbooks" / "playbook.schema.json"
    assert json.loads(kept.read_text(encoding="utf-8")) == playbook.schema()


def test_the_schema_describes_keys_to_an_editor() -> None:
    properties = playbook.schema()["properties"]
    assert isinstance(properties, dict)
    assert isinstance(properties["source"], dict)
    assert properties["source"]["description"] == "Folder of the code, relative to the playbook."


def test_the_schema_takes_a_playbook_as_it_is_written_and_no_unknown_key() -> None:
    import jsonschema

    check = jsonschema.Draft202012Validator(playbook.schema())
    book = {"platform": "local", "job": {"file": "j"}, "model": "none", "poll": {"max": "5m"}}
    assert check.is_valid({**book, "idempotent": ["a"], "verify": [{"sql": "s", "timeout": 3}]})
    assert not check.is_valid({**book, "aprove": {}})
    assert not check.is_valid({**book, "poll": {"max": "5 parsecs"}})


def test_importing_playbooks_imports_nothing_heavy() -> None:
    code = "import sys, agent.playbook; print({'yaml', 'structlog', 'psutil'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
