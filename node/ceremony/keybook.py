"""The members' shared keys in force, with this node's shares: read from the ledger, never guessed.

A sharing is in force from the block that published it (K and all K_i are in the contract's state,
and their hash is what the holders confirmed), so that every node, one that came by state sync
included, changes over at the same block.
"""

from __future__ import annotations

from bulwark.ledger.ids import MemberId
from bulwark.privacy.dkg.live import LiveSharing, decode_live_sharing
from bulwark.privacy.errors import PrivacyError
from bulwark.privacy.threshold import EvaluatorShare
from contracts.bindings import member_id_text
from contracts.privacy.ceremony import KeyPurpose
from node.guarded.ports import LiveKey
from node.logs import Log

log = Log("keys")


class KeyBook:
    """The live key of each purpose."""

    def __init__(self) -> None:
        self._sharings: dict[KeyPurpose, LiveSharing] = {}
        self._sessions: dict[KeyPurpose, bytes] = {}
        self._live: dict[KeyPurpose, LiveKey] = {}

    def tag_key(self) -> LiveKey | None:
        """The key of the tags, None before the first ceremony."""
        return self._live.get(KeyPurpose.TAG)

    def council_key(self) -> LiveKey | None:
        """The council's part of the opener, None before the first ceremony."""
        return self._live.get(KeyPurpose.COUNCIL)

    def sharing(self, purpose: KeyPurpose) -> LiveSharing | None:
        """The public record of the sharing in force."""
        return self._sharings.get(purpose)

    def sessions(self) -> tuple[bytes, ...]:
        """Sessions of the sharings in force."""
        return tuple(self._sessions.values())

    def share(self, purpose: KeyPurpose) -> EvaluatorShare | None:
        """This node's share of the sharing in force."""
        live = self._live.get(purpose)
        return None if live is None else live.share

    def take(
        self, purpose: KeyPurpose, session: bytes, data: bytes, share: EvaluatorShare | None
    ) -> bool:
        """The ledger says that this sharing is in force; whether it is another than before.

        `data`: digest of the ceremony (32) and encoded sharing, as published.
        """
        live = self._live.get(purpose)
        is_same = self._sessions.get(purpose) == session
        if is_same and live is not None and (share is None) == (live.share is None):
            return False
        try:
            sharing = decode_live_sharing(data[32:])
            own = None if share is None else _checked(sharing, share)
        except PrivacyError as error:
            log.error("a published sharing can not be used", reason=str(error))
            return False
        self._sharings[purpose], self._sessions[purpose] = sharing, session
        self._live[purpose] = LiveKey(
            key=sharing.key,
            key_id=sharing.key_id,
            share_epoch=sharing.share_epoch,
            holders={
                index: MemberId(member_id_text(id_))
                for index, id_ in enumerate(sharing.members, start=1)
            },
            share=own,
            session=session,
        )
        log.info(
            "shared key in force",
            purpose=purpose.name.lower(),
            key_id=sharing.key_id,
            share_epoch=sharing.share_epoch,
            holders=len(sharing.members),
            threshold=sharing.key.threshold,
        )
        return True


def _checked(sharing: LiveSharing, share: EvaluatorShare) -> EvaluatorShare | None:
    """The own share if it is one of this sharing."""
    fits = (
        1 <= share.index <= sharing.key.holders
        and sharing.key.share_keys[share.index - 1] == share.public_share
    )
    if not fits:
        log.error("the kept share is not of the sharing in force")
    return share if fits else None
