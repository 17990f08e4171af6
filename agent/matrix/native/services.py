"""Errors that services name themselves: ORA- numbers, AIDP codes, API error codes, HTTP, processes.

Rules kept here: a place in an Oracle stack (ORA-06512, ORA-02063) and a shell around a cause are
not the error; a status, exit code or signal is a name only where there is none better.
Sources: https://docs.oracle.com/en/error-help/db/,
https://docs.oracle.com/en-us/iaas/Content/API/References/apierrors.htm,
https://docs.databricks.com/api/workspace/introduction, https://botocore.amazonaws.com/v1/
documentation/api/latest/client_upgrades.html, https://man7.org/linux/man-pages/man7/signal.7.html
"""

import re
import signal
from typing import NamedTuple


class Native(NamedTuple):
    """A name that an error has in its own system."""

    system: str
    code: str
    parameters: dict[str, str]
    sqlstate: str | None = None


_ORACLE = re.compile(r"\b(?:ORA|TNS|DPY|DPI|PLS|KUP|IMP|EXP|RMAN|LRM|SP2)-\d{4,5}\b")
_HELP = re.compile(r"(?m)^\s*Help: .*$|https://docs\.oracle\.com/\S{1,200}")
_SHELLS = frozenset(
    (
        "ORA-06512",
        "ORA-02063",
        "ORA-00604",
        "ORA-04088",
        "ORA-06550",
        "ORA-12801",
        "ORA-29913",
        "ORA-29400",
        "ORA-39126",
        "DPY-6005",
    )
)
_NAME = r"[\"\w$#.]{1,260}"
_IN_ORACLE = tuple(
    re.compile(pattern)
    for pattern in (
        rf"ORA-00904: (?P<column>{_NAME}): ",
        rf"ORA-00942: table or view (?P<table>\"{_NAME}) does not exist",
        rf"ORA-04043: object (?P<object>{_NAME}) does not exist",
        rf"ORA-01918: user '?(?P<user>{_NAME})",
        rf"ORA-00001: unique constraint \((?P<constraint>{_NAME})\) violated"
        rf"(?: on table (?P<table>{_NAME}) columns \((?P<columns>[^)]{{1,500}})\))?",
        rf"ORA-0229[0-2]: [\w ]{{1,40}} \((?P<constraint>{_NAME})\)",
        rf"ORA-01400: cannot insert NULL into \((?P<column>{_NAME})\)",
        rf"ORA-01407: cannot update \((?P<column>{_NAME})\)",
        rf"ORA-12899: value too large for column (?P<column>{_NAME}) "
        r"\(actual: (?P<actual>\d+), maximum: (?P<maximum>\d+)\)",
        r"ORA-0165[0-9]: unable to extend \w+(?: \w+)? (?P<object>[\w.$#]{1,260})?.{0,80}"
        r"tablespace (?P<tablespace>\w{1,128})",
        r"ORA-01536: .{0,60}tablespace '(?P<tablespace>\w{1,128})'",
        r"ORA-01722: unable to convert string value containing (?P<value>.{1,200}?) to a number"
        rf"(?:: (?P<column>{_NAME}))?",
        r"(?:ORA-1251[4-8]|DPY-6001|DPY-6003): .{0,60}(?:(?i:service)|SID)(?: name)? "
        r"\"?(?P<service>[\w.-]{1,260})"
        r"\"? is not registered with the listener at host "
        r"\"?(?P<host>[\w.:-]{1,253}?)\"? port (?P<port>\d+)",
        r"(?:ORA-12541|DPY-6\d\d\d): .{0,80}host \"?(?P<host>[\w.:-]{1,253}?)\"? port "
        r"(?P<port>\d+)",
        r"ORA-12154: .{0,60}connect identifier (?P<identifier>[\w.-]{1,260})",
        r"PLS-00201: identifier '(?P<identifier>[^']{1,260})' must be declared",
        r"PLS-00306: wrong number or types of arguments in call to '(?P<routine>[^']{1,260})'",
    )
)
_TERMINATION = re.compile(
    r"\b(?P<code>[A-Z][A-Z0-9_]{3,80}) ?\((?P<type>CLIENT_ERROR|SERVICE_FAULT|CLOUD_FAILURE)\)|"
    r"[\"']termination_(?:code|reason)[\"']\s*:\s*[\"'](?P<code2>[A-Z][A-Z0-9_]{3,80})[\"']"
)
_AIDP = re.compile(r"\b(?P<code>(?:WORKFLOW|JOB_VALIDATE|AIDP)_(?:[A-Z]+_)*\d{4})\b")
_API = re.compile(
    r"\b(?P<code>RESOURCE_DOES_NOT_EXIST|RESOURCE_ALREADY_EXISTS|RESOURCE_CONFLICT|ENDPOINT_NOT_FOUND|"
    r"PERMISSION_DENIED|UNAUTHENTICATED|INVALID_PARAMETER_VALUE|INVALID_STATE|BAD_REQUEST|"
    r"REQUEST_LIMIT_EXCEEDED|RESOURCE_EXHAUSTED|RESOURCE_LIMIT_EXCEEDED|TEMPORARILY_UNAVAILABLE|"
    r"QUOTA_EXCEEDED|FEATURE_DISABLED|MALFORMED_REQUEST|DEADLINE_EXCEEDED|FAILED_PRECONDITION|"
    r"CATALOG_DOES_NOT_EXIST|SCHEMA_DOES_NOT_EXIST|TABLE_DOES_NOT_EXIST|METASTORE_DOES_NOT_EXIST|"
    r"MAX_NODE_SIZE_EXCEEDED|MAX_NOTEBOOK_SIZE_EXCEEDED|IO_ERROR|CUSTOMER_UNAUTHORIZED|"
    r"NotAuthorizedOrNotFound|NotAuthorizedOrResourceAlreadyExists|NotAuthenticated|TooManyRequests|"
    r"LimitExceeded|QuotaExceeded|InternalServerError|CannotParseRequest|InvalidParameter|"
    r"MissingParameter|IncorrectState|InvalidatedRetryToken|NoEtagMatch|OutOfHostCapacity|"
    r"BucketNotFound|ObjectNotFound|NamespaceNotFound|BucketAlreadyExists)\b"
)
_JSON_CODE = re.compile(
    r"[\"']?\b(?:error_code|errorCode|error-code|ErrorCode)[\"']?\s*[:=]\s*[\"']?"
    r"(?P<code>[A-Za-z][A-Za-z0-9_.]{2,80})|"
    r"[\"']code[\"']\s*:\s*[\"'](?P<code2>[A-Za-z][A-Za-z0-9_.]{2,80})[\"']"
)
_AWS = re.compile(
    r"An error occurred \((?P<code>[A-Za-z][\w.]{1,80})\) when calling the "
    r"(?P<operation>\w{2,80}) operation"
)
_S3A = re.compile(
    r"\bError Code: (?P<code>\w{2,80})\b|\bAmazonS3Exception: .{0,200}Service: "
    r"(?P<service>[\w ]{1,40});"
)
_AZURE = re.compile(
    r"\b(?:ErrorCode|[Ee]rror code|Code): ?(?P<code>[A-Z][A-Za-z]{3,80})\b|"
    r"^(?:\S{1,120}: )?\((?P<code2>[A-Z][A-Za-z]{5,80})\) "
)
_ENTRA = re.compile(r"\b(?P<code>AADSTS\d{4,8})\b")
_GOOGLE = re.compile(
    r"\b(?P<status>[45]\d\d) (?P<method>GET|POST|PUT|PATCH|DELETE|HEAD) (?P<url>https?://[^\s?]{0,400}[^\s?:.,])"
)
_AWS_STATUS = re.compile(
    r"An error occurred \((?P<status>\d{3})\) when calling (?:the )?(?P<operation>\w{2,80})"
)
_URL = re.compile(r"\bfor url: (?P<url>https?://[^\s?]{0,400}[^\s?:.,])")
_STATUS = re.compile(
    r"(?i)\b(?:HTTP(?:/\d(?:\.\d)?)?(?: status)?(?: code)?|status(?:[ _]?code)?|error "
    r"code|response(?: code)?)"
    r"[\"']?\s*[:=]?\s*-?\s*['\"(\[]?(?P<status>[45]\d\d)\b"
    r"|\b(?P<status2>[45]\d\d) (?:Client|Server) Error\b"
    r"|\b(?P<status3>40[0-9]|409|41[0-9]|42[0-9]|50[0-4]):? (?:Bad Request|Unauthorized|"
    r"Forbidden|Not Found|"
    r"Conflict|Gone|Too Many Requests|Internal Server Error|Bad Gateway|Service "
    r"Unavailable|Gateway Time)"
)
_REQUEST = re.compile(
    r"(?i)[\"']?(?:opc-request-id|x-amz-request-id|x-ms-request-id|request[_ "
    r"-]?id)[\"']?\s*[:=]\s*[\"']?"
    r"(?P<request_id>[\w/.-]{6,200})"
)
_DBT = re.compile(
    r"\b(?P<code>(?:Compilation|Runtime|Database|Parsing|Dependency|Validation|Internal|"
    r"Unhandled) Error)"
    r"(?: in (?P<resource>model|test|snapshot|seed|macro|operation|analysis|unit_test|source) "
    r"(?P<node>[\w.]{1,200})(?: \((?P<path>[^()\s]{1,300})\))?|(?m:\s*$))"
)
_DUCKDB = re.compile(
    r"(?:^|[\s:])(?P<code>(?:Binder|Catalog|Parser|Conversion|Constraint|IO|Out of "
    r"Memory|Invalid Input|"
    r"Transaction|Permission|Dependency|Serialization|Not implemented|Missing Extension|HTTP|Fatal|"
    r"INTERNAL|TransactionContext|Connection) Error): "
)
_EXIT = re.compile(
    r"(?i)\b(?:exit(?:ed|ing)?(?:[ _](?:with|unexpectedly))?(?: (?:non-zero|a))?(?:[ "
    r"_]?(?:status|code))*|return(?:ed)?(?: with)?(?: code)|"
    r"returned non-zero exit status|exitCode|exit_code)[^\w-]{0,3}(?P<code>-?\d{1,10})\b"
)
_SIGNAL = re.compile(
    r"\bNegsignal\.(?P<name>SIG[A-Z]+)|\b(?P<name2>SIG(?:KILL|TERM|SEGV|ABRT|BUS|INT|HUP|ILL|FPE|XCPU|PIPE|QUIT))\b"
    r"|(?i:\b(?:signal|died with signal|killed by signal)\W{1,3}(?P<number>\d{1,2}))\b"
    r"|(?P<killed>(?:^|[\s:])Killed\b|\bOOMKilled\b)|(?P<crashed>Segmentation fault|core dumped)"
)


