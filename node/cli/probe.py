"""Asks the node of a home on this machine whether it lives: what a container's health check runs.

Rules: it asks the address that the home's configuration names, by the loopback where that is every
address; of HTTPS it checks nothing but that somebody answers, since the certificate names a host
and not the loopback. No key is needed, none is read.
"""

from __future__ import annotations

import http.client
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from node.cli.faults import faults
from node.config import ConfigError, load_config

TIMEOUT_S: Final = 4.0
_EVERYWHERE: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True, slots=True)
class Probed:
    """What came of asking."""

    well: bool
    text: str
    """One line for whoever reads the log of the health check."""


def probe(home: Path, path: str) -> Probed:
    """GET `path` of the home's node; a configuration that can not be read is the caller's error."""
    with faults(setup=(ConfigError,)):
        settings = load_config(home).http
    host = _EVERYWHERE.get(settings.host, settings.host)
    connection: http.client.HTTPConnection
    if settings.certificate is None:
        connection = http.client.HTTPConnection(host, settings.port, timeout=TIMEOUT_S)
    else:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(
            host, settings.port, timeout=TIMEOUT_S, context=context
        )
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read(65_536)
    except (OSError, http.client.HTTPException) as error:
        return Probed(False, f"{host}:{settings.port} does not answer: {error}")
    finally:
        connection.close()
    return Probed(answer.status == 200, f"{path} {answer.status}")
