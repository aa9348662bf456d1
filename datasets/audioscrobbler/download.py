"""Download a file over HTTP: resume a broken download, check its SHA-256, and only then name it."""

from __future__ import annotations

import hashlib
import os
import re
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from halfstep.datasets.audioscrobbler.files import Advance
from halfstep.errors import InputError

ARCHIVE = "profiledata_06-May-2005.tar.gz"
ADDRESS = f"https://storage.googleapis.com/aas-data-sets/{ARCHIVE}"
LICENCE = (
    "The Audioscrobbler dump of 6 May 2005 is licensed by Audioscrobbler under Creative Commons "
    "Attribution-NonCommercial-ShareAlike 1.0 (CC BY-NC-SA 1.0): name its source, do not use it "
    "commercially, and if you share what you make of it, share it under the same terms. The dump is not "
    "part of halfstep, and halfstep's licence does not cover it."
)
_CHUNK = 1 << 20
_TIMEOUT = 30


def fetch(
    url: str, target: Path, *, sha256: str | None = None, advance: Advance = lambda count: None
) -> str:
    """Fetch `url` to `target` and return its SHA-256 (hex).

    After an interruption, the bytes received so far stay beside the target in `NAME.part`. The next
    call continues from them if the server can send a part of a file.

    Parameters
    ----------
    sha256
        The digest (hex) that the file must have; a file with another one is deleted.
    advance
        Called with each number of bytes received; the first call passes the bytes already there.

    Raises
    ------
    InputError
        The server cannot be reached or has no such file, the download breaks off, or the digest is
        wrong. The message is one line that says what to do.
    """
    try:
        scheme, host = urlsplit(url).scheme, urlsplit(url).hostname
    except ValueError as error:
        raise InputError(f"--url must be an address, got {url!r}: {error}") from error
    if scheme not in ("http", "https") or not host:
        raise InputError(f"--url must begin with http:// or https:// and a host, got {url!r}")
    if sha256 is not None and not re.fullmatch(r"[0-9a-fA-F]{64}", sha256):
        raise InputError(f"--sha256 must be 64 hexadecimal digits, got {sha256!r}")
    part = target.with_name(f"{target.name}.part")
    try:
        _receive(url, part, advance)
    except HTTPError as error:
        raise InputError(f"{host} answers {error.code} {error.reason} to {url}") from error
    except (URLError, HTTPException, TimeoutError, ConnectionError) as error:
        reason = getattr(error, "reason", error)
        raise InputError(
            f"{host} cannot be reached: {reason}; run the command again to continue, or give --url"
        ) from error
    digest = _digest(part)
    if sha256 is not None and digest != sha256.lower():
        part.unlink()
        raise InputError(
            f"{url} has the SHA-256 {digest} instead of {sha256.lower()}; the file was deleted"
        )
    os.replace(part, target)
    return digest


def _receive(url: str, part: Path, advance: Advance) -> None:
    done = part.stat().st_size if part.exists() else 0
    headers = {"Range": f"bytes={done}-"} if done else {}
    try:
        response: Any = urlopen(Request(url, headers=headers), timeout=_TIMEOUT)
    except HTTPError as error:
        if done == 0 or error.code != 416:
            raise
        if error.headers.get("Content-Range", "").rpartition("/")[2] == str(done):
            advance(done)  # the file was complete already
            return
        part.unlink()
        _receive(url, part, advance)
        return
    with response:
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        resumed = response.status == 206 and span is not None and int(span[1]) == done
        if response.status == 206 and not resumed:
            sent = response.headers.get("Content-Range")
            raise ConnectionError(f"it was asked for bytes from {done} and sent {sent!r}")
        length = response.headers.get("Content-Length")
        received = done if resumed else 0
        expected = None if length is None else received + int(length)
        advance(received)
        with part.open("ab" if resumed else "wb") as file:
            while chunk := response.read(_CHUNK):
                file.write(chunk)
                received += len(chunk)
                advance(len(chunk))
    if expected is not None and received != expected:
        raise InputError(
            f"{url} broke off after {received:,} of {expected:,} bytes; "
            "run the command again to continue"
        )


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
