"""A secret-looking name beside a value: JSON, YAML, Python, environment dumps, options, conf calls.

A name alone proves nothing: `password: string` is a column, `unexpected token: 'from'` an error and
`token = get_token()` code. What is a type, a word of an error, a reference or an expression stays.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

# On lower case text: ignoring case is several times slower.
_NAME = re.compile(
    r"(?P<password>password|passwd|passphrase|passcode|(?<![a-z])pass(?![a-z])|pwd)"
    r"|(?P<secret>client[_.-]?secret|secret)"
    r"|(?P<key>(?:api|access|account|private|secret|auth|encryption|signing|master|shared|storage"
    r"|subscription|service|app|ssh|encrypt)[_. -]?key|apikey)"
    r"|(?P<token>token|(?<![a-z])(?:jwt|pat|sas)(?![a-z])|(?<![a-z])auth(?![a-z])|credentials?)"
)
_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_MARKS = ("pass", "pwd", "secret", "key", "token", "jwt", "pat", "sas", "auth", "credential")
_SUFFIX = re.compile(
    r"(?:[_-](?:value|plain|text|b64|base64|old|new|hash|id(?=_)|\d+)|\d)*", re.IGNORECASE
)
_SEPARATOR = re.compile(r"\\*[\"']?\]?[ \t]{0,8}(?:=>|:=|==|!=|=|:(?!:))[ \t]{0,8}")
_OPTION = re.compile(r"--[\w-]{0,40}$")
_SPACE = re.compile(r"[ \t]+(?![-\[{<(\s])")
_CALL = re.compile(
    r"\b(?:option|set|setenv|putenv|conf|config|header|add_header|setProperty|setdefault|options"
    r"|environ|getenv)\(\s*[\"'][\w.-]{0,80}$"
)
_FIRST_OF_TWO = re.compile(r"\([\"'][\w.-]{0,80}$")
_COMMA = re.compile(r"\\*[\"'][ \t]*,[ \t]*(?=\\*[\"'])")
_QUOTE = re.compile(r"[rbfuRBFU]{0,2}(\\*[\"'`])")
_BARE = re.compile(r"\$\{[^}\n]*\}|[^\s\"'`,;&|<>(){}\[\]]+")
_ENV_LINE = re.compile(r"(?:^|\n)[ \t]*(?:export +|declare -x +|set +|SET +)?[A-Z][A-Z0-9_]*$")
_YAML_LINE = re.compile(r"(?:^|\n)[ \t]*(?:- +)?[\"']?[\w.-]+$")
_REST = re.compile(r"[^\n\r]*")
_BLOCK = re.compile(r"[|>][+-]?[ \t]*\r?\n(?P<b>(?:(?P<i>[ \t]+)[^\n]*(?:\n(?P=i)[^\n]*)*))")
_PROSE = re.compile(r"(?:^|[^\w.,-])[A-Za-z]+[ ]$")

_PLACEHOLDER = re.compile(
    r"\[REDACTED(?::[a-z-]+)?\]|\[MASKED\]|\*{2,}|<[^>]*>|\$\{.*\}|\$\(.*|\{\{.*\}\}|\{[\w.!:\[\]'\"]*\}"
    r"|%[sdr]|%\(\w+\)s|%[A-Z_]+%|\$[A-Z][A-Z0-9_]*|\?+|:\w+|x{3,}|X{3,}|\.{3,}|-+|_+|[.,:;]+"
)
_REFERENCE = re.compile(
    r"(?:self|cls|os|config|cfg|settings?|args|conf|dbutils|env|options?|opts|creds|credentials|secrets?"
    r"|request|params|kwargs|spark|context|ctx|getpass|json|data|row|df|var|local|module|each)\."
    r"[\w.]+"
)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WORDS = _words(
    """
    none null nil true false yes no on off undefined nan str string int integer bigint smallint
    long float double decimal bool boolean bytes binary varchar char text date timestamp object
    any optional secretstr array struct map list dict tuple required missing invalid incorrect
    expired empty unset set is was are not must wrong expected unexpected unknown failed failure
    error denied rejected revoked authentication authorization header scheme basic bearer oauth
    oauth2 digest token tokens password secret key keys default disabled enabled found absent
    unauthorized forbidden malformed file env the a an for of in and or to from with has have
    cannot could does did should will type field column value name redacted masked hidden
    """
)


_LONGEST = 4000
"""Characters; a quote that is not closed within these is taken as cut, and all of it as secret."""


class _Value(NamedTuple):
    begin: int
    end: int
    quoted: bool


def secret_kind(name: str) -> str | None:
    """Return `password`, `secret`, `key` or `token` where the name says so, else None.

    `tokens`, `token_count` and `secret_scope` say nothing about their value's being secret.
    """
    for found in _NAME.finditer(name.translate(_LOWER)):
        end = _SUFFIX.match(name, found.end())
        if end and end.end() == len(name):
            return found.lastgroup
    return None


def placeholder(value: str) -> bool:
    """Return whether the value stands for another: a mask, a reference, a template, a format."""
    return _PLACEHOLDER.fullmatch(value) is not None


def harmless(value: str) -> bool:
    """Return whether the value is a type, a word of an error or a placeholder, and no secret."""
    bare = value.strip().rstrip(".,;:!")
    return bare.lower() in _WORDS or placeholder(bare) or not bare


def random(value: str) -> bool:
    """Return whether it looks drawn by a machine: letters and digits, or both cases, and long."""
    if len(value) < 8 or not value.isascii():
        return False
    digit, lower = any(c.isdigit() for c in value), any(c.islower() for c in value)
    upper = any(c.isupper() for c in value)
    return (digit and (lower or upper)) or (len(value) >= 20 and lower and upper)


def mask(text: str) -> str:
    """Replace the values beside secret-looking names."""
    out: list[str] = []
    done = 0
    for name in _names(text):
        if name.start() < done:
            continue
        value = _value(text, name)
        if value is None or not _secret(text, name, value):
            continue
        out += [text[done : value.begin], _mask(text[value.begin : value.end], name.lastgroup)]
        done = value.end
    return "".join((*out, text[done:]))


def _names(text: str) -> Iterator[re.Match[str]]:
    """Yield the secret-looking names; lines without a mark of one are skipped, for speed."""
    lower = text.translate(_LOWER)
    marks = [mark for mark in _MARKS if mark in lower]
    start = 0
    for line in lower.split("\n") if marks else ():
        if any(mark in line for mark in marks):
            yield from _NAME.finditer(lower, start, start + len(line))
        start += len(line) + 1


def _mask(value: str, kind: str | None) -> str:
    return (
        re.sub(r"[^\r\n]*[^\s][^\r\n]*", f"[REDACTED:{kind}]", value)
        if "\n" in value
        else (f"[REDACTED:{kind}]")
    )


def _value(text: str, name: re.Match[str]) -> _Value | None:
    """Return where the value of this name is; None where nothing is said about one."""
    suffix = _SUFFIX.match(text, name.end())
    at = suffix.end() if suffix else name.end()
    before = text[max(0, name.start() - 120) : name.start()]
    if separator := _SEPARATOR.match(text, at):
        return _after(text, separator.end(), before + text[name.start() : at], separator[0])
    if _OPTION.search(before) and (space := _SPACE.match(text, at)):
        return _after(text, space.end(), "", " ")
    if comma := _COMMA.match(text, at):
        value = _after(text, comma.end(), "", ",")
        if _CALL.search(before):
            return value
        last = value and text[value.end + 1 : value.end + 2] == ")" and _FIRST_OF_TWO.search(before)
        return value if value and last and random(text[value.begin : value.end]) else None
    return None


def _after(text: str, at: int, name: str, separator: str) -> _Value | None:
    if block := _BLOCK.match(text, at):
        return _Value(block.start("b"), block.end("b"), quoted=True)
    if quote := _QUOTE.match(text, at):
        return _quoted(text, quote)
    bare = _BARE.match(text, at)
    if bare is None:
        return None
    if separator == "=" and _ENV_LINE.search(name):
        rest = _REST.match(text, at)
        return _Value(at, rest.end() if rest else bare.end(), quoted=False)
    return _Value(at, bare.end(), quoted=False)


def _quoted(text: str, quote: re.Match[str]) -> _Value:
    """Return what stands between the quotes; to the end of the line where they are not closed."""
    mark, begin = quote[1], quote.end()
    inner = r"(?:\\.|[^\\\r\n])" if len(mark) == 1 else r"[^\r\n]"
    closed = re.compile(rf"{inner}{{0,{_LONGEST}}}?(?={re.escape(mark)})").match(text, begin)
    if closed:
        return _Value(begin, closed.end(), quoted=True)
    rest = _REST.match(text, begin)
    return _Value(begin, rest.end() if rest else begin, quoted=True)


def _secret(text: str, name: re.Match[str], value: _Value) -> bool:
    found = text[value.begin : value.end]
    kind = name.lastgroup
    if len(found) > _LONGEST:
        return True
    if harmless(found) or (kind != "password" and found.isdigit()):
        return False
    if name[0] in ("pass", "pwd") and (found.isdigit() or found.startswith(("/", "~"))):
        return False
    if kind == "token" and name[0] != "token" and not random(found):
        return False
    if value.quoted:
        return kind != "token" or not _in_prose(text, name) or random(found)
    return _bare_secret(text, name, value, found)


def _in_prose(text: str, name: re.Match[str]) -> bool:
    """Return whether the name follows another word, as in "unexpected token: x"."""
    return _PROSE.search(text[max(0, name.start() - 40) : name.start()]) is not None


def _bare_secret(text: str, name: re.Match[str], value: _Value, found: str) -> bool:
    after = text[value.end : value.end + 1]
    if after in ("(", "[") or _REFERENCE.fullmatch(found):
        return False
    if found.isidentifier():
        # `connect(password=password)` and `[--token TOKEN]` pass a name on.
        if name[0] in found.lower():
            return False
        said = ":" in text[name.end() : value.begin]
        if said and (after == " " or _in_prose(text, name)):
            return random(found)
    if name.lastgroup in ("token", "key") and not random(found):
        return not _in_prose(text, name) and len(found) >= 12
    return True
