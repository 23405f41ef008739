"""Names in STIX: ids that follow from what they name, markings, and extensions in use.

Rules: whatever we make has a UUIDv5 under a namespace of this product, so the same record has the
same id at every node and in every export; standard observables have the ids that the STIX standard
prescribes (section 2.9). Ids of TLP markings are those of FIRST and OASIS.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Final

import rfc8785

from bulwark.indicators.vocabulary import Kind, Tlp
from bulwark.interop.words import tlp_tag

MEDIA_TYPE: Final = "application/stix+json;version=2.1"
_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "urn:bulwark:stix:1")
_OASIS: Final = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
"""Namespace of the standard for ids of cyber observables."""

EXTENSION: Final = f"extension-definition--{uuid.uuid5(_NAMESPACE, 'extension/record/1')}"
"""Our property extension: what a record says in the ledger's own words, with its token."""
SCO_EXTENSION: Final = f"extension-definition--{uuid.uuid5(_NAMESPACE, 'extension/identifier/1')}"
"""Our observable `bulwark-identifier`, for kinds that neither standard nor community has."""
IDENTIFIER_TYPE: Final = "bulwark-identifier"
TLP_EXTENSION: Final = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"
"""TLP 2.0 as OASIS defines it for STIX 2.1."""

COMMUNITY: Final[Mapping[str, str]] = {
    "bank-account": "extension-definition--f19f3291-6a84-5674-b311-d75a925d5bd9",
    "phone-number": "extension-definition--14a97ee2-e666-5ada-a6bd-b7177f79e211",
    "payment-card": "extension-definition--b160c6ee-26b6-591c-8885-c192db67cac9",
    "cryptocurrency-wallet": "extension-definition--be78509e-6958-51b1-8b26-d17ee0eba2d7",
}
"""Observables of the community, by type, with the extension that makes them."""

TLP_IDS: Final[Mapping[str, Tlp]] = {
    "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487": Tlp.CLEAR,
    "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb": Tlp.GREEN,
    "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421": Tlp.AMBER,
    "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003": Tlp.AMBER_STRICT,
    "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1": Tlp.RED,
    "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9": Tlp.CLEAR,
    "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": Tlp.GREEN,
    "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": Tlp.AMBER,
    "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": Tlp.RED,
}
"""Markings that everybody knows by id: TLP 2.0 first, then TLP 1 with white as clear."""
TLP_CREATED: Final = "2022-10-01T00:00:00.000Z"

SCO_OF_KIND: Final[Mapping[Kind, tuple[str, str]]] = {
    Kind.PHONE: ("phone-number", "value"),
    Kind.EMAIL: ("email-addr", "value"),
    Kind.DOMAIN: ("domain-name", "value"),
    Kind.URL: ("url", "value"),
    Kind.IP: ("ipv4-addr", "value"),
    Kind.IBAN: ("bank-account", "iban"),
    Kind.BANK_ACCOUNT: ("bank-account", "account_number"),
    Kind.WALLET: ("cryptocurrency-wallet", "value"),
    Kind.DEVICE_ID: (IDENTIFIER_TYPE, "value"),
    Kind.IMEI: (IDENTIFIER_TYPE, "value"),
}
"""Observable and property in which a clear value of a kind goes out; IPv6 is `ipv6-addr`."""


def own_id(kind: str, *name: str) -> str:
    """The id of something that we make: type and a UUIDv5 of its name."""
    return f"{kind}--{uuid.uuid5(_NAMESPACE, '/'.join((kind, *name)))}"


def observable_id(kind: str, contributing: Mapping[str, str]) -> str:
    """The id of an observable, from its contributing properties (STIX 2.1, section 2.9)."""
    named = rfc8785.dumps(dict(contributing)).decode("utf-8")
    return f"{kind}--{uuid.uuid5(_OASIS, named)}"


def tlp_id(marking: Tlp) -> str:
    """The TLP 2.0 marking for a ledger marking; not stated counts as amber+strict."""
    wanted = Tlp.AMBER_STRICT if marking is Tlp.UNKNOWN else marking
    return next(known for known, tlp in TLP_IDS.items() if tlp is wanted)


def tlp_object(marking: Tlp) -> dict[str, object]:
    """The marking-definition object of a TLP 2.0 marking."""
    word = tlp_tag(marking).removeprefix("tlp:")
    return {
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": tlp_id(marking),
        "created": TLP_CREATED,
        "name": f"TLP:{word.upper()}",
        "extensions": {TLP_EXTENSION: {"extension_type": "property-extension", "tlp_2_0": word}},
    }
