"""The desk of cooling-offs: holds payments for a pause, and releases them once, if all is well.

Rules: a payment is held only where the answer advises a pause or an extra check; where it advises
to refuse there is nothing to release. The second screening asks about the same identifier, which is
kept encrypted until the end and then deleted; an answer that is worse than the first ends it. What
became of it is durable before a token is handed out, so a payment is released once, over restarts.
The key of the tokens is derived from the vault key: it is the same after a restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from msgspec import Struct

from bulwark.advice.advice import Advice, Facts, Level, Thresholds, advise, got_worse
from bulwark.advice.holdtoken import OPENING_BYTES, HoldToken, Use, commitment, sign_token
from bulwark.indicators.country import Country
from bulwark.indicators.model import ScreeningRequest
from bulwark.indicators.vocabulary import Kind, LawfulBasis, Purpose
from bulwark.privacy.group import RandomBytes
from node.interaction.coolingport import CoolingPage, CoolingState, CoolingView, NewCoolingOff
from node.interaction.settings import InteractionConfig
from node.interaction.shelf import NO_VALUE, Shelf
from node.rotation.keyline import first_key
from node.service import (
    Caller,
    NotFound,
    RuleRefused,
    ScreeningAnswer,
    ServiceError,
    Unavailable,
)
from node.storage.durability import Durability
from node.storage.port import KeyValueStore

SECOND_MS: Final = 1_000
MAX_EXTENSIONS: Final = 10
PAGE: Final = 50
MAX_LOOKED_AT: Final = 1_000
TURN: Final = 20
KEEP_MS: Final = 30 * 86_400_000
"""An ended cooling-off is kept this long, without its identifier, for questions about it."""
_KEY_INFO: Final = b"bulwark/cooling-off/key/1"
Document = dict[str, Any]


class Invalid(ServiceError):
    """The question can not be asked."""

    status = 422
    code = "invalid"


class Screen(Protocol):
    """NodeService.screen."""

    def __call__(
        self, requests: Sequence[ScreeningRequest], *, by: Caller
    ) -> Awaitable[list[ScreeningAnswer]]:
        """Answers in order."""
        ...


def token_key(vault_key: bytes) -> Ed25519PrivateKey:
    """The key that signs this member's tokens: of the first vault key, as payers hold its half."""
    seed = HKDF(algorithm=SHA256(), length=32, salt=None, info=_KEY_INFO).derive(
        first_key(vault_key)
    )
    return Ed25519PrivateKey.from_private_bytes(seed)


class CoolingParts(Struct, frozen=True):
    """What the desk works with."""

    store: KeyValueStore
    shelf: Shelf
    durability: Durability
    screen: Screen
    key: Ed25519PrivateKey
    thresholds: Thresholds
    settings: InteractionConfig
    member: str
    now_ms: Callable[[], int]
    random_bytes: RandomBytes


