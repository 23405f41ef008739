"""Screening jobs of a node over HTTP for the command line: files up, results down, never whole.

Rules: a file is read and written piece by piece; a download is there only when it is whole, and
readable by its owner alone; the key goes into a header and nowhere else, proxies of the environment
are not used.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from node.cli.connection import Target
from node.cli.faults import BadSetup, Failed

PIECE: Final = 256 * 1024
TIMEOUT_S: Final = 120.0
"""For a connection, and between two pieces."""
BASE: Final = "/v1/screening-jobs"
TYPES: Final = {
    "csv": "text/csv",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}
SUFFIXES: Final = {
    ".csv": "csv",
    ".tsv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
    ".pq": "parquet",
}
Told = Callable[[int], None]
"""Told how many bytes went."""


class JobClient:
    """One node's jobs; a context manager."""

    def __init__(self, target: Target) -> None:
        headers = {} if target.key is None else {"authorization": f"Bearer {target.key}"}
        self._http = httpx.Client(
            base_url=target.url,
            headers=headers,
            verify=target.trust(),
            trust_env=False,
            timeout=TIMEOUT_S,
        )

    def __enter__(self) -> JobClient:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def submit(
        self,
        path: Path,
        form: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        told: Told,
    ) -> dict[str, Any]:
        """Send a file; the job. Raises BadSetup, Failed."""
        try:
            size = path.stat().st_size
            with path.open("rb") as file, self._told():
                answer = self._http.post(
                    BASE,
                    params=dict(query),
                    content=_pieces(file.read, told),
                    headers={
                        "content-type": TYPES[form],
                        "content-length": str(size),
                        **headers,
                    },
                )
        except OSError as error:
            raise BadSetup(f"{path}: {error.strerror}") from error
        return _document(answer)

    def ask(self, path: str = "", method: str = "GET") -> dict[str, Any]:
        """What is at a path below the jobs. Raises Failed."""
        with self._told():
            answer = self._http.request(method, f"{BASE}{path}")
        return {} if answer.status_code == 204 else _document(answer)

    def manifest(self, job_id: str) -> bytes:
        """The signed manifest as it is. Raises Failed."""
        with self._told():
            answer = self._http.get(f"{BASE}/{job_id}/manifest")
        _document(answer)
        return answer.content

    def download(self, job_id: str, form: str, out: Path, told: Told) -> None:
        """Write a job's result to a new file. Raises BadSetup, Failed."""
        if out.exists():
            raise BadSetup(f"{out} is there already")
        part = out.with_name(f".{out.name}.part")
        query = {"format": form} if form else {}
        try:
            handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with (
                os.fdopen(handle, "wb") as file,
                self._told(),
                self._http.stream("GET", f"{BASE}/{job_id}/result", params=query) as answer,
            ):
                if answer.status_code != 200:
                    answer.read()
                    _document(answer)
                for piece in answer.iter_raw():
                    file.write(piece)
                    told(len(piece))
                file.flush()
                os.fsync(file.fileno())
            os.link(part, out)
        except OSError as error:
            raise Failed(f"{out}: {error.strerror}") from error
        finally:
            part.unlink(missing_ok=True)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise Failed(f"{self._http.base_url}: {reason}") from error


def _pieces(read: Callable[[int], bytes], told: Told) -> Iterator[bytes]:
    while piece := read(PIECE):
        yield piece
        told(len(piece))


def _document(answer: httpx.Response) -> dict[str, Any]:
    """The JSON of a good answer. Raises Failed with what the node said otherwise."""
    try:
        document = answer.json()
    except ValueError:
        document = {}
    if not isinstance(document, dict):
        document = {}
    if answer.is_success:
        return document
    detail = str(document.get("detail") or document.get("title") or "no details")
    problems = [f"{e.get('field')}: {e.get('detail')}" for e in document.get("errors", ())]
    more = f" ({'; '.join(problems[:5])})" if problems else ""
    raise Failed(f"the node refused: {answer.status_code} {detail[:500]}{more}")


def form_of(path: Path, given: str | None) -> str:
    """Format of a file, as said or by its extension. Raises BadSetup."""
    form = given or SUFFIXES.get(path.suffix.lower())
    if form is None:
        known = ", ".join(SUFFIXES)
        raise BadSetup(f"{path}: its extension is none of {known}; say --format")
    return form
