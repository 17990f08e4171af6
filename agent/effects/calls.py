"""What calls of Python do, as tables: the place to add a library's effects.

`EXACT` and `UNDER` are dotted names after imports are resolved, `METHODS` are names of methods
whatever the object. Each says the kind of effect, whether doing it twice may harm, and in words
what it does. A call that is in none of these tables and not in `harmless` is unknown, which asks.
"""

from typing import NamedTuple

from agent.effects.harmless import words


class Call(NamedTuple):
    """What a call does."""

    kind: str
    again: bool
    says: str


_SHELL = Call("shell_run", True, "runs a command")
_DYNAMIC = Call("exec_dynamic", True, "runs code that is put together at run time")
_DELETE = Call("file_delete", True, "deletes files")
_MOVE = Call("file_move", True, "moves a file")
_COPY = Call("file_write", False, "copies a file")
_WRITE = Call("file_write", False, "writes a file")
_APPEND = Call("file_append", True, "appends to a file")
_TABLE = Call("table_write", False, "writes a table")
_ROWS = Call("table_append", True, "adds rows to a table")
_FEWER = Call("rows_dropped", False, "keeps fewer rows")
_RUN = Call("job_run", True, "starts another job or notebook")
_CONFIG = Call("config_change", False, "changes a setting")
_HIDES = Call("check_weakened", False, "hides warnings or errors")
_ENDS = Call("check_weakened", False, "ends the program early")

EXACT = {
    "os.remove": _DELETE,
    "os.unlink": _DELETE,
    "os.rmdir": _DELETE,
    "os.removedirs": _DELETE,
    "os.truncate": _DELETE,
    "shutil.rmtree": _DELETE,
    "shutil.move": _MOVE,
    "pathlib.Path.rename": _MOVE,
    "pathlib.Path.replace": _MOVE,
    "pathlib.Path.symlink_to": _COPY,
    "pathlib.Path.hardlink_to": _COPY,
    "pathlib.Path.chmod": Call("permission_change", False, "changes who may read a file"),
    "os.rename": _MOVE,
    "os.renames": _MOVE,
    "os.replace": Call("file_move", False, "puts a file in another's place"),
    "shutil.copy": _COPY,
    "shutil.copy2": _COPY,
    "shutil.copyfile": _COPY,
    "shutil.copytree": _COPY,
    "shutil.copyfileobj": _COPY,
    "shutil.make_archive": _COPY,
    "shutil.unpack_archive": _COPY,
    "os.chmod": Call("permission_change", False, "changes who may read a file"),
    "os.chown": Call("permission_change", False, "changes who owns a file"),
    "os.system": _SHELL,
    "os.popen": _SHELL,
    "os.startfile": _SHELL,
    "os.fork": _SHELL,
    "os.kill": _SHELL,
    "os.killpg": _SHELL,
    "os.symlink": _COPY,
    "os.link": _COPY,
    "os.putenv": _CONFIG,
    "os.environ.update": _CONFIG,
    "os.environ.setdefault": _CONFIG,
    "os.environ.pop": _CONFIG,
    "os.chdir": _CONFIG,
    "os._exit": _ENDS,
    "sys.path.append": Call("config_change", False, "changes where modules come from"),
    "sys.path.insert": Call("config_change", False, "changes where modules come from"),
    "eval": _DYNAMIC,
    "exec": _DYNAMIC,
    "compile": _DYNAMIC,
    "__import__": _DYNAMIC,
    "globals": _DYNAMIC,
    "locals": _DYNAMIC,
    "vars": _DYNAMIC,
    "getattr": _DYNAMIC,
    "importlib.import_module": _DYNAMIC,
    "importlib.reload": _DYNAMIC,
    "pandas.eval": _DYNAMIC,
    "pandas.read_pickle": Call("exec_dynamic", False, "loads a pickle, which may run code"),
    "numpy.load": Call("exec_dynamic", False, "loads an array, which may run code"),
    "joblib.load": Call("exec_dynamic", False, "loads a pickle, which may run code"),
    "torch.load": Call("exec_dynamic", False, "loads a pickle, which may run code"),
    "yaml.load": Call("exec_dynamic", False, "loads YAML, which may run code"),
    "yaml.unsafe_load": Call("exec_dynamic", False, "loads YAML, which may run code"),
    "numpy.save": _WRITE,
    "numpy.savez": _WRITE,
    "numpy.savetxt": _WRITE,
    "joblib.dump": _WRITE,
    "pickle.dump": Call("file_write", False, "writes a pickle"),
    "pyarrow.parquet.write_table": _WRITE,
    "pyarrow.parquet.write_to_dataset": _APPEND,
    "pyarrow.dataset.write_dataset": _APPEND,
    "warnings.filterwarnings": _HIDES,
    "warnings.simplefilter": _HIDES,
    "logging.disable": _HIDES,
    "contextlib.suppress": Call("check_weakened", False, "swallows an error"),
    "pytest.skip": Call("check_weakened", False, "skips a test"),
    "pytest.mark.skip": Call("check_weakened", False, "skips a test"),
    "pytest.mark.xfail": Call("check_weakened", False, "expects a test to fail"),
    "unittest.skip": Call("check_weakened", False, "skips a test"),
    "dbutils.fs.rm": _DELETE,
    "dbutils.fs.mv": _MOVE,
    "dbutils.fs.cp": _COPY,
    "dbutils.fs.put": _WRITE,
    "dbutils.fs.mkdirs": Call("file_write", False, "makes a folder"),
    "dbutils.notebook.run": _RUN,
    "oidlUtils.notebook.run": _RUN,
    "dbutils.fs.mount": _CONFIG,
    "dbutils.fs.unmount": _CONFIG,
    "spark.conf.set": _CONFIG,
    "spark.catalog.dropTempView": Call("config_change", False, "drops a temporary view"),
    "spark.catalog.setCurrentCatalog": Call("target_change", False, "switches to another catalog"),
    "spark.catalog.setCurrentDatabase": Call("target_change", False, "switches to another schema"),
    "time.sleep": Call("limit_raised", False, "waits"),
}
"""By the whole dotted name."""

