"""The verifier: twenty-one numbered checks over a bundle, with nothing but the auditor's own inputs beside it.

It reads no clock, network, database or configuration, so the same bundle and trust give the same report anywhere, and
any bytes at all give a report. The order goes from what is signed to what is anchored:

====  ==============================  ================================================================================
1     format and versions             one canonical JSON document of known versions
2     agreement and organisations     the execution is of this agreement, between the organisations that you named
3     statements signed               each by its author, for this agreement and execution, by a key that speaks there
4     entries in sequence             gapless, in order of time, each statement in exactly one
5     consent of all                  before the start
6     events replayed                 the engine gives exactly these outcomes and events
7     heads signed                    the coordinator signed the roots of these entries
8     attested by all                 so did every other participant
9     values as committed             what is disclosed opens what was signed
10    documents as committed          byte for byte
11    decisions recomputed            from the values that they were taken on
12    deliveries received             each recipient signed for what was sent
13    start anchored                  in each participant's log, naming this agreement
14    completion anchored             in each participant's log, naming this history
15    leaves in the logs              by inclusion proofs
16    log roots on the chain          by account and storage proofs, as of a block that you trust
17    contract code                   chain, addresses and code are those that you trust
18    times plausible                 no entry is dated after its anchor
19    no contradiction                no two signatures name two histories
20    nobody ignored                  no time-out is contradicted by receipts of what was said in time
21    start cited                     where no work was to begin before it: the anchored start, as the chain has it
====  ==============================  ================================================================================

What it leaves to the auditor: that the trusted blocks are final, and that the root keys and chain ids are those of the
organisations. An agreement lists signing keys itself, and statements by the root keys replace them in the log; that an
organisation stands by the agreement's is shown by 13, where its own account on the chain vouches for that hash.
"""

import logging
from collections.abc import Callable

from tallystick.core.errors import Invalid, UnknownVersion
from tallystick.ledger import proofs

from . import anchors, bundle, citing, decisions, record, submissions, values
from .bundle import Bundle
from .case import Case, Unsettled
from .report import Check, Finding, Report, Scope, failed, numbered, passed, unknown
from .trust import Trust

logger = logging.getLogger(__name__)


def versioned(case: Case) -> Finding:
    """1: the bundle's form held when it was read; every part has a known version."""
    if any(one.v != proofs.VERSION for one in case.bundle.anchors):
        return unknown("unknown_version", reason="an anchor's proof")
    return passed("format", version=case.bundle.v)


CHECKS: tuple[Callable[[Case], Finding], ...] = (
    versioned,
    record.agreed,
    record.signed,
    record.sequenced,
    record.consented,
    record.replays,
    record.headed,
    record.attested,
    values.opened,
    values.documented,
    decisions.decided,
    values.delivered,
    anchors.start_anchored,
    anchors.completion_anchored,
    anchors.included,
    anchors.stored,
    anchors.code,
    anchors.timed,
    record.unforked,
    submissions.heard,
    citing.start_cited,
)


def verify(data: bytes, trust: Trust) -> Report:
    """Check a bundle's bytes; any input at all gives a report."""
    try:
        read = bundle.read(data)
    except UnknownVersion as error:
        return _unreadable(unknown("unknown_version", reason=error.detail))
    except Invalid as error:
        return _unreadable(failed("malformed", reason=str(error)))
    case = Case(read, trust)
    checks = [_check(number, check, case) for number, check in enumerate(CHECKS, 1)]
    return Report(checks, _scope(read, case))


def _check(number: int, check: Callable[[Case], Finding], case: Case) -> Check:
    try:
        finding = check(case)
    except Unsettled as error:
        finding = error.seen_from(number)
    except UnknownVersion as error:
        finding = unknown("unknown_version", reason=error.detail)
    except Invalid as error:
        finding = failed("malformed", reason=str(error))
    except Exception as error:  # whatever a hostile document makes Python raise, it is not a pass
        logger.debug("check %d", number, exc_info=True)
        finding = unknown("cannot_judge", reason=type(error).__name__)
    return numbered(number, finding)


def _unreadable(finding: Finding) -> Report:
    rest = [numbered(number, unknown("not_reached")) for number in range(2, len(CHECKS) + 1)]
    return Report([numbered(1, finding), *rest])


def _scope(read: Bundle, case: Case) -> Scope:
    try:
        values = sum(len(said.commitments) for said in case.statements.values())
    except Unsettled:
        values = 0
    return Scope(
        execution=read.execution,
        entries=case.size,
        statements=len(read.statements),
        values=values,
        values_disclosed=len(read.openings),
        documents=len(read.documents),
        exported_by=read.scope.exported_by,
    )
