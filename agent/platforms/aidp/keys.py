"""What the files of a profile hold: private keys, and the session token.

Rules kept here: a file is read each time, since somebody may have replaced it; nothing of it is
written or shown.

Source: https://docs.oracle.com/en-us/iaas/Content/API/Concepts/sdkconfig.htm
"""

import base64
import binascii
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from agent.errors import UsageError
from agent.platforms.aidp import sdk
from agent.platforms.aidp.profiles import Identity


# Checking a private key takes longer than a call, and a process connects many times with the same
# one. What the files say is read each time; a key that cannot be used is no result, and not kept.
@lru_cache(maxsize=8)
def by_key(who: tuple[str, str, str], key: str, phrase: str | None) -> Any:
    """Return the signer of a tenancy, user and fingerprint; it keeps nothing of what it signs."""
    return sdk.load("oci.signer").Signer(*who, None, phrase, key)


@lru_cache(maxsize=8)
def private(key: str, phrase: str | None) -> Any:
    """Return the private key that a text is."""
    return sdk.load("oci.signer").load_private_key(key, phrase)


def text(identity: Identity, key: str) -> str:
    """Return what the file says that a key of the profile names."""
    file = Path(identity.said[key]).expanduser()
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{identity.file}: {key} of profile {identity.profile} names {file}, which cannot be "
            f"read: {error}"
        ) from error


def expiry(token: str) -> float | None:
    """Return when a token ends, in seconds since the epoch; None where it does not say."""
    part = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        said = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, binascii.Error):
        return None
    ends = said.get("exp") if isinstance(said, dict) else None
    return float(ends) if isinstance(ends, int | float) else None
