"""Rules about single members: who is missing, silent, behind, or in another view.

Rules owned: peer.not-connected, peer.refused, peer.no-status, peer.silent, peer.behind,
peer.other-view, node.no-peers. An observer that is away is worth knowing, a validator a warning.
"""

from __future__ import annotations

from collections.abc import Iterator

from node.diagnosis.facts import Facts, MemberFacts
from node.diagnosis.finding import Finding, Severity
from node.diagnosis.words import blocks, duration

BEHIND_BLOCKS = 8
"""A validator so far behind does not take part in the next heights: a window."""

_REFUSALS = {
    "wrong-pin": "its TLS key is not the one that the ledger pins: compare `bulwark key show` on "
    "its node with GET /v1/members, then have the pin changed by vote or the old key restored",
    "wrong-name": "the certificate at its address carries another name: check the address in "
    "node.toml and the certificate",
    "unknown-member": "the certificate at its address belongs to no member: check the address",
    "tls": "the TLS handshake fails: check that its certificate has not expired and comes from "
    "the alliance's authority",
    "other-genesis": "it runs with another genesis.json: compare the hashes in GET /v1/node",
    "other-chain": "it runs another chain: check the address in node.toml",
    "other-version": "it speaks another protocol version: update the older node",
    "hello-signature": "it does not hold the vote key of its member entry: check its keystore",
    "wrong-address": "its vote key is not that of its member entry: check its keystore",
    "wrong-member": "another member answers at its address: check node.toml",
    "duplicate-identity": "two nodes run with its identity: stop one of them at once",
    "misbehaved": "this node dropped it for a wrong answer and lets it in again within a minute: "
    "ask its operator to run `bulwark fsck --full`",
    "refused-by-peer": "it refuses this node: read its log for the reason",
}


def missing(facts: Facts) -> Iterator[Finding]:
    """peer.not-connected and peer.refused."""
    for member in facts.members:
        if not member.connected and facts.running:
            yield _away(facts, member)


def _away(facts: Facts, member: MemberFacts) -> Finding:
    votes = member.validator is not None
    severity = Severity.WARNING if votes else Severity.INFO
    role = "validator" if votes else "observer"
    since = member.changed_ms
    for_long = "" if since is None else f" for {duration(facts.now_ms - since)}"
    refusal = member.refusal
    advice = None if refusal is None else _REFUSALS.get(refusal.reason)
    if refusal is not None and advice is not None:
        return Finding(
            "peer.refused",
            severity,
            member.id,
            f"{role} {member.id} is not connected{for_long}: {refusal.reason} ({refusal.detail})",
            advice,
            (("role", role), ("reason", refusal.reason)),
            refusal.at_ms if since is None else since,
        )
    return Finding(
        "peer.not-connected",
        severity,
        member.id,
        f"{role} {member.id} is not connected{for_long}",
        f"check that the node of {member.id} runs and that its address in node.toml is reachable",
        (("role", role),),
        since,
    )


def no_peers(facts: Facts) -> Iterator[Finding]:
    """node.no-peers: when nobody is there, the fault is likely here."""
    if facts.running and facts.members and not any(m.connected for m in facts.members):
        yield Finding(
            "node.no-peers",
            Severity.CRITICAL,
            facts.own,
            f"none of {len(facts.members)} members is connected",
            "check this node's network, its listening port and the addresses in node.toml",
            (("members", len(facts.members)),),
        )


def no_status(facts: Facts) -> Iterator[Finding]:
    """peer.no-status: the connection stands and the validator says nothing."""
    if facts.consensus is None or not facts.running:
        return
    for member in facts.peers:
        if not member.connected or facts.hears(member):
            continue
        age_ms = facts.status_age_ms(member)
        if age_ms is None:
            up_ms = None if member.changed_ms is None else facts.now_ms - member.changed_ms
            if up_ms is not None and up_ms <= facts.status_patience_ms:
                continue  # it has just come
            what = "never sent its STATUS"
        else:
            what = f"sent no STATUS for {duration(age_ms)}"
        yield Finding(
            "peer.no-status",
            Severity.WARNING,
            member.id,
            f"validator {member.id} is connected and {what}; "
            f"one comes every {duration(facts.settings.status_interval_ms)}",
            f"its node hangs, is overloaded or is paused: look at the machine of {member.id}",
            (("silent_ms", -1 if age_ms is None else age_ms),),
            None if member.status is None else member.status.at_ms,
        )


def silent(facts: Facts) -> Iterator[Finding]:
    """peer.silent: a validator that lost its records follows and does not vote for a while."""
    for member in facts.peers:
        if member.status is not None and member.status.silent and facts.hears(member):
            yield Finding(
                "peer.silent",
                Severity.WARNING,
                member.id,
                f"validator {member.id} lost its records and does not vote yet",
                "it votes again by itself after some blocks; wipe no other node meanwhile",
                (("executed", member.status.executed),),
            )


def behind(facts: Facts) -> Iterator[Finding]:
    """peer.behind: a validator that executes what others finished long ago."""
    for member in facts.peers:
        if member.status is None or not facts.hears(member):
            continue
        lag = max(facts.certified, facts.executed) - member.status.executed
        if lag >= BEHIND_BLOCKS:
            yield Finding(
                "peer.behind",
                Severity.WARNING,
                member.id,
                f"validator {member.id} is {blocks(lag)} behind "
                f"(it executed block {member.status.executed})",
                "it catches up by itself; if the distance grows, look at its log and disk",
                (("behind_blocks", lag), ("executed", member.status.executed)),
            )


def other_view(facts: Facts) -> Iterator[Finding]:
    """peer.other-view: validators that are not in this node's view do not count its votes."""
    own = facts.consensus
    if own is None:
        return
    for member in facts.peers:
        status = member.status
        if status is None or not facts.hears(member) or status.view == own.view:
            continue
        yield Finding(
            "peer.other-view",
            Severity.INFO,
            member.id,
            f"validator {member.id} is in view {status.view}, this node in view {own.view}",
            "they meet in the higher view once enough validators ask for it",
            (("view", status.view), ("own_view", own.view)),
        )
