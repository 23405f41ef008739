"""What is delivered: every template and the style are in the wheel, and each is used."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import api.console
from tests.unit.api.console.world import ConsoleWorld

ROOT = Path(__file__).resolve().parents[4]
FOLDER = Path(api.console.__file__).parent


def test_the_wheel_has_every_template_and_the_style(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=120)
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    files = [path for name in ("templates", "static") for path in (FOLDER / name).iterdir()]
    assert len(files) > 20
    missing = {str(path.relative_to(ROOT)) for path in files} - packed
    assert not missing


async def test_every_page_template_is_used() -> None:
    """A template that no page names is a leftover."""
    world = ConsoleWorld()
    assert world.app.pages
    texts = (*FOLDER.glob("*.py"), *(FOLDER / "templates").iterdir())
    code = "".join(path.read_text() for path in texts)
    for path in (FOLDER / "templates").iterdir():
        assert f'"{path.name}"' in code or f"'{path.name}'" in code, path.name
