"""The change-over: which of a member's keys a running node uses, as ledger and certificate say it.

Rules: the vote key of an epoch is the one that its validators name, from its first message to its
last; a node that does not vote shows the one of the registry. The certificate's file says which TLS
key goes with it. The account is the registry's. A keystore that was changed on disk is taken over
when the node is told to reload, all of it or nothing.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from dataclasses import replace

from bulwark.ledger.ids import Address, MemberId
from bulwark.ledger.signing import Signer
from node.assembly import Home, HomeInvalid, network_identity
from node.chain.epochs import ChainEpoch, EpochBook
from node.chain.store import ChainStore
from node.directory import Directory
from node.gatekeeper import Gatekeeper
from node.identity.port import ReloadRefused
from node.keys import KeystoreError, PassphraseMissing
from node.logs import Log
from node.network.errors import IdentityInvalid
from node.network.identity import LocalIdentity, Member
from node.pki import CertificateUnusable
from node.rotation.keyfile import open_keystore
from node.rotation.keyset import KeysRefused

log = Log("rotation")


def choose_vote_key(home: Home, directory: Directory, epoch: ChainEpoch) -> Signer:
    """The vote key that counts while this epoch runs."""
    voters = epoch.validators
    known = directory.member(home.member.id)
    keys = home.vote_key

    def votes(address: Address) -> bool:
        return voters.index_of(address) is not None

    if any(votes(address) for address in keys.addresses):
        return keys.choose(votes)
    return keys.choose(lambda address: known is None or address == known.node)


def choose_account_key(home: Home, directory: Directory) -> Signer:
    """The key of the account that the registry has for this member now, as far as it is here."""
    account = directory.current_account(home.member.id)
    return home.account_key.choose(lambda address: account is None or address == account)


def own_member(local: LocalIdentity) -> Member:
    """This node's own row of the member table. Raises IdentityInvalid."""
    return Member(local.id, local.vote_key.address, (local.pin(),))


def make_gatekeeper(
    home: Home, directory: Directory, epochs: EpochBook, chain: ChainStore
) -> tuple[LocalIdentity, Gatekeeper]:
    """What a node shows to its peers as it starts, and who keeps its member table.

    Raises HomeInvalid, IdentityInvalid.
    """
    epoch = epochs.running(chain.tip, chain.finalized)
    choose_vote_key(home, directory, epoch)
    choose_account_key(home, directory)
    local = network_identity(home)
    peers = {MemberId(p.member): (p.host, p.port) for p in home.config.network.peers}
    return local, Gatekeeper(own_member(local), directory, epoch, peers)


class ChangeOver:
    """Keeps what the node shows to its peers in step with its keys and the ledger."""

    def __init__(
        self,
        home: Home,
        directory: Directory,
        gatekeeper: Gatekeeper,
        local: LocalIdentity,
        epoch: Callable[[], ChainEpoch],
    ) -> None:
        """`local`: what the network was built with; `epoch`: the one that runs here now."""
        self._home, self._directory, self._gatekeeper = home, directory, gatekeeper
        self._local = local
        self._epoch = epoch
        self.rekeyed: Callable[[], None] = lambda: None
        """Called when the account may be another one, or its key came."""

    def settle(self) -> None:
        """An epoch began or the registry changed: use the vote key and account that count now."""
        self.rekeyed()
        epoch = self._epoch()
        key = choose_vote_key(self._home, self._directory, epoch)
        if key.address != self._local.vote_key.address:
            self._show(replace(self._local, vote_key=key))
            log.info("vote key changed", address=f"0x{key.address.hex()}", epoch=epoch.number)

    async def reload(self) -> list[str]:
        """Take over the keystore and certificate as they are on disk; what changed.

        Raises ReloadRefused, nothing is changed then.
        """
        home = self._home
        try:
            opened = await asyncio.to_thread(
                open_keystore, home.path, home.config.keystore, os.environ
            )
            before = home.keys.secrets
            is_new = home.keys.adopt(opened.secrets)
            try:
                local = network_identity(home)
                is_other = (local.certificate_pem, local.ca_pem, local.tls_key_pem) != (
                    self._local.certificate_pem, self._local.ca_pem, self._local.tls_key_pem,
                )  # fmt: skip
                if is_other:
                    self._show(local)
            except (HomeInvalid, IdentityInvalid):
                home.keys.adopt(before)
                raise
        except (
            KeystoreError, PassphraseMissing, KeysRefused, HomeInvalid, IdentityInvalid,
            CertificateUnusable,
        ) as error:  # fmt: skip
            raise ReloadRefused(f"nothing was changed: {error}") from error
        self.settle()
        taken = ["keys of the keystore"] if is_new else []
        return [*taken, "certificate of the mesh"] if is_other else taken

    def _show(self, local: LocalIdentity) -> None:
        self._gatekeeper.renew(own_member(local), local)
        self._local = local
