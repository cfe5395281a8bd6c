"""Run kept statements through the engine again and give one hash over every entry and state."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))

import msgspec

from support.flows import Flow
from tallystick.core.definition import model as m


def replayed(path: Path) -> str:
    """The hash over all cases of the file."""
    digest = hashlib.sha256()
    for case in json.loads(path.read_text()):
        steps = msgspec.convert(case["definition"], m.CompiledDefinition).steps
        inner = [step for step in steps.values() if not isinstance(step, m.Begin | m.End)]
        flow = Flow(*inner)
        for org, kind, body, at, by in case["said"]:
            flow.at = at
            digest.update(msgspec.json.encode(flow.say(org, kind, by=by, **body)))
        digest.update(msgspec.json.encode(flow.state))
    return digest.hexdigest()


if __name__ == "__main__":
    sys.stdout.write(replayed(Path(sys.argv[1])) + "\n")
