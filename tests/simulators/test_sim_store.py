"""What the simulated workspace keeps, across requests, threads and restarts."""

import threading
from pathlib import Path

import pytest

from agent.errors import UsageError
from agent.simulators.store import FILE, Store


def test_documents_keep_their_place_and_come_as_copies(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for key in ("b", "a", "c"):
        store.put("job", key, {"key": key})
    store.put("job", "b", {"key": "b", "changed": True})
    store.delete("job", "c")
    found = store.get("job", "b") or {}
    found["changed"] = False
    assert [key for key, _ in store.items("job")] == ["b", "a"]
    assert store.get("job", "b") == {"key": "b", "changed": True}
    assert store.get("job", "c") is None
    assert store.get("run", "b") is None
    store.close()


def test_what_raises_half_way_leaves_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.put("job", 1, {"n": 1})

    def half() -> None:
        with store.changes():
            store.put("job", 1, {"n": 2})
            with store.changes():
                store.put("job", 2, {})
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match="in the middle"):
        half()
    assert store.items("job") == [("1", {"n": 1})]
    store.close()


def test_numbers_are_never_given_twice(tmp_path: Path) -> None:
    store = Store(tmp_path)
    taken: list[int] = []

    def take() -> None:
        taken.extend(store.number() for _ in range(20))

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    store.close()
    again = Store(tmp_path)
    taken.append(again.number())
    assert len(set(taken)) == 81
    assert max(taken) == taken[-1]
    assert {len(str(number)) for number in taken} == {15}
    again.close()


def test_the_file_is_nobody_else_s_to_read(tmp_path: Path) -> None:
    store = Store(tmp_path / "new")
    assert (tmp_path / "new" / FILE).stat().st_mode & 0o077 == 0
    assert (tmp_path / "new").stat().st_mode & 0o077 == 0
    store.close()


def test_a_folder_that_cannot_be_used_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be used"):
        Store(tmp_path / "file")
    (tmp_path / FILE).write_text("this is no database" * 100)
    with pytest.raises(UsageError, match="cannot be used"):
        Store(tmp_path)
