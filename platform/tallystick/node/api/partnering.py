"""What the operations on invitations and partners do: one call of the services facade each."""

from typing import Any

from tallystick.node.api.operation import Call


async def invite(call: Call) -> Any:
    """Make an invitation."""
    return await call.services.invite(call.who, call.body.hours, call.body.note)


async def invitation(call: Call) -> Any:
    """An invitation's text, for whoever was given its link."""
    return await call.services.invitation(call.path["invitation_id"])


async def withdraw(call: Call) -> None:
    """Let nobody answer an invitation any more."""
    await call.services.withdraw_invitation(call.who, call.path["invitation_id"])


async def accept(call: Call) -> Any:
    """Accept an invitation by its text or link."""
    return await call.services.accept_invitation(call.who, call.body.invitation)


async def answer(call: Call) -> Any:
    """Take in the answer to an invitation."""
    return await call.services.answer_invitation(call.body.answer)


async def confirm(call: Call) -> Any:
    """Confirm the fingerprint of somebody who waits."""
    return await call.services.confirm_partner(call.who, call.path["org_id"], call.body.fingerprint)


async def remove(call: Call) -> Any:
    """Part with a partner."""
    return await call.services.remove_partner(call.who, call.path["org_id"], force=call.body.force)
