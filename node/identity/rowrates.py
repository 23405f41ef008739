"""Row rates of work that goes on after its request: screening jobs pay from the caller's bucket.

Rules: the bucket is the one that uploads over the API pay from, so a caller has one rate of rows,
whichever way they come. The caller is known by id and role as they were when the work was sent in;
bounds are those in force when a part is paid.
"""

from __future__ import annotations

from node.identity.port import Identities
from node.identity.principal import Principal, Via
from node.service import Caller


class RowRates:
    """Rates of rows of all callers."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities

    def owed_s(self, by: Caller) -> float:
        """Seconds until the caller's rows so far are paid; 0 if they are, or nothing bounds it."""
        who = _principal(by)
        return self._identities.limiter.rows_owed_s(who, self._identities.own_limit(who))

    def charge(self, by: Caller, rows: int) -> None:
        """Pay rows that were worked; may leave a debt."""
        who = _principal(by)
        self._identities.limiter.charge_rows(who, self._identities.own_limit(who), rows)


def _principal(by: Caller) -> Principal:
    # Ids of certificates and tokens begin with `cert:` and `oidc:`, those of keys have no colon.
    via = Via.KEY if ":" not in by.key_id else Via.TOKEN
    return Principal(by.key_id, by.role, via)
