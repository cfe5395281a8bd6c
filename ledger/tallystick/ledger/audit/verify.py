"""The verifier: nineteen numbered checks over a bundle, with nothing but the auditor's own inputs beside it.

It reads no clock, network, database or configuration, so the same bundle and trust give the same report anywhere. A
check that meets something unknown or missing never passes. What it leaves to the auditor: that the trusted block is
final, and that the root keys are those of the organisations.
"""

from collections.abc import Callable

from tallystick.core.errors import TallystickError, UnknownVersion

from . import anchors, bundle, record, values
from .case import Case, Withheld
from .report import Check, Finding, Report, failed, passed, unknown
from .trust import Trust

CHECKS: tuple[tuple[str, Callable[[Case], Finding]], ...] = (
    ("format and versions", lambda case: passed(f"bundle version {case.bundle.v}")),
    ("agreement and organisations", record.agreed),
    ("statements signed", record.signed),
    ("entries in sequence", record.sequenced),
    ("consent of all", record.consented),
    ("events replayed", record.replays),
    ("heads signed", record.headed),
    ("attested by all", record.attested),
    ("values as committed", values.opened),
    ("documents as committed", values.documented),
    ("decisions recomputed", values.decided),
    ("deliveries received", values.delivered),
    ("start anchored", anchors.start_anchored),
    ("completion anchored", anchors.completion_anchored),
    ("leaves in the logs", anchors.included),
    ("log roots on the chain", anchors.stored),
    ("contract code", anchors.code),
    ("times plausible", anchors.timed),
    ("no contradiction", record.unforked),
)
# What a hostile document can make Python raise where a form promised otherwise; all of it means "not valid".
_MALFORMED = (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError, OverflowError)


def verify(data: bytes, trust: Trust) -> Report:
    """Check a bundle's bytes; any input at all gives a report."""
    try:
        case = Case(bundle.read(data), trust)
    except (TallystickError, *_MALFORMED) as error:
        first = Check(number=1, name=CHECKS[0][0], status="FAIL", detail=_detail(error))
        rest = [_not_reached(number, name) for number, (name, _) in enumerate(CHECKS[1:], 2)]
        return Report([first, *rest])
    return Report([_check(number, name, run, case) for number, (name, run) in enumerate(CHECKS, 1)])


def _check(number: int, name: str, run: Callable[[Case], Finding], case: Case) -> Check:
    try:
        finding = run(case)
    except Withheld as error:
        finding = unknown(error.detail)
    except UnknownVersion as error:
        finding = unknown(error.detail)
    except (TallystickError, *_MALFORMED) as error:
        finding = failed(_detail(error))
    return Check(number=number, name=name, status=finding.status, detail=finding.detail)


def _not_reached(number: int, name: str) -> Check:
    return Check(number=number, name=name, status="INDETERMINATE", detail="the bundle could not be read")


def _detail(error: Exception) -> str:
    return str(error)[:500] if isinstance(error, TallystickError) else "has a part in another form than RECORD.md says"
