"""The sections of the configuration tree, one class a section, one described field a setting.

Rules: frozen, and an unknown name is refused. A desk whose settings are many keeps its section
beside its code; `node.config` puts all of them into one tree.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, Self

# Read when the first model is made. Looking for plugins of pydantic opens the metadata of every
# installed package, and none of them has a say in how a node is set up.
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")

from pydantic import BaseModel, ConfigDict, Field, model_validator

Port = Annotated[int, Field(ge=0, le=65535)]


class Section(BaseModel):
    """A part of the tree: frozen, and unknown names are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PeerConfig(Section):
    """Where another member's node listens."""

    member: str = Field(description="member id as in genesis.json")
    host: str = Field(description="host name or address")
    port: Port = Field(description="TCP port")


class NetworkConfig(Section):
    """The mutual-TLS mesh between the members' nodes."""

    listen_host: str = Field("127.0.0.1", description="address to accept peers on")
    listen_port: Port = Field(7000, description="TCP port to accept peers on")
    peers: tuple[PeerConfig, ...] = Field((), description="the other members' nodes")
    certificate: Path = Field(Path("tls/node.pem"), description="this node's certificate, PEM")
    authority: Path = Field(Path("tls/ca.pem"), description="the alliance CA's certificate, PEM")
    keepalive_ms: int = Field(
        2_000, ge=100, le=60_000, description="silence after which a ping is sent, milliseconds"
    )


class HttpConfig(Section):
    """REST and JSON-RPC for this member's own systems."""

    host: str = Field("127.0.0.1", description="address to serve on")
    port: Port = Field(8000, description="TCP port to serve on")
    api_keys: Path = Field(Path("api_keys.json"), description="hashed API keys with their roles")
    certificate: Path | None = Field(None, description="server certificate, PEM; none = plain HTTP")
    private_key: Path | None = Field(None, description="key of the server certificate, PEM")
    client_authority: Path | None = Field(
        None, description="CA of client certificates, PEM; none = they are not asked for"
    )
    client_certificates: Literal["optional", "required"] = Field(
        "optional", description="whether a connection without a client certificate is taken"
    )
    client_revocations: Path | None = Field(
        None, description="revocation list of that CA, PEM; a list out of date refuses everybody"
    )
    users: Path | None = Field(
        None, description="users file: which client certificate is who, in which role, TOML"
    )
    access_log: Literal["all", "failures"] = Field(
        "failures",
        description="requests that leave a log line: all, or refused and failed ones and slow ones",
    )
    console: bool = Field(True, description="serve the web console under /console")
    open_metrics: bool = Field(False, description="serve /metrics without a key")
    max_body_bytes: int = Field(
        64 * 1024 * 1024, ge=1024, le=1 << 30, description="largest request body, bytes"
    )
    wrong_keys_per_minute: int = Field(
        20, ge=1, le=10**6, description="wrong keys of one address in a minute before it gets 429"
    )

    @model_validator(mode="after")
    def _tls_fits(self) -> Self:
        if self.client_authority is not None and self.certificate is None:
            raise ValueError("client_authority needs certificate: plain HTTP has no certificates")
        if self.client_authority is None:
            needing = {
                "client_revocations": self.client_revocations is not None,
                "users": self.users is not None,
                "client_certificates": self.client_certificates == "required",
            }
            for name, is_set in needing.items():
                if is_set:
                    raise ValueError(f"{name} needs client_authority")
        return self


class StorageConfig(Section):
    """The node's one LevelDB."""

    path: Path = Field(Path("data"), description="database folder")
    check_on_start: Literal["quick", "full", "none"] = Field(
        "quick", description="what to verify before serving: quick = head and last blocks"
    )


class Pkcs11Config(Section):
    """Vote key and account key inside a PKCS#11 token (extra `pkcs11`)."""

    module: Path = Field(description="the token's PKCS#11 library, absolute")
    token_label: str = Field(min_length=1, max_length=32, description="label of the token")
    vote_key: str | None = Field(None, max_length=64, description="label of the vote key in it")
    account_key: str | None = Field(
        None, max_length=64, description="label of the account key in it"
    )
    pin_file: Path | None = Field(
        None, description="file with the user PIN (mode 0600); BULWARK_PKCS11_PIN goes first"
    )
    timeout_ms: int = Field(
        500, ge=50, le=5_000, description="longest wait for one answer of the token, milliseconds"
    )


class KeystoreConfig(Section):
    """Where the encrypted secrets are, and the passphrase if the environment has none."""

    path: Path = Field(Path("keys/keystore.json"), description="encrypted keystore")
    passphrase_file: Path | None = Field(
        None,
        description="file with the passphrase (mode 0600); BULWARK_KEYSTORE_PASSPHRASE goes first",
    )
    pkcs11: Pkcs11Config | None = Field(
        None, description="a token that holds the vote key or the account key"
    )


class ReportingConfig(Section):
    """How reported records become anchored batches."""

    gather_ms: int = Field(
        40, ge=0, le=50, description="longest time a single report waits for others, milliseconds"
    )
    max_pending_records: int = Field(
        200_000, ge=1_000, le=10_000_000, description="records in the outbox before 429"
    )
    wait_timeout_ms: int = Field(
        20_000, ge=100, le=600_000, description="longest wait for a stage before 503, milliseconds"
    )


