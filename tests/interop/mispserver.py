"""A small MISP for tests: a real HTTP server with the REST shape that clients use, kept in memory.

PyMISP drives it in the tests, too, so that its shape is MISP's and not what our client expects.
"""

from __future__ import annotations

import json
import re
import threading
import time
import uuid as uuids
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "quokkaMispKey0123456789012345678901234567"
ORG = {"id": "1", "name": "Fraud Desk", "uuid": "55f6ea5e-2c60-40e5-964f-47a8950d210f"}
Answer = tuple[int, Any]


class Misp:
    """Events by UUID, and the server over them."""

    def __init__(self) -> None:
        self.events: dict[str, dict[str, Any]] = {}
        self.asked: list[tuple[str, str]] = []
        """Method and path of every request."""
        self.failing = 0
        """Requests that are answered 503 before one is served."""
        self.now = 1_767_225_600
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                raw = self.rfile.read(length)
                status, document = outer.answer(self.command, self.path, self.headers, raw)
                content = b"" if self.command == "HEAD" else json.dumps(document).encode()
                self.send_response(status)
                if status == 503:
                    self.send_header("Retry-After", "0")
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_HEAD = _serve

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Stop serving."""
        self.server.shutdown()
        self.server.server_close()

    def attribute(self, uuid: str) -> dict[str, Any]:
        """One attribute of any event."""
        for event in self.events.values():
            for entry in _attributes(event):
                if entry["uuid"] == uuid:
                    return entry
        raise KeyError(uuid)

    def put(self, event: dict[str, Any]) -> dict[str, Any]:
        """An event as an analyst would have made it."""
        self.now += 1
        made = {
            "id": str(len(self.events) + 1),
            "uuid": str(uuids.uuid4()),
            "info": "",
            "date": "2026-01-01",
            "timestamp": str(self.now),
            "distribution": "1",
            "published": True,
            "analysis": "0",
            "threat_level_id": "4",
            "Org": ORG,
            "Orgc": ORG,
            "Tag": [],
            "Object": [],
            **event,
        }
        made["Attribute"] = [self._attribute(one, made) for one in made.get("Attribute", [])]
        self.events[made["uuid"]] = made
        return made

    def _attribute(self, entry: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
        made = {
            "uuid": str(uuids.uuid4()),
            "timestamp": event["timestamp"],
            "to_ids": True,
            "distribution": "5",
            "deleted": False,
            "Tag": [],
            "Sighting": [],
            **entry,
        }
        made.setdefault("event_id", event["id"])
        made["id"] = str(abs(hash(made["uuid"])) % 10**6)
        return made

    # Requests

    def answer(self, method: str, path: str, headers: Any, raw: bytes) -> Answer:
        """What MISP answers."""
        self.asked.append((method, path))
        if self.failing:
            self.failing -= 1
            return 503, {"message": "busy"}
        if headers.get("Authorization") != KEY:
            return 403, {"name": "Authentication failed.", "message": "Authentication failed."}
        body = json.loads(raw) if raw else {}
        for pattern, handle in self._table().items():
            found = re.fullmatch(pattern, path.split("?")[0].removesuffix(".json"))
            if found is not None:
                return handle(body, *found.groups())
        return 404, {"name": "Not Found", "message": "Not Found", "url": path}

    def _table(self) -> dict[str, Any]:
        return {
            "/events/restSearch": self._search,
            "/attributes/restSearch": self._search_attributes,
            "/events/add": self._add,
            "/events/edit/([0-9a-f-]+)": self._edit,
            "/events/view/([0-9a-f-]+)": self._view,
            "/sightings/add(?:/([0-9a-f-]+))?": self._sight,
            "/tags/attachTagToObject": self._tag,
            "/servers/getPyMISPVersion": lambda body: (200, {"version": "2.5.0"}),
            "/servers/getVersion": lambda body: (200, {"version": "2.5.0", "perm_sync": True}),
            "/users/view/me": lambda body: (
                200, {"User": {"id": "1", "email": "desk@example.net"}, "Role": {"id": "1"},
                      "UserSetting": []}),
        }  # fmt: skip

    def _search(self, body: dict[str, Any]) -> Answer:
        page, limit = int(body.get("page", 1)), int(body.get("limit", 60))
        since = int(body.get("timestamp", 0))
        found = [e for e in self.events.values() if int(e["timestamp"]) >= since]
        if body.get("published"):
            found = [e for e in found if e["published"]]
        shown = found[(page - 1) * limit : page * limit]
        return 200, {"response": [{"Event": event} for event in shown]}

    def _search_attributes(self, body: dict[str, Any]) -> Answer:
        types = set(body.get("type", []))
        since = int(body.get("timestamp", 0))
        every = [entry for event in self.events.values() for entry in _attributes(event)]
        found = [e for e in every if e["type"] in types and not e["deleted"]]
        found = [e for e in found if int(e["timestamp"]) >= since]
        page, limit = int(body.get("page", 1)), int(body.get("limit", 60))
        return 200, {"response": {"Attribute": found[(page - 1) * limit : page * limit]}}

    def _add(self, body: dict[str, Any]) -> Answer:
        event = body.get("Event", body)
        if event.get("uuid") in self.events:
            return 403, {"message": "Could not add Event", "errors": "Event already exists"}
        return 200, {"Event": self.put(event)}

    def _edit(self, body: dict[str, Any], name: str) -> Answer:
        known = self._find(name)
        if known is None:
            return 404, {"message": "Invalid event."}
        event = body.get("Event", body)
        if int(event.get("timestamp", time.time())) <= int(known["timestamp"]):
            return 403, {"message": "Event could not be saved: Event in the request not newer."}
        by_uuid = {entry["uuid"]: entry for entry in known["Attribute"]}
        for entry in event.get("Attribute", []):
            old = by_uuid.get(entry.get("uuid", ""))
            if old is None:
                known["Attribute"].append(self._attribute(entry, known))
            elif int(entry.get("timestamp", 0)) > int(old["timestamp"]):
                old |= entry
        known |= {k: v for k, v in event.items() if k not in ("Attribute", "id")}
        return 200, {"Event": known}

    def _view(self, body: dict[str, Any], name: str) -> Answer:
        known = self._find(name)
        return (404, {"message": "Invalid event"}) if known is None else (200, {"Event": known})

    def _find(self, name: str) -> dict[str, Any] | None:
        return self.events.get(name) or next(
            (event for event in self.events.values() if event["id"] == name), None
        )

    def _sight(self, body: dict[str, Any], name: str | None = None) -> Answer:
        try:
            entry = self.attribute(name or body.get("uuid") or body.get("id"))
        except KeyError:
            return 404, {"message": "No valid attributes found"}
        sighting = {
            "id": "1",
            "uuid": str(uuids.uuid4()),
            "attribute_uuid": entry["uuid"],
            "type": str(body.get("type", "0")),
            "source": body.get("source", ""),
            "date_sighting": str(self.now),
            "org_id": "1",
        }
        entry["Sighting"].append(sighting)
        event = next(e for e in self.events.values() if entry in _attributes(e))
        self.now += 1
        event["timestamp"] = str(self.now)
        return 200, {"Sighting": sighting}

    def _tag(self, body: dict[str, Any]) -> Answer:
        try:
            entry = self.attribute(body["uuid"])
        except KeyError:
            known = self._find(body["uuid"])
            if known is None:
                return 404, {"message": "Invalid Target."}
            entry = known
        entry["Tag"].append({"name": body["tag"], "local": bool(body.get("local"))})
        return 200, {"saved": True, "success": "Tag added"}


def _attributes(event: dict[str, Any]) -> list[dict[str, Any]]:
    inner = [one for entry in event["Object"] for one in entry["Attribute"]]
    return [*event["Attribute"], *inner]