def oracle(text: str) -> Native | None:
    """Return the first meaningful number of an Oracle error stack, with what its message names."""
    text = _HELP.sub("", text)
    found = _ORACLE.findall(text)
    if not found:
        return None
    causes = [code for code in found if code not in _SHELLS]
    code = causes[0] if causes else found[0]
    rest = text[text.index(code) :]
    for pattern in _IN_ORACLE:
        match = pattern.match(rest)
        if match is not None:
            return Native("oracle", code, _given(match))
    return Native("oracle", code, {})


def aidp(text: str) -> Native | None:
    """Return the code that Oracle AI Data Platform gives a failure."""
    found = _AIDP.search(text)
    return Native("aidp", found["code"], {}) if found else None


_CLICKHOUSE = re.compile(
    r"\bCode: (?P<number>\d{1,4})[.,].{0,60}DB::Exception"
    r"(?:: .{0,600}\((?P<name>[A-Z][A-Z_]{3,60})\))?"
)


def clickhouse(text: str) -> Native | None:
    """Return the code that ClickHouse gives an error, by its name where the text has it.

    Source: https://clickhouse.com/docs/en/native-protocol/server
    """
    found = _CLICKHOUSE.search(text)
    if found is None:
        return None
    return Native("clickhouse", found["name"] or found["number"], {"error_code": found["number"]})


