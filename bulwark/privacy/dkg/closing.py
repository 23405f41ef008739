"""What the end of a phase decides: who is out, who is caught, whether the ceremony can go on.

Rules owned here:

* A dealer is out that was silent in COMMIT or DEAL, that more than f holders complain of (one of
  them is honest, and a defence would open too many pairs), or that did not answer a complaint.
* Who is in after DEFEND is QUAL. A member of QUAL without valid Feldman commitments is caught: its
  polynomial is opened, so that it stays in the key it helped to fix. In a refresh or reshare the
  commitments are Feldman's from the beginning and nobody is caught so late.
* At every step enough dealers must be neither out nor caught (n - f; in a reshare the old
  threshold). Under the fault assumption that always holds; when it does not, opening more than f
  polynomials could open the key itself, so the ceremony fails instead.
* n - f confirmations make the result live, and the others are named.
"""

from __future__ import annotations

from typing import assert_never

from bulwark.privacy.dkg.extraction import Result, combine, interpolate
from bulwark.privacy.dkg.outcome import Done, Failed, FailureReason, FaultKind
from bulwark.privacy.dkg.phases import Phase
from bulwark.privacy.dkg.record import Record
from bulwark.privacy.errors import ThresholdKeyRefused
from bulwark.privacy.group import multiply_base_or_identity
from bulwark.privacy.sharing import Polynomial


def close(record: Record) -> Done | Failed | None:
    """Draw the conclusions of the open phase; nothing if the ceremony goes on to the next one."""
    record.note(FaultKind.SILENT, *sorted(record.awaiting()))
    phase = record.phase
    match phase:
        case Phase.COMMIT:
            return _keep(record, set(record.commits))
        case Phase.DEAL:
            return _keep(record, set(record.deals))
        case Phase.COMPLAIN:
            return _close_complaints(record)
        case Phase.DEFEND:
            return _keep(record, set(record.dealing) - record.awaiting())
        case Phase.EXTRACT:
            return _close_extraction(record)
        case Phase.ACCUSE:
            return _close_accusations(record)
        case Phase.RECONSTRUCT:
            return _extract_key(record)
        case Phase.CONFIRM:
            return _close_confirmations(record)
        case _:
            assert_never(phase)


def finish(record: Record) -> Done | None:
    """The end, if every holder has confirmed; nothing otherwise."""
    if record.phase is not Phase.CONFIRM or record.result is None or record.awaiting():
        return None
    return _done(record, record.result)


def fail(record: Record, reason: FailureReason, named: set[int]) -> Failed:
    """The failed outcome of the open phase."""
    return Failed(reason, record.phase, tuple(sorted(named)), tuple(record.faults))


def _keep(record: Record, good: set[int]) -> Failed | None:
    """Go on with these dealers, if they are enough."""
    record.dealing = tuple(dealer for dealer in record.dealing if dealer in good)
    if len(record.dealing) < record.session.needed_dealers:
        out = set(record.session.dealers) - set(record.dealing)
        return fail(record, FailureReason.TOO_FEW_DEALERS, out)
    return None


def _close_complaints(record: Record) -> Failed | None:
    faults = record.session.faults
    blamed = {dealer for dealer, who in record.complaints.items() if len(who) > faults}
    record.note(FaultKind.MANY_COMPLAINTS, *sorted(blamed))
    return _keep(record, set(record.dealing) - blamed)


def _catch(record: Record, dealers: set[int]) -> Failed | None:
    """Take dealers of QUAL as caught, if enough others are left."""
    record.caught = tuple(sorted({*record.caught, *dealers}))
    for dealer in dealers:
        record.feldman.pop(dealer, None)
    if len(record.feldman) < record.session.needed_dealers:
        out = set(record.session.dealers) - record.feldman.keys()
        return fail(record, FailureReason.TOO_FEW_DEALERS, out)
    return None


def _close_extraction(record: Record) -> Failed | None:
    if record.session.plain:
        record.feldman = {dealer: record.pedersen[dealer].points for dealer in record.dealing}
    return _catch(record, set(record.dealing) - record.feldman.keys())


def _close_accusations(record: Record) -> Failed | None:
    record.note(FaultKind.WRONG_FELDMAN, *sorted(record.accused))
    return _catch(record, record.accused)


def _extract_key(record: Record) -> Failed | None:
    session = record.session
    polynomials: dict[int, Polynomial] = {}
    for dealer in record.caught:
        pairs = record.opened.get(dealer, {})
        if len(pairs) < session.threshold:
            silent = set(range(1, session.holders + 1)) - pairs.keys()
            return fail(record, FailureReason.NOT_RECONSTRUCTED, {dealer, *silent})
        polynomials[dealer] = interpolate(pairs, session.threshold)
    feldman = dict(record.feldman)
    for dealer, polynomial in polynomials.items():
        points = [multiply_base_or_identity(a) for a in polynomial.coefficients]
        feldman[dealer] = tuple(points)
    try:
        record.result = combine(session, feldman, polynomials)
    except ThresholdKeyRefused:
        return fail(record, FailureReason.KEY_REFUSED, set(record.caught))
    return None


def _close_confirmations(record: Record) -> Done | Failed:
    awaiting = record.awaiting()
    if record.result is None or len(awaiting) > record.session.faults:
        return fail(record, FailureReason.NOT_CONFIRMED, set(awaiting))
    return _done(record, record.result)


def _done(record: Record, result: Result) -> Done:
    unconfirmed = tuple(sorted(record.awaiting()))
    return Done(result.sharing, result.dealers, unconfirmed, tuple(record.faults))
