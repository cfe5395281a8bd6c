"""The parameters of what is asked for: pages of lists, what fits, from where on."""

from typing import Annotated, Literal

from msgspec import Meta

from tallystick.node.api.bodies import Body, Word


class PendingQuery(Body, frozen=True, kw_only=True):
    """A page of what the root key has to sign."""

    limit: Annotated[int, Meta(ge=1, le=200)] = 100
    cursor: Annotated[str, Meta(max_length=500)] | None = None


class CompromiseQuery(Body, frozen=True, kw_only=True):
    """A page of the report on a key of ``org`` (or our own) and a moment, in milliseconds since 1970.

    Without a moment it is the one that the key's revocation names.
    """

    since: Annotated[int, Meta(ge=0, le=2**53 - 1)] | None = None
    org: Word | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 100
    cursor: Annotated[str, Meta(max_length=500)] | None = None


class Page(Body, frozen=True, kw_only=True):
    """One page of a list: how many, and where the last page ended (``next_cursor``)."""

    limit: Annotated[int, Meta(ge=1, le=200)] = 50
    cursor: Annotated[str, Meta(max_length=500)] | None = None


class OutboxPage(Page, frozen=True, kw_only=True):
    """One page of the outbox, or of what lies in it for one partner."""

    partner: Annotated[str, Meta(max_length=64)] | None = None


class TransactionsPage(Page, frozen=True, kw_only=True):
    """One page of what is sent to the chain, or of what stands in one state there."""

    state: Literal["queued", "held", "sent", "mined", "confirmed", "reorged", "failed"] | None = None


class Search(Page, frozen=True, kw_only=True):
    """One page of what fits; ``since`` and ``before`` in milliseconds since 1970 (UTC), ``text`` are words of names."""

    status: Annotated[str, Meta(max_length=40)] | None = None
    definition_id: Annotated[str, Meta(max_length=64)] | None = None
    participant: Annotated[str, Meta(max_length=64)] | None = None
    since: Annotated[int, Meta(ge=0, le=2**53 - 1)] | None = None
    before: Annotated[int, Meta(ge=0, le=2**53 - 1)] | None = None
    text: Annotated[str, Meta(max_length=200)] | None = None


class TaskSearch(Search, frozen=True, kw_only=True):
    """One page of tasks, open ones unless another status is asked for, oldest or first due first.

    ``group`` leaves those with that candidate group, ``mine`` those that the asker may take or has taken.
    """

    status: Annotated[str, Meta(max_length=40)] = "open"
    order: Literal["since", "due"] = "since"
    group: Annotated[str, Meta(max_length=200)] | None = None
    mine: bool = False


class OnChain(Body, frozen=True, kw_only=True):
    """Which chain of the agreement's is asked for, the first when left out."""

    chain_id: Annotated[int, Meta(ge=1)] | None = None


class After(Body, frozen=True, kw_only=True):
    """Only what follows this sequence number."""

    after: Annotated[int, Meta(ge=-1, le=2**53 - 1)] = -1


class DocumentName(Body, frozen=True, kw_only=True):
    """The name that a document is stored under."""

    name: Annotated[str, Meta(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f/\\]+$")]
