"""Intake of a job's file: written encrypted as it arrives, bounded, then looked at.

Rules: nothing of a file that is refused stays; the bound is the least of the largest input, the
room of all jobs and the disk's.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from typing import Final

import msgspec

from node.jobs.book import JobRecord
from node.jobs.inputs import Opened, open_input
from node.jobs.port import InputRefused, InputTooLarge, Wish
from node.jobs.sealedfile import InputReader, InputWriter
from node.jobs.settings import JobsConfig
from node.jobs.shelf import Shelf
from node.service import Caller

PIECE: Final = 256 * 1024
"""Bytes of an upload that are written together."""


class Intake:
    """Takes the files of jobs."""

    def __init__(self, config: JobsConfig, shelf: Shelf) -> None:
        self._config = config
        self._shelf = shelf

    async def receive(self, job: JobRecord, body: AsyncIterator[bytes]) -> None:
        """Write a file as it arrives. Raises InputTooLarge."""
        config, shelf = self._config, self._shelf
        room = min(config.max_total_bytes - shelf.used(), shelf.free() - config.free_bytes)
        most = min(config.max_input_bytes, room)
        if most <= 0:
            raise InputTooLarge("there is no room for another file; delete jobs that are over")
        writer = await asyncio.to_thread(InputWriter, shelf.input(job), shelf.cipher(job), most)
        digest = hashlib.sha256()

        def write(data: bytes) -> None:
            digest.update(data)
            writer.write(data)

        try:
            held = bytearray()
            async for chunk in body:
                held += chunk
                if len(held) >= PIECE:
                    await asyncio.to_thread(write, bytes(held))
                    held.clear()
            await asyncio.to_thread(write, bytes(held))
            await asyncio.to_thread(writer.finish)
        finally:
            writer.close()
        if writer.size == 0:
            raise InputRefused("the file is empty")
        job.input_bytes, job.input_sha256 = writer.size, digest.hexdigest()

    def look(self, job: JobRecord) -> Opened:
        """Open an input to see whether it can be worked. Raises InputRefused, FieldError."""
        raw = InputReader(self._shelf.input(job), Shelf.cipher(job), job.input_bytes)
        try:
            opened = open_input(
                raw,
                job.format,
                job.columns,
                tuple(job.references),
                job.defaults,
                self._config,
            )
            opened.source.close()
        finally:
            raw.close()
        return opened


def new_job(wish: Wish, by: Caller, promise: str, now_ms: int) -> JobRecord:
    """The record of a job whose file is still to come."""
    names = ("kind", "region", "purpose", "lawful_basis", "case_ref")
    given = {name: getattr(wish, name) for name in names}
    return JobRecord(
        id=os.urandom(16).hex(),
        key=os.urandom(32),
        by=by.key_id,
        role=by.role.value,
        format=wish.format,
        result=wish.result or wish.format,
        columns=dict(wish.columns),
        references=list(wish.references),
        defaults={name: word for name, word in given.items() if word},
        values=wish.values,
        name=wish.name,
        promise=promise,
        wish_digest="",
        input_bytes=0,
        input_sha256="",
        ignored=[],
        expected_rows=None,
        created_ms=now_ms,
        at_height=wish.at_height,
        is_past=wish.at_height is not None,
    )


def wish_digest(job: JobRecord) -> str:
    """SHA-256 over file and wish, hex: what an Idempotency-Key stands for."""
    said = [
        job.format, job.result, sorted(job.columns.items()), job.references,
        sorted(job.defaults.items()), job.values, job.name, job.at_height, job.input_sha256,
    ]  # fmt: skip
    return hashlib.sha256(msgspec.json.encode(said)).hexdigest()
