"""Private keys: whole, with `\\n` written out, spread over log lines, or cut at either end."""

import re

_BEGIN = re.compile(r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_END = re.compile(r"-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_PUTTY = re.compile(r"Private-Lines: \d+")
_CUT_SAME_LINE = re.compile(r"(?:[A-Za-z0-9+/=]{16,}|\\+[nr]|[A-Za-z0-9+/=]+$)+")
_BODY_LINE = re.compile(
    r"[^\r\n]*[A-Za-z0-9+/=]{40,}[^\r\n]*|[ \t>|]*[A-Za-z0-9+/]{1,70}={0,2}[ \t]*(?![^\r\n])"
    r"|(?:Proc-Type|DEK-Info|Version|Comment): [^\r\n]*|[ \t]*(?![^\r\n])"
)
_LONG = re.compile(r"[A-Za-z0-9+/=]{40,}")
_LONE = re.compile(r"^[ \t]*([A-Za-z0-9+/]{64}|[A-Za-z0-9+/]{70})[ \t]*\r?$", re.MULTILINE)
_DER = re.compile(r"\bMII[CEJ][A-Za-z0-9+/]{100,}={0,2}")
_WHOLE = 20_000
"""A key of 16,384 bits with a prefix before each line is shorter than this."""

_MASK = "[REDACTED:private-key]"


def mask(text: str) -> str:
    """Replace the bodies of private keys, keeping their line breaks."""
    if "PRIVATE KEY" in text:
        text = _headless(_blocks(text, _BEGIN))
    if "Private-Lines: " in text:
        text = _blocks(text, _PUTTY)
    if "MII" in text:
        text = _DER.sub(_MASK, text)
    return _LONE.sub(_lone, text) if len(text) >= 64 else text


def _blocks(text: str, opening: re.Pattern[str]) -> str:
    out: list[str] = []
    done = 0
    for begin in opening.finditer(text):
        if begin.start() < done:
            continue
        out.append(text[done : begin.end()])
        done = _end(text, begin.end())
        out.append(_lines(text[begin.end() : done]))
    return "".join((*out, text[done:]))


def _end(text: str, start: int) -> int:
    """Return where the body that starts here ends: before its END line, or where it was cut."""
    again = text.find("-----BEGIN ", start, start + _WHOLE)
    end = _END.search(text, start, again if again >= 0 else start + _WHOLE)
    if end:
        return end.start()
    same = _CUT_SAME_LINE.match(text, start)
    at = same.end() if same else start
    while at < len(text) and text[at] in "\r\n":
        past = at + (2 if text.startswith("\r\n", at) else 1)
        line = _BODY_LINE.match(text, past)
        if line is None:
            break
        at = line.end()
    return at


def _lines(body: str) -> str:
    r"""Mask each line of the body; quotes and commas around it stay, `\n` written out goes."""
    return re.sub(r"[^\r\n]+", lambda m: _MASK if re.search(r"\w{2}", m[0]) else m[0], body)


def _headless(text: str) -> str:
    """Mask the lines before an END line whose BEGIN line was cut away."""
    for end in reversed(list(_END.finditer(text))):
        head = text[: end.start()]
        lines = head.split("\n")
        index = len(lines) - 1
        while index >= 0 and (_LONG.search(lines[index]) or (index == len(lines) - 1)):
            lines[index] = _LONG.sub(_MASK, lines[index])
            index -= 1
        text = "\n".join(lines) + text[end.start() :]
    return text


def _lone(match: re.Match[str]) -> str:
    body = match[1]
    # A line of base64 as long as a key's lines are; hashes are hexadecimal, so of one case.
    mixed = body != body.lower() and body != body.upper() and any(c.isdigit() for c in body)
    return match[0].replace(body, _MASK) if mixed else match[0]
