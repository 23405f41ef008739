"""Which node a command talks to, and the API key it shows.

Rules: a node is named by its address, by its home folder, or by its name in a devnet; keys are read
from files (never from the command line, where every user of the machine sees them) and never
printed. A key file is JSON {role: key}, or one key as text. Of several roles, the first that the
command can use is taken.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

import click

from bulwark.client import BulwarkClient, ClientError
from bulwark.client.policy import RetryPolicy
from bulwark.client.transport import ConnectionInvalid, checked_url
from node.cli.faults import BadSetup, Failed
from node.cli.options import entries

DEVNET_FILE: Final = "devnet.json"
MAX_FILE_BYTES: Final = 1024 * 1024
WRITE_ROLES: Final = ("reporter",)
AUDIT_ROLES: Final = ("auditor", "admin")
ASK_ROLES: Final = ("analyst", "reporter")
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Target:
    """A node and the key to show it."""

    url: str
    key: str | None = field(repr=False)
    authority: Path | None = None
    """CA certificate of the node's HTTPS, PEM; None for the system's."""

    def client(self, retry: RetryPolicy | None = None, timeout_s: float = 60.0) -> BulwarkClient:
        """A client of the node; raises BadSetup."""
        verify = self.trust()
        try:
            return BulwarkClient(
                self.url, self.key, retry=retry, verify=verify, timeout_s=timeout_s
            )
        except ConnectionInvalid as error:
            raise BadSetup(str(error)) from error

    def trust(self) -> ssl.SSLContext | bool:
        """What the node's HTTPS is checked against; raises BadSetup."""
        return trust(self.authority)


def trust(authority: Path | None) -> ssl.SSLContext | bool:
    """What HTTPS is checked against: a CA certificate, or the system's; raises BadSetup."""
    if authority is None:
        return True
    try:
        return ssl.create_default_context(cafile=authority)
    except OSError as error:  # of which ssl.SSLError is one
        raise BadSetup(f"{authority}: {error.strerror or error}") from error


