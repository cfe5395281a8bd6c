"""What the operations on users, sessions and access tokens do."""

from typing import Any

import msgspec

from tallystick.node.api.operation import Call
from tallystick.node.api.ports import Person, Token


def about(person: Person) -> dict[str, Any]:
    """A user as the API shows one."""
    return {
        "id": person.id,
        "username": person.username,
        "display_name": person.display_name,
        "roles": sorted(person.roles),
        "groups": sorted(person.groups),
        "language": person.language,
    }


async def sign_in(call: Call) -> dict[str, Any]:
    """A session for a name and a password."""
    session = await call.parts.accounts.sign_in(call.body.username, call.body.password)
    return {"access_token": session.token, "token_type": "Bearer", "expires_at": session.expires_at}


async def sign_in_with_link(call: Call) -> dict[str, Any]:
    """A session for a one-time link."""
    session = await call.parts.accounts.sign_in_with_link(call.body.link)
    return {"access_token": session.token, "token_type": "Bearer", "expires_at": session.expires_at}


async def me(call: Call) -> dict[str, Any]:
    """Who is signed in."""
    return about(call.who)


async def users(call: Call) -> dict[str, Any]:
    """The organisation's users."""
    return {"items": [about(person) for person in await call.parts.accounts.users()]}


async def add_user(call: Call) -> dict[str, Any]:
    """Add a user."""
    return about(await call.parts.accounts.add_user(**msgspec.to_builtins(call.body)))


async def set_groups(call: Call) -> dict[str, Any]:
    """Replace a user's groups."""
    return about(await call.parts.accounts.set_groups(call.path["username"], call.body.groups))


async def make_link(call: Call) -> dict[str, Any]:
    """The secret of a link that signs a user in once; portals take it as ``/sign-in#link=…``."""
    return {"link": await call.parts.accounts.make_link(call.path["username"])}


def _token(token: Token) -> dict[str, Any]:
    names = ("id", "name", "queues", "created_by", "created_at", "expires_at")
    return {name: getattr(token, name) for name in names}


async def add_token(call: Call) -> dict[str, Any]:
    """A worker's access token; its text is told this once."""
    text, kept = await call.parts.accounts.add_token(call.who, **msgspec.to_builtins(call.body))
    return {"access_token": text, **_token(kept)}


async def tokens(call: Call) -> dict[str, Any]:
    """The workers' access tokens, without their secrets."""
    return {"items": [_token(one) for one in await call.parts.accounts.tokens()]}


async def remove_token(call: Call) -> None:
    """End a worker's access token."""
    await call.parts.accounts.remove_token(call.path["token_id"])
