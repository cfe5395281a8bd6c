"""What partners have been told of our own card."""

from sqlmodel import Field, SQLModel


class CardSentRow(SQLModel, table=True):
    """The digest of what the card said that was last queued for a partner, its date left out."""

    __tablename__ = "card_sent"
    partner: str = Field(primary_key=True, max_length=40)
    digest: str = Field(max_length=64)
