"""What the outside may ask of a node about customers and victims: its desks, in one Protocol."""

from __future__ import annotations

from typing import Protocol

from node.interaction.coolingport import CoolingOffs
from node.interaction.feedbackport import Feedback
from node.interaction.protectionport import Protections
from node.interaction.reportport import CustomerReports
from node.interaction.statusport import StatusLookup


class InteractionService(Protocol):
    """The desks of one node."""

    @property
    def reports(self) -> CustomerReports:
        """Customers' reports."""
        ...

    @property
    def cooling_offs(self) -> CoolingOffs:
        """Held payments."""
        ...

    @property
    def protections(self) -> Protections:
        """Protective registrations."""
        ...

    @property
    def feedback(self) -> Feedback:
        """Feedback and its figures."""
        ...

    @property
    def status(self) -> StatusLookup | None:
        """Look-ups by code; None where the member did not turn the status page on."""
        ...
