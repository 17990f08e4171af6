"""Exceptions by class: the system that raises them, and what their messages name.

Rules kept here: a class is named short (`KeyError`, `OutOfMemoryError`); parameters are what the
message itself says; file and line only where the message itself carries them.
Sources: https://docs.python.org/3/library/exceptions.html,
https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

import re
from collections.abc import Mapping

from agent.matrix.logs import traces

_LENGTH = 4000
_MENTIONED = re.compile(
    r"\b(?P<class>(?:[A-Za-z_]\w*\.){0,8}[A-Z]\w{1,80}(?:Error|Exception))(?:: |\(['\"])|"
    r"(?:Error name - |[\"']ename[\"']\s*:\s*[\"'])(?P<named>[A-Z]\w{1,80})"
)
_SYSTEMS = (
    ("spark", re.compile(r"(?:org\.apache\.spark|pyspark)\.")),
    ("delta", re.compile(r"(?:io\.delta|org\.apache\.spark\.sql\.delta|delta)\.")),
    ("databricks", re.compile(r"(?:com\.)?databricks\.")),
    ("duckdb", re.compile(r"_?duckdb\.")),
    ("dbt", re.compile(r"dbt(?:_\w+)?\.")),
    ("java", re.compile(r"(?:javax?|org|com|io|scala|net|kafka|shaded|software)\.\w")),
)
_SPARK_CLASSES = re.compile(
    r"(?:Py)?Spark\w*(?:Exception|Error)|AnalysisException|ParseException|StreamingQueryException|"
    r"(?:Metadata)?FetchFailedException|QueryExecutionException|TempTableAlreadyExistsException|"
    r"NoSuch(?:Table|Database|Namespace|Partition|Function)Exception"
)
_DELTA_CLASSES = re.compile(
    r"Delta\w*Exception|(?:Concurrent\w+|MetadataChanged|ProtocolChanged)Exception"
)
_JAVA_CLASSES_NAMES = """
ArithmeticException ArrayIndexOutOfBoundsException ClassCastException ClassNotFoundException
ConnectException DateTimeException DateTimeParseException EOFException ExceptionInInitializerError
ExecutionException IOException IllegalArgumentException IllegalStateException
IndexOutOfBoundsException InterruptedException InvocationTargetException NoClassDefFoundError
NoRouteToHostException NoSuchElementException NoSuchFieldError NoSuchMethodError
NullPointerException NumberFormatException OutOfMemoryError RuntimeException SQLException
SQLRecoverableException SQLSyntaxErrorException SSLHandshakeException SocketException
SocketTimeoutException StackOverflowError TimeoutException UnknownHostException
UnsatisfiedLinkError UnsupportedClassVersionError UnsupportedOperationException
"""
_JAVA_CLASSES = frozenset(_JAVA_CLASSES_NAMES.split())
"""Java's own classes, which a log may name without their package."""
_DUCKDB_CLASSES = {"BinderException", "CatalogException", "ParserException", "ConversionException"}
_WORD = re.compile(r"(?:\w+[.])*_?[A-Z]\w*(?:Error|Exception)\b")

SQLSTATES: Mapping[str, str] = {
    "UndefinedTable": "42P01",
    "UndefinedColumn": "42703",
    "UndefinedFunction": "42883",
    "UndefinedObject": "42704",
    "InvalidSchemaName": "3F000",
    "InvalidCatalogName": "3D000",
    "DuplicateTable": "42P07",
    "DuplicateColumn": "42701",
    "DuplicateObject": "42710",
    "DuplicateSchema": "42P06",
    "AmbiguousColumn": "42702",
    "GroupingError": "42803",
    "DatatypeMismatch": "42804",
    "SyntaxError": "42601",
    "InsufficientPrivilege": "42501",
    "UniqueViolation": "23505",
    "ForeignKeyViolation": "23503",
    "NotNullViolation": "23502",
    "CheckViolation": "23514",
    "InvalidTextRepresentation": "22P02",
    "NumericValueOutOfRange": "22003",
    "StringDataRightTruncation": "22001",
    "DivisionByZero": "22012",
    "DeadlockDetected": "40P01",
    "SerializationFailure": "40001",
    "LockNotAvailable": "55P03",
    "QueryCanceled": "57014",
    "AdminShutdown": "57P01",
    "TooManyConnections": "53300",
    "DiskFull": "53100",
    "OutOfMemory": "53200",
}
"""Classes of `psycopg.errors`, which print no SQLSTATE."""

