"""Every bound and time of the mesh in one place, each with its unit and reason."""

from __future__ import annotations

from msgspec import Struct

from node.network.kinds import MIB, Lane


class Limits(Struct, frozen=True):
    """Settings of a `Network`; the defaults suit nodes in one or several data centres."""

    votes_queue_bytes: int = 32 * MIB
    """Waiting consensus frames per peer: some windows of proposals with full bodies."""
    calls_queue_bytes: int = 24 * MIB
    """Waiting requests and responses per peer: a few of the longest."""
    gossip_queue_bytes: int = 8 * MIB
    """Waiting gossip per peer; past it gossip is dropped, as others carry it too."""
    write_buffer_bytes: int = 256 * 1024
    """Bytes handed to TLS at a time; what is behind this in the lanes can still be overtaken."""
    requests_outstanding: int = 64
    """Own requests without an answer per peer."""
    requests_served: int = 16
    """Requests of one peer handled at the same time; more are answered with `busy`."""
    half_open: int = 64
    """Incoming handshakes under way."""
    half_open_per_source: int = 32
    """Incoming handshakes under way from one IP address (nodes behind one NAT share it)."""
    handshake_burst: int = 64
    """Handshakes one address may start at once."""
    handshakes_per_second: float = 8.0
    """Handshakes that an address may start in the long run."""
    sources: int = 4096
    """Addresses remembered by the rate limit."""
    handshake_ms: int = 5_000
    """TLS and hello together."""
    shutdown_ms: int = 1_000
    """Patience with the other side's TLS goodbye."""
    ping_ms: int = 1_000
    """How often a quiet connection is pinged and silence is looked for."""
    silence_ms: int = 4_000
    """A peer that sends nothing for so long, not even PONG, is down (found within 5 s)."""
    probe_ms: int = 1_500
    """How long an older connection of the same member has to answer before a new one counts."""
    drain_ms: int = 1_000
    """How long a connection that yielded to another is still read."""
    redial_first_ms: int = 100
    redial_most_ms: int = 5_000
    """Longest pause between dials: a returning node is found within it (pitfall P3)."""
    dial_grace_ms: int = 250
    """The member with the larger id dials so much later, so that both seldom dial at once."""
    stable_ms: int = 5_000
    """A connection that lived so long sets the pauses back to the first."""
    log_lines_per_second: int = 20
    """Refusals logged; more are counted and their number is in the next line."""

    def lanes(self) -> dict[Lane, int]:
        """Bytes by lane."""
        return {
            Lane.VOTES: self.votes_queue_bytes,
            Lane.CALLS: self.calls_queue_bytes,
            Lane.GOSSIP: self.gossip_queue_bytes,
        }
