"""The documented receiver of webhooks in a process of its own, which can be told to misbehave.

`python -m tests.process.receiver PORT SECRET_FILE DATABASE MODE_FILE`. The code of the receiver is
the one in docs/webhooks.md, as it stands there. Modes: `ok`; `500` (refuses); `hang` (does not
answer); `lost` (does the work and answers nothing); `gone` (410).
"""

from __future__ import annotations

import io
import json
import runpy
import sqlite3
import sys
import time
from pathlib import Path
from typing import Any

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "webhooks.md"
LONGEST_HANG_S = 20.0


def documented(place: Path) -> dict[str, Any]:
    """What the receiver in the documentation defines; its code goes to `place`."""
    text = DOCUMENT.read_text("utf-8")
    place.write_text(text.split("```python\n", 1)[1].split("```\n", 1)[0])
    return runpy.run_path(str(place), run_name="documented")


def main(port: int, secret_file: str, database_file: str, mode_file: str) -> None:
    """Serve until killed."""
    names = documented(Path(f"{database_file}.py"))
    base: Any = names["Receiver"]
    path = Path(mode_file)
    raw = sqlite3.connect(database_file + ".raw")
    raw.execute("create table if not exists raw (at real, mode text, headers text, body blob)")
    raw.commit()

    class Moody(base):  # type: ignore[misc]
        """The documented receiver under a mood; a connection for each post."""

        protocol_version = "HTTP/1.0"

        def do_POST(self) -> None:
            mode = path.read_text().strip()
            length = int(self.headers["content-length"])
            body = self.rfile.read(length)
            self.rfile = io.BytesIO(body)  # the documented receiver reads it again
            values = (time.time(), mode, json.dumps(dict(self.headers.items())), body)
            with raw:
                raw.execute("insert into raw values (?, ?, ?, ?)", values)
            until = time.monotonic() + LONGEST_HANG_S
            while mode == "hang" and time.monotonic() < until:
                time.sleep(0.01)
                if path.read_text().strip() != "hang":
                    return
            if mode in ("500", "410"):
                self.answer(int(mode))
                return
            self.mode = mode
            super().do_POST()

        def answer(self, status: int) -> None:
            if getattr(self, "mode", "") == "lost":
                self.close_connection = True
                return
            super().answer(status)

    names["serve"](port, secret_file, database_file, Moody)


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:5])
