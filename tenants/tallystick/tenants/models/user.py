"""The people of an organisation, what they sign in with, and what bounds guessing."""

from sqlalchemy import JSON, BigInteger
from sqlmodel import Field, SQLModel

from tallystick.tenants.permissions import Permission, permissions_of


class User(SQLModel, table=True):
    """A person; holds no secret, so it may be shown and logged. Times in milliseconds since 1970."""

    __tablename__ = "user_account"  # `user` is a reserved word of Postgres

    id: str = Field(primary_key=True, max_length=36)
    username: str = Field(max_length=64)
    username_key: str = Field(unique=True, max_length=256)
    display_name: str = Field(max_length=200)
    roles: list[str] = Field(sa_type=JSON)
    groups: list[str] = Field(default_factory=list, sa_type=JSON)
    language: str = Field(max_length=8)
    is_active: bool = True
    created_at: int = Field(sa_type=BigInteger)

    @property
    def permissions(self) -> frozenset[Permission]:
        """What the user's roles grant."""
        return permissions_of(self.roles) if self.is_active else frozenset()

    def may(self, permission: Permission) -> bool:
        """Whether the user has that permission."""
        return permission in self.permissions


class Credential(SQLModel, table=True):
    """What a user signs in with; tokens of an earlier ``generation`` are void."""

    user_id: str = Field(primary_key=True, foreign_key="user_account.id")
    password_hash: str | None = Field(default=None, repr=False)
    generation: int = 0


class SignInLink(SQLModel, table=True):
    """A one-time link, by its public half; of the secret half only the hash is kept."""

    __tablename__ = "sign_in_link"

    selector: str = Field(primary_key=True)
    secret_hash: str = Field(repr=False)
    user_id: str = Field(foreign_key="user_account.id", index=True)
    expires_at: int = Field(sa_type=BigInteger, index=True)


class SignInAttempt(SQLModel, table=True):
    """Attempts on one name since the last success, whether or not a user has that name."""

    __tablename__ = "sign_in_attempt"

    name_hash: str = Field(primary_key=True)
    attempts: int
    blocked_until: int = Field(sa_type=BigInteger)
    forget_at: int = Field(sa_type=BigInteger, index=True)


class RevokedToken(SQLModel, table=True):
    """A session ended before its time; the row is needed until the token would have expired."""

    __tablename__ = "revoked_token"

    token_id: str = Field(primary_key=True)
    expires_at: int = Field(sa_type=BigInteger, index=True)