UNDER = {
    "subprocess": _SHELL,
    "pty": _SHELL,
    "pexpect": _SHELL,
    "sh": _SHELL,
    "fabric": _SHELL,
    "os.exec": _SHELL,
    "os.spawn": _SHELL,
    "os.posix_spawn": _SHELL,
    "asyncio.create_subprocess": _SHELL,
    "pickle": _DYNAMIC,
    "cloudpickle": _DYNAMIC,
    "dill": _DYNAMIC,
    "marshal": _DYNAMIC,
    "shelve": _DYNAMIC,
    "ctypes": _DYNAMIC,
    "cffi": _DYNAMIC,
    "runpy": _DYNAMIC,
    "code": _DYNAMIC,
    "imp": _DYNAMIC,
    "builtins": _DYNAMIC,
    "get_ipython": _SHELL,
}
"""By the start of the dotted name, up to a dot or a bracket; the longest wins."""


METHODS = {
    "saveAsTable": _TABLE,
    "insertInto": _ROWS,
    "toTable": _ROWS,
    "start": Call("table_append", True, "starts a stream that writes"),
    "unlink": _DELETE,
    "rmdir": _DELETE,
    "rmtree": _DELETE,
    "write_text": _WRITE,
    "write_bytes": _WRITE,
    "to_csv": _WRITE,
    "to_json": _WRITE,
    "to_parquet": _WRITE,
    "to_feather": _WRITE,
    "to_excel": _WRITE,
    "to_html": _WRITE,
    "to_latex": _WRITE,
    "to_markdown": _WRITE,
    "to_orc": _WRITE,
    "to_pickle": _WRITE,
    "to_stata": _WRITE,
    "to_xml": _WRITE,
    "to_hdf": _APPEND,
    "to_gbq": _ROWS,
    "to_sql": _ROWS,
    "tofile": _WRITE,
    "savefig": _WRITE,
    "write_csv": _WRITE,
    "write_parquet": _WRITE,
    "write_json": _WRITE,
    "write_ndjson": _WRITE,
    "write_html": _WRITE,
    "write_image": _WRITE,
    "sink_parquet": _WRITE,
    "sink_csv": _WRITE,
    "write_database": _ROWS,
    "write_delta": _ROWS,
    "extractall": Call("file_write", False, "unpacks an archive"),
    "vacuum": Call("vacuum", True, "deletes the old files of a table"),
    "whenMatchedDelete": Call("rows_delete", True, "deletes rows of a table"),
    "whenNotMatchedBySourceDelete": Call("rows_delete", True, "deletes rows of a table"),
    "restoreToVersion": Call("table_overwrite", True, "puts a table back to an older state"),
    "restoreToTimestamp": Call("table_overwrite", True, "puts a table back to an older state"),
    "overwritePartitions": Call("table_overwrite", False, "overwrites a table"),
    "createOrReplace": Call("table_overwrite", False, "replaces a table"),
    "truncate": Call("table_truncate", True, "empties something"),
    "executemany": Call("unparsed", True, "runs SQL that cannot be told"),
    "limit": _FEWER,
    "dropna": _FEWER,
    "drop_nulls": _FEWER,
    "drop_duplicates": _FEWER,
    "dropDuplicates": _FEWER,
    "distinct": _FEWER,
    "unique": _FEWER,
    "sample": _FEWER,
    "head": _FEWER,
    "tail": _FEWER,
    "nlargest": _FEWER,
    "nsmallest": _FEWER,
    "filter": _FEWER,
    "where": _FEWER,
    "query": _FEWER,
    "subtract": _FEWER,
    "exceptAll": _FEWER,
    "islice": _FEWER,
    "skip": Call("check_weakened", False, "skips something"),
}
"""By the method's name."""

SQL_METHODS = words(
    "sql execute executescript executemany execute_sql read_sql read_sql_query run_query query"
)
"""Methods whose first argument is SQL; `query` and `execute` only where it looks like it."""

WRITERS = ("write", "writeStream", "writeTo")
"""Attributes of a Spark frame that begin a write."""
WRITES = words("csv json parquet orc text save jdbc saveAsTable insertInto toTable start delta")
"""Methods that end one."""

LIMITS = words("""
    timeout timeout_s timeout_seconds timeout_sec retries max_retries n_retries retry max_attempts
    attempts tries wait_timeout connect_timeout read_timeout max_wait backoff
    """)
"""Arguments that mask a failure when they are raised."""

LENIENT = {
    "errors": ("coerce", "ignore", "replace"),
    "on_bad_lines": ("skip", "warn"),
    "error_bad_lines": (False,),
    "verify": (False,),
    "check": (False,),
    "validate": (False,),
    "ignore_errors": (True,),
    "missing_ok": (),
    "how": ("inner", "left_semi", "left_anti", "leftsemi", "leftanti"),
    "ignore_index": (),
    "mergeSchema": ("true", True),
}
"""Arguments, and values that let bad data through or drop rows."""
