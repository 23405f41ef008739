"""The epochs of a node's chain: who votes on a height, with which parameters.

Rules: epoch 0 is the genesis document's; each later one is a record written in the same batch as
the block that ended the one before it (E1), so restart and block sync find what execution decided.
Parameters that governance set override those of genesis; a combination that the core refuses never
begins to count. It decides nothing about votes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from bulwark.ledger.codec import Reader, Writer
from bulwark.ledger.epochs import (
    MAX_VALIDATORS_BYTES,
    EpochChange,
    EpochTerms,
    boundary,
    read_parameters,
    write_parameters,
)
from bulwark.ledger.features import HIGHEST_LEVEL, PROTOCOL_LEVEL, level_of, transaction_gas
from bulwark.ledger.genesis import Genesis
from bulwark.ledger.header import Header
from bulwark.ledger.ids import Epoch, Height
from bulwark.ledger.validators import ValidatorSet
from bulwark.ledger.votes import Certificate
from consensus.config import Config
from consensus.errors import ConfigInvalid
from consensus.terms import Terms
from contracts.actions import PARAMETERS
from node.chain.errors import BuildTooOld
from node.storage import blocks, schema
from node.storage.errors import StoreDamaged
from node.storage.seal import seal

GAS_LIMIT: Final = "gas_limit"
"""One of the two governed parameters that are not the core's; the other is PROTOCOL_LEVEL."""
MAX_VOTED_GAS: Final = 45_000_000
"""Most gas of a block that a vote may allow: log data costs 8 gas a byte, and a block with receipts
of more than 6 MiB could be given to no node that is behind."""


class ChainEpoch(Struct, frozen=True):
    """One epoch as a node runs it."""

    terms: EpochTerms
    config: Config
    """The core's parameters."""
    gas_limit: int
    """Of one block."""

    @property
    def number(self) -> Epoch:
        """The epoch's number."""
        return self.terms.number

    @property
    def validators(self) -> ValidatorSet:
        """Who votes."""
        return self.terms.validators

    @property
    def level(self) -> int:
        """The protocol level that its heights are under."""
        return level_of(self.terms.parameters)

    @property
    def transaction_gas(self) -> int:
        """Most gas of one transaction."""
        return transaction_gas(self.level, self.gas_limit)

    def check_build(self, known: int) -> None:
        """U3: raises BuildTooOld if a build that knows levels up to `known` must not run it."""
        if self.level > known:
            raise BuildTooOld(self.level, known, self.terms.start)

    @property
    def core_terms(self) -> Terms:
        """What the core checks messages of this epoch against."""
        terms = self.terms
        return Terms(terms.validators, terms.domain, self.config.window, terms.start)

    def boundary(self, height: Height) -> Height:
        """E1: where this epoch ends if the block of `height` decides a change."""
        return boundary(height, self.config.window, self.config.checkpoint_interval)


def effective(genesis: Genesis, parameters: Mapping[str, int]) -> tuple[Config, int]:
    """Core parameters and gas limit: those of genesis with governed ones over them.

    Raises ConfigInvalid for a combination that the core refuses.
    """
    given = genesis.consensus
    merged = {name: getattr(given, name) for name in given.__struct_fields__}
    known = set(Config.__slots__)
    merged |= {name: value for name, value in parameters.items() if name in known}
    gas_limit = parameters.get(GAS_LIMIT, genesis.gas_limit)
    most = max(MAX_VOTED_GAS, genesis.gas_limit)
    if gas_limit > most:
        raise ConfigInvalid(GAS_LIMIT, f"{gas_limit} gas, receipts of {most} can be synced")
    return Config(**merged), gas_limit


def usable(genesis: Genesis, parameters: Mapping[str, int]) -> bool:
    """Whether the core can run with these parameters over those of genesis."""
    try:
        effective(genesis, parameters)
    except ConfigInvalid:
        return False
    return True


def governed(genesis: Genesis, parameters: Mapping[str, int]) -> dict[str, int]:
    """Every governed parameter of an epoch by name, also those that no vote set.

    Raises ConfigInvalid for a combination that the core refuses.
    """
    config, gas_limit = effective(genesis, parameters)
    others = {GAS_LIMIT: gas_limit, PROTOCOL_LEVEL: level_of(parameters)}
    core = {name: int(getattr(config, name)) for name in PARAMETERS if name not in others}
    return {**core, **others}


def epoch_puts(terms: EpochTerms) -> dict[bytes, bytes | None]:
    """The record of an epoch, for the batch of the block that ended the one before it."""
    key = schema.epoch(terms.number)
    writer = Writer().uint(terms.start, 8).blob(terms.validators.encode())
    return {key: seal(key, write_parameters(writer, terms.parameters).done())}


class EpochBook:
    """All epochs that the chain of a store has reached."""

    def __init__(self, store: blocks.Getter, genesis: Genesis, known: int = HIGHEST_LEVEL) -> None:
        """`known`: the highest protocol level under which this node may vote and execute."""
        self._store = store
        self.known = known
        self._genesis = genesis
        self._epochs = [self._made(EpochTerms.first(genesis))]

    @property
    def current(self) -> ChainEpoch:
        """The epoch that orders the height after the last executed one."""
        while (terms := self._read(Epoch(len(self._epochs)))) is not None:
            self._epochs.append(self._made(terms))
        return self._epochs[-1]

    def number(self, number: int) -> ChainEpoch:
        """An epoch that was reached; raises LookupError."""
        if not 0 <= number <= self.current.number:
            raise LookupError(f"no epoch {number}")
        return self._epochs[number]

    def at(self, height: Height) -> ChainEpoch:
        """The epoch that orders a height, at most one above the last executed one."""
        self.current  # noqa: B018 - reads what the chain has reached
        return next(epoch for epoch in reversed(self._epochs) if epoch.terms.start < max(1, height))

    def running(self, tip: Header, finalized: Height) -> ChainEpoch:
        """The epoch whose replica has to run: the old one until its last block is certified."""
        if tip.height == tip.epoch_end and finalized < tip.height:
            return self.number(tip.epoch)
        return self.current

    def changes(self, before: Epoch) -> tuple[EpochChange, ...]:
        """The proven ends of all epochs below `before`. Raises StoreDamaged."""
        found = []
        for number in range(1, before + 1):
            epoch = self.number(number)
            header = blocks.read_header(self._store, epoch.terms.start)
            found.append(EpochChange(header, self.last_certificate(number - 1), epoch.validators))
        return tuple(found)

    def last_certificate(self, number: int) -> Certificate:
        """The certificate that ended an epoch. Raises LookupError, StoreDamaged."""
        height = self.number(number + 1).terms.start
        certificate = blocks.read_checkpoint(self._store, height)
        if certificate is None:
            raise StoreDamaged(f"checkpoint {height}", "the certificate of an epoch's end is gone")
        return certificate

    def _made(self, terms: EpochTerms) -> ChainEpoch:
        config, gas_limit = effective(self._genesis, terms.parameters)
        return ChainEpoch(terms, config, gas_limit)

    def _read(self, number: Epoch) -> EpochTerms | None:
        def decode(data: bytes) -> EpochTerms:
            reader = Reader(data, "epoch")
            start = Height(reader.uint(8, "start"))
            validators = ValidatorSet.decode(reader.blob("validators", MAX_VALIDATORS_BYTES))
            parameters = read_parameters(reader)
            reader.end()
            return EpochTerms(validators, self._genesis.domain(number), start, parameters)

        return blocks.read_sealed(self._store, schema.epoch(number), decode)
