"""Progress of a node that catches up, as eth_syncing and its subscription tell it.

Rules: false as long as the node keeps step by itself; the block at which it fell behind is not
remembered, so the starting block is the current one. It reads the node's own report.
"""

from __future__ import annotations

from api.hexadecimal import quantity
from api.jsonrpc import Json
from bulwark.ledger.ids import Height
from node.service import NodeService


def syncing_shape(service: NodeService, tip: Height) -> Json:
    """False, or current and highest block."""
    target = service.status().get("sync_target")
    if not isinstance(target, int) or target <= tip:
        return False
    return {
        "startingBlock": quantity(tip),
        "currentBlock": quantity(tip),
        "highestBlock": quantity(target),
    }