def termination(text: str) -> Native | None:
    """Return why Databricks ended a cluster.

    Source: https://docs.databricks.com/api/workspace/clusters/get
    """
    found = _TERMINATION.search(text)
    if found is None:
        return None
    kind = {"type": found["type"]} if found["type"] else {}
    return Native("databricks", found["code"] or found["code2"], kind)


def api(text: str) -> Native | None:
    """Return the error code of a REST API's answer, with status, operation and request."""
    for pattern in (_AWS, _ENTRA, _API, _JSON_CODE, _S3A, _AZURE):
        found = pattern.search(text)
        code = found and (found["code"] or found.groupdict().get("code2"))
        if found and code:
            more = {k: v for k, v in _given(found).items() if not k.startswith("code")}
            return Native("http", code, {**status(text), **more})
    return None


def status(text: str) -> dict[str, str]:
    """Return an answer's status, method, address and request id, where the text has them."""
    found: dict[str, str] = {}
    for pattern in (_AWS_STATUS, _GOOGLE, _STATUS, _URL, _REQUEST):
        match = pattern.search(text)
        if match is not None:
            found = {**{key.rstrip("23"): value for key, value in _given(match).items()}, **found}
    return found


def dbt(text: str) -> Native | None:
    """Return the kind of a dbt error, with its node and file."""
    found = _DBT.search(text)
    if found is None:
        return None
    return Native("dbt", found["code"], {k: v for k, v in _given(found).items() if k != "code"})


def duckdb(text: str) -> Native | None:
    """Return the kind of a DuckDB error in DuckDB's own words."""
    found = _DUCKDB.search(text)
    return Native("duckdb", found["code"], {}) if found else None


def process(text: str) -> Native | None:
    """Return how a process ended: its exit code, or the signal that ended it."""
    ended = _SIGNAL.search(text)
    coded = _EXIT.search(text)
    number = int(coded["code"]) if coded else 0
    name = _signal_name(ended, number)
    given: dict[str, str] = {}
    if number:
        given["exit_code"] = str(number)
    if name:
        given["signal"] = name
    if not given:
        return None
    return Native("process", str(number) if number else name, given)


def _signal_name(found: re.Match[str] | None, number: int) -> str:
    if found is not None:
        if named := found["name"] or found["name2"]:
            return str(named)
        if found["number"]:
            return _called(int(found["number"]))
        return "SIGKILL" if found["killed"] else "SIGSEGV"
    return _called(-number if number < 0 else number - 128 if 128 < number < 160 else 0)


def _called(number: int) -> str:
    try:
        return signal.Signals(number).name if number else ""
    except ValueError:
        return ""


def _given(found: re.Match[str]) -> dict[str, str]:
    return {key: value for key, value in found.groupdict().items() if value}
