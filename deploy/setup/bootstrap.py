"""Set Tallystick up: `make setup` runs this first, with whatever Python there is.

Only the version check lives here, in words that every Python 3 parses, so that an old one is told what is
wrong in place of a syntax error.
"""

import os
import shutil
import subprocess
import sys

OLDEST = (3, 11)
NEWEST = (3, 14)
WRONG = """tallystick: Python 3.11 to 3.14 is needed; this is {} ({}).
  Install one (Debian 12 and later: apt-get install python3 python3-venv; macOS: brew install python)
  and run: make setup PYTHON=/path/to/python3
"""


def supported_python():
    # type: () -> str
    """Return the path of a supported Python on PATH, newest first; empty when there is none."""
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        found = shutil.which("python3." + str(minor))
        # A version manager's shim may stand for a Python that it then refuses to start.
        if found and subprocess.call([found, "-c", ""], stderr=subprocess.DEVNULL) == 0:
            return found
    return ""


def main():
    # type: () -> int
    """Run the set-up under a supported Python; return the process's exit code."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        from install import main as install  # noqa: PLC0415 - an older Python could not even read it

        return install(sys.argv[1:])
    found = supported_python()
    if found:
        os.execv(found, [found] + sys.argv)  # noqa: S606, RUF005
    sys.stderr.write(WRONG.format(sys.version.split()[0], sys.executable))
    return 1


if __name__ == "__main__":
    sys.exit(main())
