"""Secrets are masked wherever they may show; what a diagnosis needs stays readable."""

import base64
import json
import re
import subprocess
import sys
import time
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from agent import redaction

KEY_LINES = [
    "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj",
    "MzEfYyjiWA4R4/M2bS1GB4t7NXp98C3SC6dVMvDuictGeurT8jNbvJZHtCSuYEvu",
    "NMoSfm76oqFvAp8Gy0iz5sxjZmSnXyCdPEovGhLa0VzMaQ8s+CLOyS56YyCFGeJZ",
]
PEM = "\n".join(["-----BEGIN PRIVATE KEY-----", *KEY_LINES, "-----END PRIVATE KEY-----"])

SECRETS = {
    "a Databricks token": ("token is dapi0123456789abcdef0123456789abcdef ok", "dapi0123456789"),
    "a Databricks OAuth secret": ("dose" + "0a1b" * 8, "0a1b0a1b"),
    "an Anthropic key": ("using sk-ant-api03-AbCdEf123456", "api03-AbC"),
    "a JWT": ("got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-DEF_123", "eyJzdWIi"),
    "a cut JWT": ("got eyJhbGciOiJIUzI1NiIsInR5cCI6", "IUzI1NiIs"),
    "a bearer header": ("Authorization: Bearer abcdef", "abcdef"),
    "a basic header": ("Authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
    "a signed header": ('authorization: Signature keyId="o/u/f",signature="aBcD=="', "aBcD=="),
    "a bare bearer": ("sent bearer a1b2c3d4e5f6", "a1b2c3d4e5f6"),
    "a header in JSON": ('{"Authorization": "Bearer abc123def", "x": 1}', "abc123def"),
    "a cookie": ("Cookie: sid=abc123; theme=dark", "abc123"),
    "a database address": ("postgres://etl:p@ss/w0rd@db:5432/x failed", "w0rd"),
    "an Oracle address": ("jdbc:oracle:thin:scott/tiger9@//db:1521/pdb", "tiger9"),
    "an ODBC string": ("Driver=x;Server=db;UID=sa;Pwd=Str0ng;Encrypt=yes", "Str0ng"),
    "a JDBC option": ('.option("password", "correct horse")', "correct horse"),
    "a signed address": ("https://x.blob.core.windows.net/c?sv=1&sig=aBc%2BdEf%3D&se=2", "aBc%2B"),
    "an S3 signature": ("https://b.s3.aws.com/k?X-Amz-Signature=0f0f0f0f0f&x=1", "0f0f0f0f0f"),
    "a pre-authenticated request": ("https://o.com/p/AbC-dEf_123/n/ns/b/bk/o/f", "AbC-dEf_123"),
    "a key of AWS": ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLE", "wJalrXUt"),
    "an access key of AWS": ("id AKIAIOSFODNN7EXAMPLE", "IOSFODNN7"),
    "a key of GitHub": ("remote: ghp_abcdefghijklmnopqrstuvwxyz0123456789", "abcdefghij"),
    "a token in an address": ("https://ghs_1234567890abcdefghij@github.com/x", "1234567890abc"),
    "a key of Slack": ("xoxb-1234567890-abcdefghij", "abcdefghij"),
    "a key of Azure storage": ("AccountName=a;AccountKey=" + "aB3/" * 21 + "aB==;x", "aB3/aB3/"),
    "a key in a Spark setting": (
        'spark.conf.set("fs.azure.account.key.a.dfs.core.windows.net", "aBcDeFgHiJkLmNoP==")',
        "aBcDeFgH",
    ),
    "a key of Google": ("AIzaSyA1234567890abcdefghijklmnopqrstuv", "SyA12345"),
    "a key known to detect-secrets only": ("sid SK" + "0a1b2c3d" * 4, "0a1b2c3d"),
    "a password in YAML": ("db:\n  password: hunter\n  user: x", "hunter"),
    "a password in a block of YAML": ("password: |\n  first line\n  second\nuser: x", "second"),
    "a password in a Python dict": ("{'user': 'x', 'db_password': 'hunter two'}", "hunter two"),
    "a password in escaped JSON": (r'"{\"password\": \"hunter2\", \"a\": 1}"', "hunter2"),
    "a password in a repr": ("Config(user='x', password='hunter2')", "hunter2"),
    "a password in a pair": ("('db_password', 'hunter2abc')", "hunter2abc"),
    "a password in a diff": ("+PASSWORD = 'hunter2'", "hunter2"),
    "a password as an option": ("run --password hunter2 --token abc123def456", "hunter2"),
    "a password that is cut": ("{'password': 'hunter2-and-mo", "hunter2"),
    "a password in SQL": ("ALTER USER x WITH PASSWORD 'hunter2'", "hunter2"),
    "a dump of the environment": ("PATH=/bin\nDB_PASSWORD=a b c,d\nHOME=/x", "a b c,d"),
}


@pytest.mark.parametrize(("text", "secret"), SECRETS.values(), ids=SECRETS)
def test_a_secret_is_masked_in_place(text: str, secret: str) -> None:
    """Cases 45 and 47."""
    masked = redaction.mask(text)
    assert secret in text
    assert secret not in masked
    assert "[REDACTED:" in masked
    assert masked.count("\n") == text.count("\n")
    assert redaction.mask(masked) == masked
    assert redaction.has_mask(masked)


HARMLESS = [
    "KeyError: 'password'",
    "ModuleNotFoundError: No module named 'tokens'",
    "TypeError: connect() got an unexpected keyword argument 'password'",
    "SyntaxError: Unexpected token: 'from' at line 3",
    "[PARSE_SYNTAX_ERROR] Syntax error at or near 'token'. SQLSTATE: 42601",
    "ValueError: Invalid token: expired at 10:00",
    "AuthenticationError: Bearer authentication failed; Basic authentication required",
    "Authorization: permission denied for user etl",
    "Secret does not exist with scope: kv and key: db-password",
    " |-- password: string (nullable = true)",
    "columns: ['id', 'password', 'token', 'email']",
    'frame.select("token", "user")',
    'password = dbutils.secrets.get(scope="kv", key="db_password")',
    "token = get_token()",
    "connect(user=user, password=password)",
    "password: ${DB_PASSWORD}",
    '"password": null, "token": ""',
    "usage: job.py [--token TOKEN] [--password PASSWORD]",
    "max_tokens: 8000, input_tokens=500",
    "PWD=/home/etl/work",
    "run 123456789012345 attempt 2",
    "run 123e4567-e89b-12d3-a456-426614174000 at 2026-07-01T00:00:00Z",
    "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "ocid1.instance.oc1.iad.anuwcljtqhprs2yc7zabcdefghijklmnopqrstuvwxyz234567abcdefgh",
    "https://adb-1234567890123456.7.azuredatabricks.net/?o=1#job/11/run/22",
    "https://host:8080/path@v1 and abfss://container@account.dfs.core.windows.net/x",
    'File "/usr/lib/python3/site-packages/tokens/secret.py", line 12, in password',
    "pass: 5 fail: 2",
    "1751328000:9fceb02d0ae598e95dc970b74767f19372d61af8",
]


@pytest.mark.parametrize("line", HARMLESS)
def test_a_line_that_a_diagnosis_needs_is_not_touched(line: str) -> None:
    """Cases 46 and 48."""
    assert redaction.mask(line) == line
    assert not redaction.has_mask(line)


@pytest.mark.parametrize(
    "text",
    [
        PEM,
        PEM.replace("\n", "\r\n"),
        PEM.replace("\n", "\\n"),
        "\n".join(f"2026-07-01 10:00:00 INFO {line}" for line in PEM.split("\n")),
        "\n".join(PEM.split("\n")[:-1]),
        "\n".join(PEM.split("\n")[:-1]) + "\nTraceback (most recent call last):\n  oops",
        "\n".join(PEM.split("\n")[1:]),
        KEY_LINES[1],
        "key: |\n" + "\n".join("  " + line for line in PEM.split("\n")),
        repr({"key_content": PEM}),
        json.dumps({"a": PEM}),
        "".join(KEY_LINES),
    ],
)
def test_a_private_key_is_masked_however_it_is_cut_or_written(text: str) -> None:
    """Case 45: split over lines, with \\n written out, behind a prefix, without head or tail."""
    masked = redaction.mask(text)
    for line in KEY_LINES:
        assert line[8:40] not in masked
    assert masked.count("\n") == text.count("\n")
    assert ("Traceback" in masked) == ("Traceback" in text)
    assert redaction.mask(masked) == masked


def test_values_of_secret_variables_are_masked_in_every_spelling() -> None:
    """Cases 45 and 47: this process's own secrets, plain, base64 and URL-encoded."""
    value = "tr/ee+house=9 x"
    program = (
        "import sys; from agent import redaction;sys.stdout.write(redaction.mask(sys.stdin.read()))"
    )
    text = "\n".join(
        [
            value,
            quote(value, safe=""),
            base64.b64encode(value.encode()).decode(),
            base64.b64encode(b"user:" + value.encode()).decode(),
            json.dumps({"x": value}),
            "sqlpass9 but not xsqlpass90",
            "flag on",
        ]
    )
    env = {"ETL_API_TOKEN": value, "DB": "postgres://u:sqlpass9@h/d", "MY_PASSWORD": "on"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=text,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.split("\n")
    assert all("[REDACTED:known]" in line for line in lines[:6])
    assert "house" not in done.stdout
    assert base64.b64encode(value.encode()).decode()[4:12] not in done.stdout
    assert lines[6] == "flag on"


def test_a_registered_value_is_masked_from_then_on() -> None:
    assert redaction.mask("the word is xyzzy-4711") == "the word is xyzzy-4711"
    redaction.register("xyzzy-4711")
    assert redaction.mask("the word is xyzzy-4711") == "the word is [REDACTED:known]"
    redaction.register("go")
    assert redaction.mask("go on") == "go on"


def test_json_is_masked_by_its_keys_and_inside_its_strings() -> None:
    value: JsonValue = {
        "status": "ok",
        "password": "hunter",
        "items": [{"api_key": "k" * 12, "n": 3, "token": None}],
        "log": "password=hunter2",
        "tokens": 12,
        "user": "etl",
    }
    assert redaction.mask_json(value) == {
        "status": "ok",
        "password": "[REDACTED:password]",
        "items": [{"api_key": "[REDACTED:key]", "n": 3, "token": None}],
        "log": "password=[REDACTED:password]",
        "tokens": 12,
        "user": "etl",
    }


@pytest.mark.parametrize(
    "text",
    [
        "- name: db_password\n  value: S3cr3t,tide}9\n- name: day\n  value: '2026'",
        '[{"name": "api_token", "value": "S3cr3t"}, {"name": "day", "value": "1"}]',
        '{\n  "name": "api_token",\n  "value": "S3cr3t"\n}',
        '{\\"name\\": \\"db_password\\", \\"value\\": \\"S3cr3t\\"}',
        "+  - default: S3cr3t\n+    name: db_password",
        "{name: db_password, value: S3cr3t}",
    ],
)
def test_a_parameter_is_masked_where_its_name_is_a_value_too(text: str) -> None:
    masked = redaction.mask(text)
    assert not any(part in masked for part in ("S3cr3t", "tide", "9"))
    assert masked.count("\n") == text.count("\n")
    assert all(word in masked for word in ("2026", "day") if word in text)
    assert redaction.mask(masked) == masked


def test_named_values_of_json_are_masked_by_their_names() -> None:
    value: JsonValue = [
        {"name": "db_password", "value": "x y"},
        {"key": "api_key", "default": "z"},
        {"name": "day", "value": "2026"},
        {"name": "db_password", "value": "{{secrets/db}}"},
        {"name": "reset_password", "type": "string", "tasks": ["a"]},
    ]
    assert redaction.mask_json(value) == [
        {"name": "db_password", "value": "[REDACTED:password]"},
        {"key": "api_key", "default": "[REDACTED:key]"},
        *value[2:],
    ]


@pytest.mark.parametrize(
    "text",
    [
        "- name: db_password\n  value: '{{secrets/db}}'",
        "- name: db_password\n  value: ${DB_PASSWORD}",
        "- {name: token, default: null}",
        "name: password\ndescription: x\nvalue: 3",
        '{"name": "token", "type": "string"}',
    ],
)
def test_a_named_value_that_is_no_secret_stays(text: str) -> None:
    assert redaction.mask(text) == text


@pytest.mark.parametrize(
    "text", ["x = '***'", "password=****", "[REDACTED:jwt]", "[REDACTED]", "://u:***@h"]
)
def test_a_placeholder_is_recognised(text: str) -> None:
    """Case 48b."""
    assert redaction.has_mask(text)
    assert redaction.count_masks(text + "\n" + text) == 2


@pytest.mark.parametrize("text", ["a ** b", "# *** done ***", "/***/", "x = 2 ** 3", "[red]"])
def test_an_ordinary_line_is_no_placeholder(text: str) -> None:
    assert not redaction.has_mask(text)


def test_what_could_fool_a_terminal_becomes_visible() -> None:
    """Case 8: clear screen, window title, bidirectional, zero-width, NUL, lone surrogates."""
    text = "a\x1b[2Jb\x1b]0;title\x07c\u202ed\u200be\x00f\udc80g\rh\u2028i"
    shown = redaction.printable(text)
    assert shown == ("a\\x1b[2Jb\\x1b]0;title\\x07c\\u202ed\\u200be\\x00f\\udc80g\\rh\\u2028i")
    shown.encode()
    assert (
        redaction.printable("\x1b[31mred\x1b[0m\tand\nnext\r\nline ä 漢")
        == "red\tand\nnext\nline ä 漢"
    )
    assert redaction.printable("\x1b[\x1b[31m2J") == "\\x1b[2J"


@given(st.text())
def test_printable_text_holds_no_control_and_stays_so(text: str) -> None:
    shown = redaction.printable(text)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b]", shown)
    assert redaction.printable(shown) == shown


PIECES = (
    [text for text, _ in SECRETS.values()]
    + HARMLESS
    + [PEM, "\n", " ", "=", "'", '"', "\\", "@", "{"]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=12)), max_size=6))