class TaggingConfig(Section):
    """The threshold OPRF round that turns an indicator into a tag."""

    cache_entries: int = Field(
        1_000_000, ge=0, le=50_000_000, description="tags kept on disk, encrypted"
    )
    threads: int = Field(2, ge=1, le=64, description="threads for group arithmetic")


class PrivacyConfig(Section):
    """How this member asks evaluators without being named, and passes others' questions on."""

    relay_least_ms: int = Field(
        2, ge=0, le=10_000, description="shortest wait before a question is passed on, milliseconds"
    )
    relay_most_ms: int = Field(
        20, ge=0, le=10_000, description="longest wait before a question is passed on, milliseconds"
    )
    pass_timeout_ms: int = Field(
        5_000, ge=50, le=20_000, description="wait for one pass through a relay, milliseconds"
    )
    allow_direct: bool = Field(
        False,
        description="ask an evaluator without a relay if no third member is connected; "
        "it then learns who asks",
    )
    accusation_delay_seconds: int = Field(
        600,
        ge=0,
        le=86_400,
        description="longest wait before a wrong evaluation is filed for a member that asked, "
        "seconds",
    )
    access_anchor_seconds: int = Field(
        3_600,
        ge=1,
        le=86_400,
        description="pause between two anchors of this member's access log on the ledger; the "
        "ledger then shows how many accesses lie between them, seconds",
    )
    access_log_days: int = Field(
        1_830, ge=30, le=36_500, description="how long access log entries are kept, days"
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.relay_least_ms > self.relay_most_ms:
            raise ValueError("relay_least_ms is over relay_most_ms")
        return self


class MempoolConfig(Section):
    """Transactions that wait for a block."""

    max_transactions: int = Field(20_000, ge=10, le=1_000_000, description="transactions held")
    max_bytes: int = Field(
        256 * 1024 * 1024, ge=1 << 20, le=1 << 34, description="bytes held, sidecars included"
    )


class ConsensusConfig(Section):
    """What this node does beside the protocol, which genesis and votes decide."""

    trace_file: Path | None = Field(
        None, description="file for every step of the core, to repeat it; holds all batches"
    )
    trace_max_bytes: int = Field(
        256 * 1024 * 1024, ge=1 << 20, le=1 << 40, description="where the trace ends"
    )


class SyncConfig(Section):
    """How a node that is behind gets to the tip."""

    trusted_height: int | None = Field(
        None, ge=1, description="block that trusted_hash names; a chain without it is refused"
    )
    trusted_hash: str | None = Field(
        None, pattern="^0x[0-9a-f]{64}$", description="hash of the block at trusted_height"
    )
    execute_all: bool = Field(
        False, description="execute every block also when far behind, instead of state sync"
    )

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.trusted_height is None) != (self.trusted_hash is None):
            raise ValueError("trusted_height and trusted_hash belong together")
        return self


class GovernanceConfig(Section):
    """What this node proposes by itself; it never approves anything."""

    propose_suspensions: bool = Field(
        True, description="propose to suspend a member that evidence on the ledger convicts"
    )


class ErasureConfig(Section):
    """What this node orders to be erased by itself; what others order it always carries out."""

    order_expired: bool = Field(
        True,
        description="order the erasure of this member's own records whose last day and the grace "
        "of 30 days are over",
    )
    check_seconds: int = Field(
        21_600, ge=1, le=604_800, description="pause between two looks for such records, seconds"
    )


class RecallConfig(Section):
    """How this member's systems learn that a record which answered them stands no more."""

    webhook_url: str | None = Field(
        None, pattern="^https?://[^@]+$", description="where recalls are posted; none = no webhook"
    )
    webhook_secret_file: Path | None = Field(
        None, description="file with the secret that signs posts, 16 bytes or more (mode 0600)"
    )
    webhook_timeout_ms: int = Field(
        10_000, ge=100, le=120_000, description="longest wait for an answer, milliseconds"
    )
    webhook_pause_ms: int = Field(
        1_000, ge=10, le=600_000, description="pause after the first failed post; it doubles"
    )
    webhook_tries: int = Field(
        20, ge=1, le=100, description="posts before a recall is a dead letter: 20 take 9 hours"
    )
    hit_days: int = Field(
        400, ge=1, le=36_500, description="how long own hits and recalls are kept, days"
    )
    max_hits: int = Field(
        5_000_000, ge=1_000, le=1_000_000_000, description="own hits kept, the newest"
    )

    @model_validator(mode="after")
    def _url_and_secret(self) -> Self:
        if (self.webhook_url is None) != (self.webhook_secret_file is None):
            raise ValueError("webhook_url and webhook_secret_file belong together")
        return self


class LogConfig(Section):
    """Structured logs on standard error or in a file."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level")
    format: Literal["json", "text"] = Field("json", description="one JSON object or text a line")
    file: Path | None = Field(None, description="file to append to; none = standard error")
    max_bytes: int = Field(
        256 * 1024 * 1024, ge=64 * 1024, le=1 << 40, description="size at which a new file begins"
    )
    keep_files: int = Field(
        8, ge=0, le=1_000, description="older files that are kept as FILE.1, FILE.2 and so on"
    )
