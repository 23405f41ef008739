"""Puts the keys of a node together: those of its keystore, and those inside a token."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from node.keys import KeystoreError, NodeSecrets
from node.rotation.keyset import KeySet
from node.sections import KeystoreConfig
from node.tokens.pkcs11token import Token, TokenError, TokenSigner


def keys_at_work(home: Path, settings: KeystoreConfig, secrets: NodeSecrets) -> KeySet:
    """The key set of a home. Raises KeystoreError for a token that can not be used.

    Keys of the token stand before those of the keystore; which of them signs, the ledger says. So a
    key moves into a token by the same vote that rotates it.
    """
    wanted = settings.pkcs11
    if wanted is None:
        return KeySet(secrets)
    path = home / settings.path
    if importlib.util.find_spec("pkcs11") is None:
        raise KeystoreError(path, "keystore.pkcs11 needs the extra pkcs11 (python-pkcs11)")
    try:
        token = Token(wanted, home, os.environ)
    except TokenError as error:
        raise KeystoreError(path, str(error)) from error
    try:
        vote = [] if wanted.vote_key is None else [TokenSigner(token, wanted.vote_key)]
        account = [] if wanted.account_key is None else [TokenSigner(token, wanted.account_key)]
    except TokenError as error:
        token.close()
        raise KeystoreError(path, str(error)) from error
    keys = KeySet(secrets, vote=vote, account=account)
    token.lost = lambda reason: keys.lost(reason)
    return keys
