"""Schemas of the JSON-RPC envelope, for the API's documentation and its tests.

What is inside `params` and `result` is the Ethereum execution API's affair, not this document's.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, RootModel

from api.schemas import Document


class RpcIn(BaseModel):
    """A JSON-RPC 2.0 request (or an array of at most 100)."""

    jsonrpc: Literal["2.0"]
    method: str
    params: list[Any] = []
    id: str | int | None = None


class RpcErrorOut(Document):
    """A JSON-RPC error object."""

    code: int
    message: str
    data: str | None = None


class RpcOut(BaseModel):
    """A JSON-RPC 2.0 answer: a result or an error."""

    model_config = ConfigDict(extra="forbid", defer_build=True)

    jsonrpc: Literal["2.0"]
    id: str | int | float | None
    result: Any = None
    error: RpcErrorOut | None = None


class RpcRequests(RootModel[RpcIn | list[RpcIn]]):
    """One request, or a batch of at most 100."""


class RpcAnswers(RootModel[RpcOut | list[RpcOut]]):
    """One answer, or those to a batch; notifications have none."""
