"""Access logs over REST: who may read, what is read, and that every request names its asker."""

from __future__ import annotations

from typing import get_args

import pytest

from api import access_schemas as schemas
from api.access_schemas import KINDS
from bulwark.ledger.accesslog import AccessEntry, AccessKind, Gap, Head, chain_start
from bulwark.ledger.ids import Digest, Height
from bulwark.privacy.slotclaim import SlotClaim
from node.guarded.accessport import AccessCheck, AccessPage, AnchoredAccess, ClaimPage
from node.service import Caller, NotFound, Role
from tests.unit.api.world import PHONE, QUESTION, World, ndjson, problem_of

START = chain_start(b"\x01" * 32, b"\x02" * 32)
ENTRY = AccessEntry(
    number=1,
    previous=START.digest,
    time_ms=1_700_000_000_000,
    who="desk-7",
    role="analyst",
    purpose="fraud_prevention",
    lawful_basis="consent",
    case_ref="CASE-7",
    kind=AccessKind.SCREENING_BATCH,
    count=3,
)
CLAIM = SlotClaim(
    epoch=3, scope=1, slot=7, nullifier=b"\x01" * 32, ring_key=b"\x02" * 32, proof=b"\x03" * 64,
    first=4, last=5,
)  # fmt: skip
PLACE = b"\x00" * 12 + b"\x07"
CLAIMS = "/v1/access-log/claims"
LOG, CHECK, ANCHORS = "/v1/access-log", "/v1/access-log/check", "/v1/access-anchors/bank-a"


class Access:
    """Some entries and anchors behind the port."""

    def __init__(self) -> None:
        self.damaged: Gap | None = None
        self.gap: Gap | None = None
        self.head = ENTRY.head
        self.windows: list[tuple[int, int]] = []

    def page(self, after: int, most: int) -> AccessPage:
        self.windows.append((after, most))
        entries = (ENTRY,) if after == 0 else ()
        return AccessPage("bank-a", START, self.head, entries, self.damaged)

    def anchors(self, member: str, after: int, most: int) -> list[AnchoredAccess]:
        if member != "bank-a":
            raise NotFound(f"the ledger has no member {member}")
        found = [AnchoredAccess(n, ENTRY.head, Height(n), 1_700_000_000_000) for n in (1, 2, 3)]
        return [anchor for anchor in found if anchor.sequence > after][:most]

    def claims(self, after: bytes | None, most: int) -> ClaimPage:
        return ClaimPage((CLAIM,), PLACE) if after is None else ClaimPage((), None)

    async def check(self) -> AccessCheck:
        return AccessCheck(self.gap, 1, 1, 3, START)


@pytest.fixture
def scene() -> World:
    return World(access=Access())


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        (LOG, {Role.AUDITOR, Role.ADMIN}),
        (CHECK, {Role.AUDITOR, Role.ADMIN}),
        (CLAIMS, {Role.AUDITOR, Role.ADMIN}),
        (ANCHORS, set(Role)),
    ],
)
async def test_only_auditors_and_admins_read_who_asked(scene, path, allowed) -> None:
    for role in Role:
        answer = await scene.ask("GET", path, role)
        assert (answer.status_code == 200) == (role in allowed), role
    problem_of(await scene.ask("GET", path, None), 401, "unauthenticated")


async def test_claims_of_spent_slots_are_shown_page_by_page(scene) -> None:
    answer = await scene.ask("GET", CLAIMS, Role.AUDITOR)
    shown = schemas.SlotClaimsOut.model_validate_json(answer.content, strict=True)
    assert [SlotClaim.decode(bytes.fromhex(claim)) for claim in shown.claims] == [CLAIM]
    assert (shown.member, shown.next) == ("bank-a", PLACE.hex())
    last = await scene.ask("GET", f"{CLAIMS}?cursor={shown.next}", Role.ADMIN)
    assert last.json() == {"member": "bank-a", "claims": [], "next": None}
    for cursor in ("", "zz", PLACE.hex()[:-1], PLACE.hex() + "0"):
        problem_of(await scene.ask("GET", f"{CLAIMS}?cursor={cursor}", Role.ADMIN), 400, "invalid")


async def test_entries_anchors_and_the_check_are_shown_as_documented(scene) -> None:
    log = await scene.ask("GET", LOG, Role.AUDITOR)
    shown = schemas.AccessLogOut.model_validate_json(log.content, strict=True)
    (entry,) = shown.entries
    assert (entry.who, entry.kind, entry.count) == ("desk-7", "screening-batch", 3)
    assert AccessEntry.decode(bytes.fromhex(entry.encoded)) == ENTRY
    assert shown.next is None
    anchors = await scene.ask("GET", f"{ANCHORS}?most=2", Role.AUDITOR)
    listed = schemas.AccessAnchorsOut.model_validate_json(anchors.content, strict=True)
    assert ([anchor.sequence for anchor in listed.anchors], listed.next) == ([1, 2], 2)
    scene.access.gap = Gap(1, "bent")
    check = await scene.ask("GET", CHECK, Role.AUDITOR)
    found = schemas.AccessCheckOut.model_validate_json(check.content, strict=True)
    assert (found.complete, found.gap and found.gap.number) == (False, 1)


async def test_a_page_says_where_the_next_begins_and_what_does_not_open(scene) -> None:
    scene.access.head = Head(9, Digest(b"\x05" * 32))
    assert (await scene.ask("GET", LOG, Role.AUDITOR)).json()["next"] == 1
    assert (await scene.ask("GET", f"{LOG}?after=1&most=7", Role.AUDITOR)).json()["next"] is None
    assert scene.access.windows == [(0, 1000), (1, 7)]
    scene.access.damaged = Gap(2, "it does not open")
    page = (await scene.ask("GET", LOG, Role.AUDITOR)).json()
    assert (page["next"], page["damaged"]) == (None, {"number": 2, "reason": "it does not open"})


@pytest.mark.parametrize(
    "path",
    [
        f"{LOG}?after=-1", f"{LOG}?after=x", f"{LOG}?after=01", f"{LOG}?most=0",
        f"{LOG}?most=1001", f"{LOG}?before=1", f"{ANCHORS}?most=0", "/v1/access-anchors/BANK",
    ],
)  # fmt: skip
async def test_windows_and_names_out_of_bounds_are_refused(scene, path) -> None:
    answer = await scene.ask("GET", path, Role.AUDITOR)
    assert answer.status_code == 400


async def test_anchors_of_nobody_are_not_found(scene) -> None:
    problem_of(await scene.ask("GET", "/v1/access-anchors/nobody", Role.AUDITOR), 404, "not-found")


async def test_the_key_that_asks_is_named_to_the_node_for_every_way_to_ask(scene) -> None:
    csv, lines = {"content-type": "text/csv"}, {"content-type": "application/x-ndjson"}
    question = "kind,value,purpose,lawful_basis\nphone,+442079460958,fraud_prevention,contract\n"
    for path, how in (
        ("/v1/screenings", {"json": QUESTION}),
        ("/v1/screenings/batches", {"content": question, "headers": csv}),
        ("/v1/indicators", {"json": PHONE}),
        ("/v1/indicators/batches", {"content": ndjson([PHONE]), "headers": lines}),
    ):
        answer = await scene.ask("POST", path, Role.REPORTER, **how)
        assert answer.status_code in (200, 201), answer.text
        assert scene.node.callers.pop() == Caller("reporter", Role.REPORTER)


def test_the_documented_kinds_of_access_are_those_that_are_logged() -> None:
    logged = {kind.name.lower().replace("_", "-") for kind in AccessKind}
    assert set(get_args(KINDS)) == logged
