"""Makes the homes of a net: one alliance by the product's own generator, addresses of a fabric."""

from __future__ import annotations

import base64
import os
import time
from dataclasses import replace
from pathlib import Path

from api.auth import generate_api_keys
from bulwark.ledger.genesis import PrivacyParameters
from bulwark.ledger.ids import MemberId
from bulwark.ledger.permissions import Permissions
from genesis.alliance import DEFAULT_GAS_LIMIT, Alliance, MemberPlan
from genesis.generator import generate
from genesis.home import NODE_FILE, node_toml
from node.devnet.layout import CHAIN_ID, DEVNET_PARAMETERS
from tests.nets.fabric import Fabric
from tests.nets.manifest import EPOCH_SECONDS, Manifest

DAY_S = 86_400


def make_homes(manifest: Manifest, fabric: Fabric, folder: Path) -> dict[str, Path]:
    """One home a node under `folder`, by name."""
    plans = [_plan(name, manifest, fabric, i) for i, name in enumerate(manifest.names)]
    chosen = {name: value for name, value in manifest.privacy.items() if name != EPOCH_SECONDS}
    alliance = Alliance(
        name=f"net {manifest.name}"[:64],
        chain_id=CHAIN_ID,
        gas_limit=DEFAULT_GAS_LIMIT,
        consensus=manifest.parameters,
        privacy=PrivacyParameters(epoch_seconds=manifest.privacy.get(EPOCH_SECONDS, DAY_S)),
        privacy_parameters={**DEVNET_PARAMETERS, **chosen},
        permissions=Permissions(send="anyone", deploy="anyone"),
        members=tuple(plans),
    )
    passphrases: dict[str, bytes] = {}

    def passphrase_of(name: str) -> bytes:
        return passphrases.setdefault(name, base64.urlsafe_b64encode(os.urandom(24)))

    generate(
        alliance,
        folder,
        random_bytes=os.urandom,
        now_ms=time.time_ns() // 1_000_000,
        passphrase_of=passphrase_of,
        new_api_keys=generate_api_keys,
        unattended=True,
    )
    for position, plan in enumerate(plans):
        seen = [_seen_from(position, at, other, fabric) for at, other in enumerate(plans)]
        text = node_toml(plan, seen, unattended=True)
        (folder / plan.id / NODE_FILE).write_text(text, "utf-8")
    return {plan.id: folder / plan.id for plan in plans}


def _plan(name: str, manifest: Manifest, fabric: Fabric, position: int) -> MemberPlan:
    host, port = fabric.listen(position)
    http_host, http_port = fabric.http(position)
    voter = name in manifest.voters
    return MemberPlan(
        id=MemberId(name),
        name=name.replace("-", " ").title(),
        roles=("validator", "reporter", "deployer") if voter else ("regulator",),
        host=host,
        p2p_port=port,
        http_port=http_port,
        listen_host=host,
        http_host=http_host,
    )


def _seen_from(source: int, at: int, plan: MemberPlan, fabric: Fabric) -> MemberPlan:
    if at == source:
        return plan
    host, port = fabric.dial(source, at)
    return replace(plan, host=host, p2p_port=port)