def test_masking_twice_is_masking_once_and_keeps_the_lines(parts: list[str]) -> None:
    text = "".join(parts)
    masked = redaction.mask(text)
    assert redaction.mask(masked) == masked
    assert masked.count("\n") == text.count("\n")


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["password", "db_password", "API_KEY", "client_secret", "clientSecret"]),
    st.from_regex(r"[A-Za-z][A-Za-z0-9]{6,20}[0-9]", fullmatch=True),
    st.sampled_from(['{}="{}"', "{}='{}'", '"{}": "{}"', "{}: '{}'", "{}={}", "export {}={}"]),
)
def test_any_value_beside_a_secret_name_is_masked(name: str, value: str, shape: str) -> None:
    assert value not in redaction.mask(shape.format(name, value)).replace(name, "")


@pytest.mark.parametrize(
    "line",
    [
        "2026-07-01 INFO row 12345 loaded /data/x.csv in 12ms\n",
        "password='",
        "a",
        "://a:",
        "-----BEGIN PRIVATE KEY-----\n",
        "eyJ.",
        "authorization: ",
        "\\",
        "@",
    ],
)
def test_a_megabyte_is_masked_in_time_whatever_it_holds(line: str) -> None:
    """Case 8: no text makes masking slow; the limit is generous for a busy machine."""
    text = (line * (1_000_000 // len(line) + 1))[:1_000_000]
    start = time.process_time()
    redaction.mask(text)
    assert time.process_time() - start < 5


def test_a_healthy_value_costs_no_import_of_the_rule_set() -> None:
    program = (
        "import sys; from agent import redaction;"
        'redaction.mask(\'{"status": "ok", "total": 30, "path": "/tmp/a"}\');'
        "print(any(m.startswith(('detect_secrets', 'requests', 'pydantic')) for m in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_every_detector_of_the_rule_set_is_used_or_left_out_with_a_reason() -> None:
    import pkgutil

    import detect_secrets.plugins as theirs

    from agent.redaction import detectors

    there = {module.name for module in pkgutil.iter_modules(theirs.__path__)}
    used = {detector.module for detector in detectors.USED}
    assert there == used | set(detectors.LEFT_OUT)
    assert not used & set(detectors.LEFT_OUT)
    assert all(detectors.LEFT_OUT.values())