class CoolingOffDesk:
    """Cooling-offs of one member."""

    def __init__(self, parts: CoolingParts) -> None:
        self._parts = parts
        self._busy: set[bytes] = set()
        self.ended = dict.fromkeys(CoolingState, 0)
        """Cooling-offs by the state they came to, since start."""

    async def issue(self, wish: NewCoolingOff, *, by: Caller) -> CoolingView:
        """See CoolingOffs."""
        parts, settings = self._parts, self._parts.settings
        seconds = settings.cooling_off_seconds if wish.seconds is None else wish.seconds
        if not 1 <= seconds <= settings.cooling_off_most_seconds:
            most = settings.cooling_off_most_seconds
            raise Invalid(f"seconds: a whole number from 1 to {most}")
        payment_name = parts.shelf.name("payment", wish.payment)
        self._refuse_second(payment_name)
        answer, advice = await self._asked(wish.question, by)
        if advice.level is Level.BLOCK:
            raise RuleRefused("cooling_off.block_advised", "the answer advises to refuse")
        if advice.level in (Level.NONE, Level.WARN):
            raise RuleRefused("cooling_off.no_ground", "the answer advises no pause")
        self._refuse_second(payment_name)  # the screening took its time
        now_ms = parts.now_ms()
        identity, opening = parts.shelf.new_id(), parts.random_bytes(OPENING_BYTES)
        not_before = now_ms + seconds * SECOND_MS
        document: Document = {
            "state": CoolingState.HELD.value,
            "question": _kept(wish.question),
            "opening": opening.hex(),
            "customer": commitment("customer", opening, wish.customer).hex(),
            "payment": commitment("payment", opening, wish.payment).hex(),
            "payment_name": payment_name.hex(),
            "band": answer.band,
            "level": advice.level.value,
            "codes": list(advice.codes),
            "issued_ms": now_ms,
            "not_before_ms": not_before,
            "expires_ms": not_before + settings.release_seconds * SECOND_MS,
            "extensions": 0,
            "ended_ms": None,
        }
        return await self._keep(identity, document, {payment_name: NO_VALUE})

    def _refuse_second(self, payment_name: bytes) -> None:
        for identity, _ in self._parts.shelf.named(payment_name):
            document = self._parts.shelf.get(identity)
            if document is not None and self._state(document) is CoolingState.HELD:
                raise RuleRefused("cooling_off.held_already", "this payment is held already")

    async def _asked(
        self, question: ScreeningRequest, by: Caller
    ) -> tuple[ScreeningAnswer, Advice]:
        """An answer with its advice. Raises Invalid, Unavailable where it is not complete."""
        (answer,) = await self._parts.screen([question], by=by)
        if answer.refusal is not None:
            raise Invalid(f"{answer.refusal.field}: {answer.refusal.rule}: {answer.refusal.detail}")
        if not answer.complete:
            raise Unavailable(f"it can not be screened in full now: {answer.incomplete_reason}")
        facts = Facts(
            answer.band,
            answer.complete,
            answer.is_protected,
            answer.permitted_actions,
            [limit.code for limit in answer.limits],
        )
        return answer, advise(facts, self._parts.thresholds)

    async def confirm(self, cooling_off_id: str, *, by: Caller) -> CoolingView:
        """See CoolingOffs."""
        identity, document = self._held(cooling_off_id)
        if self._parts.now_ms() < document["not_before_ms"]:
            raise RuleRefused("cooling_off.early", "the pause is not over")
        if identity in self._busy:
            raise RuleRefused("cooling_off.under_way", "it is being confirmed now")
        self._busy.add(identity)
        try:
            answer, advice = await self._asked(_question(document["question"]), by)
            # The customer may have said no, or the time may have run out, while it was asked.
            _, document = self._held(cooling_off_id)
            before = Advice(Level(document["level"]), tuple(document["codes"]))
            is_worse = got_worse(before, document["band"], advice, answer.band)
            state = CoolingState.REFUSED if is_worse else CoolingState.CONFIRMED
            ended = self._ended(document, state)
            view = await self._keep(identity, ended | {"band": answer.band})
        finally:
            self._busy.discard(identity)
        if is_worse:
            raise RuleRefused("cooling_off.got_worse", "the answer warns more than before")
        return view

    async def cancel(self, cooling_off_id: str) -> CoolingView:
        """See CoolingOffs."""
        identity, document = self._held(cooling_off_id)
        return await self._keep(identity, self._ended(document, CoolingState.CANCELLED))

    async def extend(self, cooling_off_id: str, seconds: int) -> CoolingView:
        """See CoolingOffs."""
        identity, document = self._held(cooling_off_id)
        settings = self._parts.settings
        if document["extensions"] >= MAX_EXTENSIONS:
            raise RuleRefused("cooling_off.extended_enough", f"at most {MAX_EXTENSIONS} times")
        not_before = max(self._parts.now_ms(), document["not_before_ms"]) + seconds * SECOND_MS
        latest = document["issued_ms"] + settings.cooling_off_most_seconds * SECOND_MS
        if not_before > latest:
            most = settings.cooling_off_most_seconds
            raise RuleRefused("cooling_off.too_long", f"a pause is at most {most} seconds in all")
        changed = document | {
            "not_before_ms": not_before,
            "expires_ms": not_before + settings.release_seconds * SECOND_MS,
            "extensions": document["extensions"] + 1,
        }
        return await self._keep(identity, changed)

    def show(self, cooling_off_id: str) -> CoolingView:
        """See CoolingOffs."""
        identity = _identity(cooling_off_id)
        return self._view(identity, self._document(identity))

    async def page(self, state: CoolingState | None, before: bytes | None) -> CoolingPage:
        """See CoolingOffs."""
        shown: list[CoolingView] = []
        for looked, (order, identity) in enumerate(self._parts.shelf.newest(before), 1):
            document = self._parts.shelf.get(identity)
            if document is not None and state in (None, self._state(document)):
                shown.append(self._view(identity, document))
            if len(shown) >= PAGE or looked >= MAX_LOOKED_AT:
                return CoolingPage(tuple(shown), order)
            if looked % TURN == 0:
                await asyncio.sleep(0)
        return CoolingPage(tuple(shown), None)

    def key(self) -> tuple[str, bytes]:
        """See CoolingOffs."""
        return self._parts.member, self._parts.key.public_key().public_bytes_raw()

    async def prune(self) -> int:
        """Drop what was asked of those that ended, and the ended ones after KEEP_MS; how many."""
        parts, gone = self._parts, 0
        now_ms = parts.now_ms()
        async for issued_ms, identity in parts.shelf.oldest():
            document = parts.shelf.get(identity)
            if document is None or self._state(document) is CoolingState.HELD:
                continue
            ended = document["ended_ms"] or document["expires_ms"]
            if now_ms > ended + KEEP_MS:
                names = {bytes.fromhex(document["payment_name"]): NO_VALUE}
                parts.store.write(parts.shelf.removal(identity, issued_ms, names), sync=False)
                gone += 1
            elif document["question"] is not None:
                await self._keep(identity, self._ended(document, CoolingState.EXPIRED))
                gone += 1
        return gone

    # Shared

    def _held(self, cooling_off_id: str) -> tuple[bytes, Document]:
        identity = _identity(cooling_off_id)
        document = self._document(identity)
        state = self._state(document)
        if state is not CoolingState.HELD:
            raise RuleRefused("cooling_off.ended", f"it is {state}")
        return identity, document

    def _state(self, document: Document) -> CoolingState:
        state = CoolingState(document["state"])
        is_over = self._parts.now_ms() >= document["expires_ms"]
        return CoolingState.EXPIRED if state is CoolingState.HELD and is_over else state

    def _document(self, identity: bytes) -> Document:
        document = self._parts.shelf.get(identity)
        if document is None:
            raise NotFound("there is no such cooling-off")
        return document

    def _ended(self, document: Document, state: CoolingState) -> Document:
        self.ended[state] += 1
        ended_ms = min(self._parts.now_ms(), document["expires_ms"])
        return document | {"state": state.value, "question": None, "ended_ms": ended_ms}

    async def _keep(
        self, identity: bytes, document: Document, names: dict[bytes, bytes] | None = None
    ) -> CoolingView:
        parts = self._parts
        parts.store.write(
            parts.shelf.puts(identity, document, document["issued_ms"], names), sync=False
        )
        await parts.durability.barrier()
        return self._view(identity, document)

    def _view(self, identity: bytes, document: Document) -> CoolingView:
        state = self._state(document)
        uses = {CoolingState.HELD: Use.HOLD, CoolingState.CONFIRMED: Use.RELEASE}
        is_over = self._parts.now_ms() >= document["expires_ms"]
        use = None if is_over else uses.get(state)
        return CoolingView(
            cooling_off_id=identity.hex(),
            state=state,
            token=None if use is None else self._token(identity, document, use),
            opening=None if use is None else document["opening"],
            band=document["band"],
            level=Level(document["level"]).label,
            issued_ms=document["issued_ms"],
            not_before_ms=document["not_before_ms"],
            expires_ms=document["expires_ms"],
            extensions=document["extensions"],
            ended_ms=document["ended_ms"],
        )

    def _token(self, identity: bytes, document: Document, use: Use) -> str:
        token = HoldToken(
            token_id=identity,
            use=use,
            member=self._parts.member,
            customer=bytes.fromhex(document["customer"]),
            payment=bytes.fromhex(document["payment"]),
            band=document["band"],
            issued_ms=document["issued_ms"],
            not_before_ms=document["not_before_ms"],
            expires_ms=document["expires_ms"],
        )
        return sign_token(token, self._parts.key)


def _kept(question: ScreeningRequest) -> Document:
    return {
        "kind": question.kind.label,
        "value": question.value,
        "purpose": question.purpose.label,
        "lawful_basis": question.lawful_basis.label,
        "case_ref": question.case_ref,
        "region": str(question.region),
    }


def _question(kept: Document) -> ScreeningRequest:
    return ScreeningRequest(
        Kind.parse(kept["kind"], "kind"),
        kept["value"],
        Purpose.parse(kept["purpose"], "purpose"),
        LawfulBasis.parse(kept["lawful_basis"], "lawful_basis"),
        kept["case_ref"],
        Country(kept["region"]),
    )


def _identity(cooling_off_id: str) -> bytes:
    try:
        return bytes.fromhex(cooling_off_id)
    except ValueError as error:
        raise NotFound("there is no such cooling-off") from error