def connection_options(
    *roles: str, optional_with: str = ""
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Options that name a node; the command gets a Target as `target`.

    It gets None where the flag `optional_with` is set: then it needs no node.
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> T:
            given = {name: kwargs.pop(name) for name in _NAMES}
            alone = bool(optional_with) and kwargs[optional_with]
            kwargs["target"] = None if alone else find_target(roles, **given)
            return function(*args, **kwargs)

        decorated: Callable[P, T] = wrapper
        for option in reversed(_OPTIONS):
            decorated = option(decorated)
        return decorated

    return decorate


_NAMES: Final = ("url", "key_file", "home", "devnet", "name", "authority")
_PATH = click.Path(path_type=Path)
_OPTIONS: Final = (
    click.option("--url", envvar="BULWARK_URL", help="Address of the node. [env: BULWARK_URL]"),
    click.option(
        "--key-file",
        envvar="BULWARK_KEY_FILE",
        type=_PATH,
        help="File with the API key, or with {role: key}. [env: BULWARK_KEY_FILE]",
    ),
    click.option("--home", type=_PATH, help="Home folder of the node, instead of --url."),
    click.option("--devnet", type=_PATH, help="Folder of a devnet, with --node."),
    click.option("--node", "name", help="Name of the devnet's node; its first if left out."),
    click.option("--ca", "authority", type=_PATH, help="CA certificate of the node's HTTPS, PEM."),
)


def find_target(
    roles: tuple[str, ...],
    *,
    url: str | None = None,
    key_file: Path | None = None,
    home: Path | None = None,
    devnet: Path | None = None,
    name: str | None = None,
    authority: Path | None = None,
) -> Target:
    """The node that the options name; raises BadSetup and click.UsageError."""
    if home is not None or devnet is not None:
        url = None if click_got_only_environment("url") else url
        key_file = None if click_got_only_environment("key_file") else key_file
    if sum(given is not None for given in (url, home, devnet)) != 1:
        raise click.UsageError("name one node: --url with --key-file, --home, or --devnet")
    if name is not None and devnet is None:
        raise click.UsageError("--node goes with --devnet")
    if home is not None:
        return _of_home(home, key_file, roles, authority)
    if devnet is not None:
        entry = _devnet_node(devnet, name)
        return Target(entry[0], read_key(key_file or entry[1], roles), authority)
    if key_file is None:
        raise click.UsageError("--url goes with --key-file")
    try:
        address = checked_url(url or "")
    except ConnectionInvalid as error:
        raise BadSetup(str(error)) from error
    return Target(address, read_key(key_file, roles), authority)


def _of_home(
    home: Path, key_file: Path | None, roles: tuple[str, ...], authority: Path | None
) -> Target:
    # Imported here: reading a node's configuration costs more than asking a node.
    from genesis.home import CLEAR_API_KEYS_FILE
    from node.cli.homes import open_config

    config = open_config(home)
    host = "127.0.0.1" if config.http.host in ("0.0.0.0", "::") else config.http.host
    host = f"[{host}]" if ":" in host else host
    scheme = "https" if config.http.certificate is not None else "http"
    key = read_key(key_file or home / CLEAR_API_KEYS_FILE, roles)
    return Target(f"{scheme}://{host}:{config.http.port}", key, authority)


def click_got_only_environment(parameter: str) -> bool:
    """Whether a parameter's value came from the environment, which an option goes over."""
    context = click.get_current_context(silent=True)
    if context is None:
        return False
    source = context.get_parameter_source(parameter)
    return source is click.core.ParameterSource.ENVIRONMENT


def read_key(path: Path, roles: tuple[str, ...]) -> str:
    """The key for the first of these roles in a file; raises BadSetup."""
    text = _read(path).strip()
    if not text.startswith("{"):
        if not text or len(text.split()) != 1:
            raise BadSetup(f"{path}: wants one API key, or JSON {{role: key}}")
        return text
    try:
        keys = json.loads(text)
    except ValueError as error:
        raise BadSetup(f"{path}: is not JSON") from error
    for role in roles:
        if isinstance(keys.get(role), str):
            return str(keys[role])
    if "keys" in keys:
        raise BadSetup(f"{path}: holds only hashes of keys; the clear ones were handed out once")
    raise BadSetup(f"{path}: has no key of the role {' or '.join(roles)}")


def _devnet_node(folder: Path, name: str | None) -> tuple[str, Path]:
    path = folder / DEVNET_FILE
    try:
        nodes = json.loads(_read(path))["nodes"]
        known = {node["name"]: (node["rest_url"], Path(node["api_keys_file"])) for node in nodes}
    except (ValueError, KeyError, TypeError) as error:
        raise BadSetup(f"{path}: is no list of a devnet's nodes") from error
    if name is None and known:
        return next(iter(known.values()))
    if name not in known:
        raise BadSetup(f"{path}: has no node {name}; it has {', '.join(known) or 'none'}")
    return known[name]


def _read(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_FILE_BYTES).decode("utf-8")
    except OSError as error:
        raise BadSetup(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadSetup(f"{path}: is no text") from error


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command's work; a node's refusal ends it with one line and code 1."""
    try:
        return asyncio.run(work)
    except ClientError as error:
        raise Failed(str(error)) from error


async def with_client(
    target: Target, work: Callable[[BulwarkClient], Awaitable[T]], timeout_s: float = 60.0
) -> T:
    """Do `work` with a client of the target."""
    async with target.client(timeout_s=timeout_s) as client:
        return await work(client)


def look(
    target: Target,
    path: str,
    *,
    after: int = 0,
    query: Mapping[str, str] | None = None,
    timeout_s: float = 60.0,
) -> dict[str, Any]:
    """What is at /v1/`path`; a refusal ends the command with code 1."""
    return run(
        with_client(target, lambda client: client.look(path, after=after, query=query), timeout_s)
    )


def ask(
    target: Target, path: str, document: Mapping[str, object] | None, *, method: str = "POST"
) -> dict[str, Any]:
    """What /v1/`path` answers to a document, or to none; a refusal ends the command with code 1."""
    return run(with_client(target, lambda client: client.ask(path, document, method=method)))


def paged(target: Target, path: str, name: str, query: Mapping[str, str]) -> dict[str, list[Any]]:
    """All entries of the list `name` at /v1/`path`, page after page, as one list of that name."""

    async def pages(client: BulwarkClient) -> list[Any]:
        found: list[Any] = []
        cursor: object = ""
        while cursor is not None:
            more = {"cursor": str(cursor)} if cursor else {}
            page = await client.look(path, query={**query, **more})
            found += entries(page, name)
            cursor = page.get("next")
        return found

    return {name: run(with_client(target, pages))}
