"""Roles of JSON-RPC: which methods want more than a key, and which.

Rules: a method that is not named here answers every key; a key whose role does not fit is told
which roles do (-32006), and nothing of the call is looked at before. Traces and the explorer's
methods make the node compute for seconds; the mempool shows what no block holds yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import wraps
from typing import Final

from api.auth import Principal
from api.jsonrpc import FORBIDDEN, Json, Method, RpcError
from node.service import Role

_BY_NAME: Final[Mapping[str, frozenset[Role]]] = {
    "eth_sendRawTransaction": frozenset((Role.OPERATOR,)),
}
_BY_NAMESPACE: Final[Mapping[str, frozenset[Role]]] = {
    "debug": frozenset((Role.OPERATOR, Role.AUDITOR)),
    "txpool": frozenset((Role.OPERATOR, Role.AUDITOR)),
    "ots": frozenset((Role.OPERATOR, Role.AUDITOR, Role.ANALYST)),
    "erigon": frozenset((Role.OPERATOR, Role.AUDITOR, Role.ANALYST)),
}


def roles_of(name: str) -> frozenset[Role] | None:
    """Roles that may call a method; None for every role."""
    return _BY_NAME.get(name) or _BY_NAMESPACE.get(name.partition("_")[0])


def guarded(methods: Mapping[str, Method]) -> dict[str, Method]:
    """The same methods, each behind its roles."""
    return {name: _behind(name, method) for name, method in methods.items()}


def _behind(name: str, method: Method) -> Method:
    roles = roles_of(name)
    if roles is None:
        return method
    able = ", ".join(sorted(role.value for role in roles))

    @wraps(method)
    async def checked(params: list[object], who: Principal) -> Json:
        if who.role not in roles:
            raise RpcError(
                FORBIDDEN, f"role {who.role.value} may not call {name}; roles that may: {able}"
            )
        return await method(params, who)

    return checked