_IN_MESSAGES: Mapping[str, tuple[str, ...]] = {
    "KeyError": (r"^['\"]?(?P<key>[^'\"\n]{1,300})['\"]?$", r"^(?P<key>.{1,300})$"),
    "NameError": (r"name '(?P<name>[^']{1,200})' is not defined",),
    "UnboundLocalError": (r"variable '(?P<name>[^']{1,200})'",),
    "ModuleNotFoundError": (r"No module named ['\"]?(?P<module>[\w.-]{1,200})",),
    "ImportError": (
        r"cannot import name ['\"]?(?P<name>\w{1,200})['\"]? from "
        r"(?:partially initialized module )?['\"](?P<module>[\w.]{1,200})",
        r"No module named ['\"]?(?P<module>[\w.-]{1,200})",
        r"(?P<library>[\w.+-]{1,200}\.so[\d.]*): cannot open shared object",
    ),
    "AttributeError": (
        r"module '(?P<module>[^']{1,200})' has no attribute '(?P<attribute>[^']{1,200})'",
        r"(?:type object )?'(?P<type>[^']{1,200})' (?:object )?has no attribute "
        r"'(?P<attribute>[^']{1,200})'",
    ),
    "TypeError": (
        r"(?P<function>[\w.<>]{1,200})\(\) got (?:an unexpected|multiple values for) (?:keyword )?"
        r"argument '(?P<argument>[^']{1,200})'",
        r"(?P<function>[\w.<>]{1,200})\(\) missing \d+ required (?:positional|"
        r"keyword-only) arguments?: "
        r"(?P<argument>'[^\n]{1,300})$",
        r"(?P<function>[\w.<>]{1,200})\(\) takes (?:from )?(?P<expected>[\w ]{1,40}) "
        r"positional arguments? "
        r"but (?P<given>\d+)",
        r"unsupported operand type\(s\) for (?P<operator>[^:]{1,20}): '(?P<left>[^']{1,100})' and "
        r"'(?P<right>[^']{1,100})'",
        r"'(?P<operator>[<>=]{1,2})' not supported between instances of "
        r"'(?P<left>[^']{1,100})' and "
        r"'(?P<right>[^']{1,100})'",
        r"Object of type (?P<type>\w{1,100}) is not JSON serializable",
        r"'(?P<type>[^']{1,200})' object (?:is not|cannot|does not|has no)",
        r"(?:must be|expected) (?P<expected>[\w. ]{1,60}), not (?P<type>[\w.]{1,100})",
    ),
    "ValueError": (
        r"invalid literal for int\(\) with base \d+: ['\"](?P<value>[^\n]{0,300})['\"]$",
        r"could not convert string to float: ['\"]?(?P<value>[^'\"\n]{0,300})",
        r"time data ['\"](?P<value>[^\"']{0,200})['\"] (?:does not|doesn't) match "
        r"format ['\"](?P<format>[^\"']{0,200})",
        r"not enough values to unpack \(expected (?P<expected>[\w ]{1,20}), got (?P<given>\d+)",
        r"too many values to unpack \(expected (?P<expected>\d+)",
    ),
    "SyntaxError": (r"\((?P<path>[^()]{1,300}), line (?P<line>\d+)\)$",),
    "IndentationError": (r"\((?P<path>[^()]{1,300}), line (?P<line>\d+)\)$",),
    "UnicodeDecodeError": (
        r"'(?P<encoding>[\w-]{1,40})' codec can't decode bytes? "
        r"(?:0x)?(?P<byte>\w{1,4}) in position "
        r"(?P<position>[\d-]{1,20})",
    ),
    "JSONDecodeError": (r"line (?P<line>\d+) column (?P<column>\d+) \(char (?P<position>\d+)\)",),
    "ClassNotFoundException": (r"^(?P<class>[\w.$/]{1,300})",),
    "NoClassDefFoundError": (r"(?P<class>[\w.$/]{3,300})$",),
    "UnknownHostException": (r"^(?P<host>[\w.-]{1,253})",),
    "OutOfMemoryError": (r"^(?P<reason>[^\n]{1,200})$",),
    "CalledProcessError": (
        r"Command (?P<command>.{1,500}) (?:returned non-zero exit status (?P<exit_code>-?\d+)|"
        r"died with <?(?:Signals\.)?(?P<signal>SIG\w+))",
    ),
}
_IN_ANY = (
    r"\[Errno (?P<errno>-?\d+)\] [^:\n]{1,100}: '(?P<path>[^'\n]{1,500})'",
    r"^\[Errno (?P<errno>-?\d+)\]",
    r"^File (?P<path>(?:[a-z0-9]{1,10}:)?/[^\s]{1,500}) does not exist",
    r"ConnectionPool\(host='(?P<host>[^']{1,253})', port=(?P<port>\d{1,5})\)",
)


def carried(line: str, name: str | None = None) -> tuple[str, str] | None:
    """Return the class that a line names, as written, and its message; None where it names none.

    `name`: the class where it is known from the traceback above.
    """
    line = line[:_LENGTH]
    named = name or traces.exception_class(line)
    if named is None:
        return None
    return named, line.partition(named)[2].lstrip(": ").rstrip()


def mentioned(text: str) -> tuple[str, str] | None:
    """Return a class that a sentence names with its message, if it is no exception's own line."""
    found = _MENTIONED.search(text[:_LENGTH])
    if found is None:
        return None
    name = found["named"] or traces.innermost(text[:_LENGTH], found.end("class"), found["class"])
    return name, text[text.index(name) + len(name) : _LENGTH].lstrip(": ")


def short(name: str) -> str:
    """Return a class without its package: `java.lang.OutOfMemoryError` -> `OutOfMemoryError`."""
    return re.split(r"[.:$]", name.rstrip("."))[-1]


def last_class(text: str) -> str | None:
    """Return the class that stands right before a message, short; None where there is none."""
    found = re.search(r"([A-Za-z_][\w.$]{0,200}):?\s*$", text[-250:])
    return short(found[1]) if found and _WORD.fullmatch(found[1].replace("$", ".")) else None


def system(name: str, line: str) -> str:
    """Return who raises a class, by its package, else by the line it stands in."""
    if name.startswith("org.apache.spark.sql.delta"):
        return "delta"
    for known, pattern in _SYSTEMS:
        if pattern.match(name):
            return known
    if _SPARK_CLASSES.fullmatch(name):
        return "spark"
    if _DELTA_CLASSES.fullmatch(name):
        return "delta"
    if name in _DUCKDB_CLASSES:
        return "duckdb"
    java = name in _JAVA_CLASSES or line.lstrip().startswith("Caused by")
    return "java" if java else "python"


def parameters(name: str, message: str) -> dict[str, str]:
    """Return what an exception's message names, by class."""
    text = message[:_LENGTH].strip()
    head = text.partition("\n")[0]
    for pattern in (*_IN_MESSAGES.get(name, ()), *_IN_ANY):
        found = re.search(pattern, head)
        if found is not None:
            return {key: value for key, value in found.groupdict().items() if value}
    return {}
