"""Puts the job desk of one node together."""

from __future__ import annotations

import os
from collections.abc import Callable

from msgspec import Struct

from node.assembly import Home
from node.chain.records import RecordReader
from node.clock import Clock
from node.guarded.accessdesk import AccessDesk
from node.guarded.atrest import AtRest
from node.jobs.answers import AnswerGround
from node.jobs.book import JobBook
from node.jobs.desk import DeskGround, JobDesk
from node.jobs.shelf import Shelf
from node.jobs.worker import Rates, Worker, WorkGround
from node.recall.hits import HitLog
from node.screening.screener import Screener, Seen
from node.service import Caller
from node.storage.durability import Durability
from node.storage.port import KeyValueStore
from node.tagging.tagger import Tagger
from node.version import product_version


class JobsGround(Struct, frozen=True, kw_only=True):
    """The parts of a node that the desk stands on."""

    home: Home
    store: KeyValueStore
    durability: Durability
    clock: Clock
    records: RecordReader
    tagger: Tagger
    screener: Screener
    access: AccessDesk
    hits: HitLog
    remember: Callable[[Caller], Seen]
    """What keeps a caller's questions for the retro-hunt."""
    rates: Rates


def make_job_desk(ground: JobsGround) -> JobDesk:
    """The desk of this node's member. Raises StoreDamaged, OSError."""
    home = ground.home
    config = home.config.jobs
    book = JobBook(ground.store, AtRest(home.secrets.vault_key, b"screening-jobs", os.urandom))
    shelf = Shelf(home.path / config.path)
    answers = AnswerGround(
        tagger=ground.tagger,
        screener=ground.screener,
        access=ground.access,
        hits=ground.hits,
        tip=lambda: ground.records.tip,
        now_ms=ground.clock.wall_ms,
        remember=ground.remember if config.remember else None,
    )

    def make_worker(desk: JobDesk) -> Worker:
        return Worker(
            WorkGround(
                config=config,
                book=book,
                shelf=shelf,
                answers=answers,
                screener=ground.screener,
                records=ground.records,
                durability=ground.durability,
                finish=desk.finish,
                moved=desk.moved,
                rates=ground.rates,
            ),
            desk.jobs_by_id,
            desk.going,
        )

    return JobDesk(
        DeskGround(
            config=config,
            book=book,
            shelf=shelf,
            records=ground.records,
            durability=ground.durability,
            genesis=home.genesis,
            member=home.member.id,
            key=home.vote_key,
            tool_version=product_version(),
            now_ms=ground.clock.wall_ms,
            make_worker=make_worker,
        )
    )
