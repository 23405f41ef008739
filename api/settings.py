"""Settings of the API: every bound on what a client may send, ask for or hold open.

Rules: a bound is checked while a body is read, before anything is allocated for it. The node's
configuration builds this object; this module reads no file and no environment.
"""

from __future__ import annotations

from msgspec import Struct

from bulwark.advice.advice import USUAL, Thresholds


class ApiSettings(Struct, frozen=True):
    """Bounds with their units; the defaults suit a member's node on a small machine."""

    max_body_bytes: int = 256 * 1024
    """One JSON document: a report, a question, a consent."""
    max_batch_bytes: int = 64 * 1024 * 1024
    """One NDJSON or CSV upload."""
    max_batch_rows: int = 100_000
    """Rows of one upload; one more and nothing of it is taken."""
    max_row_bytes: int = 8 * 1024
    """One row of an upload; a longer one is refused by its line number."""
    max_uploads: int = 4
    """Uploads that are read and served at a time (each holds its parsed rows in memory)."""
    max_rpc_bytes: int = 2 * 1024 * 1024
    """One JSON-RPC request or batch: seven of the longest transactions in hexadecimal."""
    max_rpc_calls: int = 100
    """Calls of one JSON-RPC batch."""
    max_rpc_answer_bytes: int = 16 * 1024 * 1024
    """Answers of one JSON-RPC batch together; calls past it are answered with an error."""
    max_logs: int = 10_000
    """Logs of one eth_getLogs answer."""
    max_log_blocks: int = 10_000
    """Blocks that one eth_getLogs question spans."""
    max_filters: int = 1_000
    """Filters and pending changes held for JSON-RPC clients together."""
    filter_expiry_ms: int = 300_000
    """A filter that nobody asks for this long is forgotten."""
    request_timeout_ms: int = 60_000
    """Time for a request with one document to arrive and be served."""
    batch_timeout_ms: int = 600_000
    """Time for an upload to arrive and be served."""
    chunk_ms: float = 3.0
    """How long a batch may compute before the event loop gets a turn (votes go first)."""
    bad_attempts: int = 20
    """Wrong keys that one client address may show within the window before it gets 429."""
    bad_attempts_window_ms: int = 60_000
    """Length of that window."""
    max_sockets: int = 64
    """WebSocket connections of JSON-RPC at a time."""
    open_metrics: bool = False
    """Serve /metrics without a key (for a Prometheus inside the same perimeter)."""
    console: bool = True
    """Serve the web console under /console."""
    access_log: bool = True
    """Write one line for every request to the logger `bulwark.api.access`; if not, only for those
    that were refused, failed or took longer than `slow_ms`."""
    thresholds: Thresholds = USUAL
    """Bands from which answers advise to warn, to delay and to refuse."""
    language: str = "en"
    """Language of texts that nobody named one for."""
    member_name: str = "your provider"
    """How texts for persons call this member."""
    contact: str = ""
    """Where persons turn to; '' for general words."""
    status_attempts: int = 20
    """Wrong codes of one address on the status page in ten minutes before it gets 429."""
    status_lookups_per_minute: int = 600
    """Look-ups of the status page in a minute from all addresses together."""
    status_floor_ms: int = 250
    """Every look-up takes at least this long, so that its time tells nothing."""
    slow_ms: int = 2_000
    """A request that takes longer leaves a line in any case."""
