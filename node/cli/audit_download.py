"""Downloads what a node sends in pieces into a file, with a bar that shows how far it is.

Rules: the file is there only when it is whole; it is readable by its owner alone, for a pack holds
records; the key goes into a header and nowhere else, proxies of the environment are not used.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

import httpx
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeElapsedColumn

from bulwark.audit.packfiles import MAX_PACK_BYTES
from node.cli.connection import Target
from node.cli.faults import BadSetup, Failed

TIMEOUT_S: Final = 600.0
"""Before the first byte: the node reads everything once to measure it."""


def download(target: Target, path: str, body: bytes, out: Path) -> tuple[int, str]:
    """POST `body` and write the answer to `out`; its size and content hash.

    Raises BadSetup, Failed.
    """
    part = out.with_name(f".{out.name}.part")
    if out.exists():
        raise BadSetup(f"{out} is there already")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            found = _fetch(target, path, body, file.write)
            file.flush()
            os.fsync(file.fileno())
        os.link(part, out)
    except OSError as error:
        raise Failed(f"{out}: {error.strerror}") from error
    except httpx.HTTPError as error:
        raise Failed(f"{target.url}: {error or type(error).__name__}") from error
    finally:
        part.unlink(missing_ok=True)
    return found


def _fetch(
    target: Target, path: str, body: bytes, write: Callable[[bytes], int]
) -> tuple[int, str]:
    headers = {"content-type": "application/json"}
    if target.key is not None:
        headers["authorization"] = f"Bearer {target.key}"
    with (
        httpx.Client(verify=target.trust(), trust_env=False, timeout=TIMEOUT_S) as client,
        client.stream("POST", f"{target.url}{path}", content=body, headers=headers) as answer,
    ):
        if answer.status_code != 200:
            raise Failed(_reason(answer))
        total = int(answer.headers.get("content-length", "0"))
        if total > MAX_PACK_BYTES:
            raise Failed(f"{target.url}: announces {total} bytes, a pack has {MAX_PACK_BYTES}")
        size = 0
        with _bar() as progress:
            task = progress.add_task("pack", total=total)
            for piece in answer.iter_raw():
                write(piece)
                size += len(piece)
                progress.update(task, completed=size)
        return size, answer.headers.get("x-content-hash", "")


def _bar() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _reason(answer: httpx.Response) -> str:
    answer.read()
    try:
        document = answer.json()
        detail = str(document.get("detail") or document.get("title") or "no details")
    except (ValueError, AttributeError):
        detail = "no details"
    return f"the node refused: {answer.status_code} {detail[:500]}"
