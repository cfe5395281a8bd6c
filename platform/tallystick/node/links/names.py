"""The names that both ends of a link derive from two organisation ids.

The receiver keeps, for each partner, an account of its own; inside it the stream holds one subject. Sender and receiver
compute the same subject, so nothing about it is negotiated.
"""

import re

from tallystick.core.errors import Invalid

# Ids become account, stream and domain names, subject tokens and file names: no dot, wildcard, space or quote in any.
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?")

SYSTEM_ACCOUNT = "SYS"


def check_org_id(org_id: str) -> str:
    """Return ``org_id`` if it is a slug that is safe in every NATS name; raise `Invalid` otherwise."""
    if not _SLUG.fullmatch(org_id):
        raise Invalid(f"an organisation id must be a slug of 1 to 63 characters, not {org_id[:80]!r}", code="org_id")
    return org_id


def in_account(partner: str) -> str:
    """Return the account that holds the inbox of ``partner`` here."""
    return f"IN_{partner}"


def out_account(partner: str) -> str:
    """Return the account through which this node reaches the server of ``partner``."""
    return f"OUT_{partner}"


def stream(sender: str) -> str:
    """Return the stream, at the receiver, that holds what ``sender`` sends."""
    return f"INBOX_{sender}"


def inbox_subject(receiver: str, sender: str) -> str:
    """Return the only subject on which ``sender`` may publish at ``receiver``."""
    return f"tally.inbox.{receiver}.{sender}"


def reply_prefix(sender: str) -> str:
    """Return the prefix below which ``sender`` gets its acknowledgements."""
    return f"tally.reply.{sender}"
