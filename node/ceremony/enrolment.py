"""Registers this member's ring and sealing key on the ledger, if it has none there.

A member that joined by vote brings keys that genesis does not know; until they are registered, and
then until the next quota epoch, it asks no guarded questions and holds no share. Keys to come that
the operator made (`bulwark key rotate ring`) are registered as well: they are in force from the
next quota epoch on. Keys of the ledger that are none of this member's are left alone and named.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from bulwark.ledger.ids import Address
from bulwark.ledger.transaction import Transaction
from bulwark.privacy.group import RandomBytes
from bulwark.privacy.memberkeys import RingSecret, register
from bulwark.privacy.sealing import SealingKey
from contracts.privacy.keys import PRIVACY_KEYS, encode_register, read_keys
from contracts.slots import ReadSlot
from node.logs import Log
from node.service import Busy

AGAIN_S: Final = 60
REGISTER_GAS: Final = 600_000

log = Log("enrolment")


class Lane(Protocol):
    """This member's transactions in nonce order."""

    def send(self, to: Address, data: bytes, *, gas: int = ...) -> Transaction:
        """Sign, make durable and submit a call. Raises Busy."""
        ...


class RotatingKeys(Protocol):
    """Ring and sealing keys of this member, also while they are rotated."""

    def ring_secrets(self) -> Sequence[RingSecret]:
        """All ring keys of the keystore."""
        ...

    def sealing_keys(self) -> Sequence[SealingKey]:
        """All sealing keys of the keystore."""
        ...

    def wanted_ring(self) -> RingSecret:
        """The ring key that the ledger should have."""
        ...

    def wanted_sealing(self) -> SealingKey:
        """The sealing key that the ledger should have."""
        ...


class Enrolment:
    """Sends the registration once it is needed, and again if it got lost."""

    def __init__(
        self,
        *,
        member: bytes,
        chain_id: int,
        lane: Lane,
        keyset: RotatingKeys,
        read_slot: ReadSlot,
        asks: Callable[[], bool],
        random_bytes: RandomBytes,
    ) -> None:
        """`asks`: whether the member is one that asks questions now (validator or reporter)."""
        self._member = member
        self._chain_id = chain_id
        self._lane = lane
        self._keyset = keyset
        self._read_slot = read_slot
        self._asks = asks
        self._random_bytes = random_bytes
        self._tried_s: int | None = None
        self._is_told = False

    def act(self, now_s: int) -> None:
        """Register if the ledger has no keys of this member, or not those to come."""
        if not self._asks():
            return
        ring, sealing = self._keyset.wanted_ring(), self._keyset.wanted_sealing()
        keys = read_keys(self._read_slot, self._member)
        if keys and (keys[-1].ring_key, keys[-1].sealing_key) == (
            ring.public.encoding,
            sealing.public,
        ):
            return
        if keys and not self._is_own(keys[-1].ring_key, keys[-1].sealing_key):
            return
        if self._tried_s is not None and now_s < self._tried_s + AGAIN_S:
            return
        made = register(ring, sealing.public, self._chain_id, self._member, self._random_bytes)
        data = encode_register(made.ring_key.encoding, made.possession, made.sealing_key)
        try:
            self._lane.send(Address(PRIVACY_KEYS), data, gas=REGISTER_GAS)
        except Busy as error:
            log.warning("keys can not be registered yet", reason=str(error))
            return
        self._tried_s = now_s
        log.info("ring and sealing key sent to the ledger")

    def _is_own(self, ring_key: bytes, sealing_key: bytes) -> bool:
        """Whether both keys of the ledger are in the keystore: only then is it this home's."""
        rings = [key.public.encoding for key in self._keyset.ring_secrets()]
        sealings = [bytes(key.public) for key in self._keyset.sealing_keys()]
        if ring_key in rings and sealing_key in sealings:
            return True
        if not self._is_told:
            self._is_told = True
            log.warning("the ledger has other ring or sealing keys of this member")
        return False
