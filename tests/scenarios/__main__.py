"""`python -m tests.scenarios [--rewrite] [FILE...]`: play scenarios, or record their output anew.

Only commit recorded changes that you understand: each is a change of the protocol's behaviour.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tests.scenarios.running import check_file, rewrite_file
from tests.scenarios.script import ScenarioError, all_files


def main() -> int:
    """Exit code 0 when every scenario yields what is recorded."""
    parser = argparse.ArgumentParser(prog="python -m tests.scenarios")
    parser.add_argument("--rewrite", action="store_true", help="record the output of now")
    parser.add_argument("files", nargs="*", type=Path)
    options = parser.parse_args()
    failed = 0
    for path in options.files or all_files():
        try:
            if options.rewrite:
                sys.stdout.write(f"{path.name} {'CHANGED' if rewrite_file(path) else 'same'}\n")
            else:
                check_file(path)
        except ScenarioError as error:
            failed += 1
            sys.stdout.write(f"FAILED {error}\n")
    sys.stdout.write(f"{len(options.files or all_files())} scenarios, {failed} failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
