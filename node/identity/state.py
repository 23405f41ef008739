"""The state of identity: everything that is in force, made of settings and files before it is.

Rules: a state is made whole or not at all, and making one changes nothing. The provider's keys that
were had stay as long as its settings do.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from node.clock import Clock
from node.config import NodeConfig
from node.identity.apikey import ApiKeys
from node.identity.certificates import Tls, make_tls
from node.identity.port import LogIn
from node.identity.principal import IdentityInvalid
from node.identity.settings import OidcConfig
from node.identity.users import Users
from node.keys import KeystoreError, read_private

if TYPE_CHECKING:
    from node.identity.provider import Provider
    from node.identity.tokens import Tokens

MAX_SECRET_BYTES: Final = 4_096


class State(Struct, frozen=True):
    """What is in force."""

    config: NodeConfig
    keys: ApiKeys
    users: Users
    tls: Tls | None
    secret: str | None
    """Of the console's client at the identity provider."""
    provider: Provider | None
    tokens: Tokens | None
    log_in: LogIn | None
    stamp: int
    """Changes whenever the provider's settings do."""


def make_state(home: Path, config: NodeConfig, clock: Clock, before: State | None) -> State:
    """The state of a configuration and the files it names.

    Raises ApiKeysInvalid, IdentityInvalid.
    """
    keys = ApiKeys.load(home / config.http.api_keys)
    tls = make_tls(home, config.http)
    path = None if config.http.users is None else home / config.http.users
    users = Users.load(path, () if tls is None else tls.revoked)
    oidc = config.oidc
    secret = client_secret(home, oidc)
    if before is not None and before.config.oidc == oidc and before.secret == secret:
        return State(
            config, keys, users, tls, secret,
            before.provider, before.tokens, before.log_in, before.stamp,
        )  # fmt: skip
    stamp = 1 if before is None else before.stamp + 1
    if oidc.issuer is None:
        return State(config, keys, users, tls, secret, None, None, None, stamp)
    # Only a node with a provider pays for the HTTP client and the library of tokens.
    from node.identity.login import CodeLogin
    from node.identity.provider import Provider
    from node.identity.tokens import Tokens

    provider = Provider(oidc, home, lambda: clock.now_ms() / 1000)
    tokens = Tokens(provider, oidc, clock.wall_ms, stamp)
    log_in = None
    if oidc.client_id is not None:
        log_in = CodeLogin(provider, tokens, oidc, secret, os.urandom, clock.now_ms)
    return State(config, keys, users, tls, secret, provider, tokens, log_in, stamp)


def client_secret(home: Path, oidc: OidcConfig) -> str | None:
    """The secret of the file that the settings name. Raises IdentityInvalid."""
    if oidc.client_secret_file is None:
        return None
    path = home / oidc.client_secret_file
    try:
        text = read_private(path, MAX_SECRET_BYTES).decode("ascii").strip()
    except KeystoreError as error:
        raise IdentityInvalid(str(path), str(error)) from error
    except UnicodeDecodeError as error:
        raise IdentityInvalid(str(path), "wants ASCII text") from error
    if not text:
        raise IdentityInvalid(str(path), "is empty")
    return text


def changed_rules(before: Users, now: Users) -> list[str]:
    """What changed in the users file, one text a rule; pins and names stay out of it."""
    found = []
    for name in sorted(before.rules.keys() | now.rules.keys()):
        old, new = before.rules.get(name), now.rules.get(name)
        if old == new:
            continue
        if old is None and new is not None:
            found.append(f"{new.key_id} is {new.role.value}")
        elif new is None and old is not None:
            found.append(f"{old.key_id} is no {old.role.value} any more")
        elif old is not None and new is not None:
            found.append(f"{old.key_id}, {old.role.value}, is {new.key_id}, {new.role.value}")
    return found
