"""What each operation does: one call of the services facade."""

import asyncio
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from tallystick.core import canonical
from tallystick.core.errors import Invalid
from tallystick.node.api import files, reading
from tallystick.node.api.caching import cached
from tallystick.node.api.language import preferred
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


async def organisation(call: Call) -> Any:
    """This organisation."""
    return await call.services.organisation()


async def accept_clock(call: Call) -> Any:
    """Say that the machine's clock is right."""
    return await call.services.accept_clock(call.who)


async def card(call: Call) -> Response:
    """This organisation's public card, for partners to import."""
    return cached(call.request, msgspec.json.encode(await call.services.card()), "application/json")


async def keys(call: Call) -> Any:
    """This organisation's keys."""
    return await call.services.keys(call.who)


async def rotate_keys(call: Call) -> Any:
    """Make a new key the current one."""
    return await call.services.rotate_keys(call.who, overlap=call.body.overlap, sealing=call.body.sealing)


async def revoke_key(call: Call) -> Any:
    """End a key."""
    body = call.body
    return await call.services.revoke_key(call.who, call.path["kid"], reason=body.reason, since=body.since)


async def compromise_report(call: Call) -> Any:
    """A page of what a key signed before and after a moment."""
    query = call.query
    facts = {"since": query.since, "org": query.org, "limit": query.limit, "cursor": query.cursor}
    return await call.services.compromise_report(call.who, call.path["kid"], **facts)


async def partners(call: Call) -> Any:
    """The organisations that this one knows."""
    return await call.services.partners(call.who)


async def put_partner(call: Call) -> Any:
    """Add or replace a partner by its card."""
    named = [call.body[name] for name in ("org_id", "id") if name in call.body]
    if any(name != call.path["org_id"] for name in named):
        raise Invalid("the card is another organisation's", pointer="/org_id")
    return await call.services.put_partner(call.who, call.body)


async def set_transport(call: Call) -> Any:
    """Choose how messages go to a partner."""
    body = call.body
    return await call.services.set_transport(call.who, call.path["org_id"], body.transport, body.ca_pem)


async def propose(call: Call) -> Response:
    """Propose a collaboration."""
    body, asked = call.body, call.asked
    if (body.definition is None) == (body.definition_id is None):
        raise Invalid("name either a definition or a definition_id", pointer="/definition")
    if body.definition is not None and body.version is not None:
        raise Invalid("a version goes with a definition_id", pointer="/version")
    if body.definition is not None:
        terms = msgspec.to_builtins(body.terms)
        view = await call.services.propose(call.who, body.definition, body.input, terms=terms, asked=asked)
    else:
        view = await call.services.propose_definition(
            call.who, body.definition_id, body.input, version=body.version, asked=asked
        )
    return _made(view)


def _made(view: dict[str, Any]) -> Response:
    where = f"/api/v1/collaborations/{view['collaboration_id']}"
    return Response(msgspec.json.encode(view), 201, {"location": where}, "application/json")


async def add_definition(call: Call) -> Response:
    """Keep a version of a definition."""
    view = await call.services.add_definition(call.who, call.body.definition)
    where = f"/api/v1/definitions/{view['definition_id']}"
    return Response(msgspec.json.encode(view), 201, {"location": where}, "application/json")


async def definition(call: Call) -> Any:
    """A definition's versions."""
    query = msgspec.structs.asdict(call.query)
    return await call.services.definition(call.who, call.path["definition_id"], **query)


async def deprecate_definition(call: Call) -> Any:
    """Let nothing more start from a version."""
    return await call.services.deprecate_definition(call.who, call.path["definition_id"], call.body.version)


async def start_definition(call: Call) -> Response:
    """Start an execution of a definition that has an api trigger."""
    body, found = call.body, call.path["definition_id"]
    return _made(
        await call.services.start_definition(call.who, found, body.input, version=body.version, asked=call.asked)
    )


async def send_event(call: Call) -> Any:
    """Hand an event to the triggers."""
    return await call.services.send_event(call.who, call.body.topic, call.body.payload, call.body.id)


async def consent(call: Call) -> Any:
    """Accept or reject a proposal."""
    found = call.path["collaboration_id"]
    return await call.services.consent(call.who, found, call.body.decision, call.body.reason)


async def propose_change(call: Call) -> Response:
    """Propose a change of what is proposed."""
    body, terms = call.body, msgspec.to_builtins(call.body.terms)
    view = await call.services.propose_change(
        call.who, call.path["collaboration_id"], body.definition, terms, body.reason, asked=call.asked
    )
    where = f"/api/v1/collaborations/{view['replaced_by']}"
    return Response(msgspec.json.encode(view), 201, {"location": where}, "application/json")


async def changes(call: Call) -> Any:
    """What a changed proposal differs in, in the reader's language."""
    language = preferred(accept=call.request.headers.get("accept-language"))
    return await call.services.changes(call.who, call.path["collaboration_id"], language)


async def start(call: Call) -> Any:
    """Start a collaboration that everyone accepted."""
    return await call.services.start(call.who, call.path["collaboration_id"], call.body.input)


async def terminate(call: Call) -> Any:
    """End a collaboration before its end."""
    return await call.services.terminate(call.who, call.path["collaboration_id"], call.body.reason)


async def signal(call: Call) -> Any:
    """Send a signal to an execution."""
    return await call.services.signal_execution(call.who, call.path["execution_id"], call.body.name, call.body.data)


async def suspend(call: Call) -> Any:
    """Suspend an execution."""
    return await call.services.suspend_execution(call.who, call.path["execution_id"], call.body.reason)


async def cancel_execution(call: Call) -> Any:
    """Cancel an execution: what was done is undone."""
    return await call.services.cancel_execution(call.who, call.path["execution_id"], call.body.reason)


async def timeline(call: Call) -> Any:
    """The entries of an execution after a sequence number."""
    return await call.services.timeline(call.who, call.path["execution_id"], after=call.query.after)


async def evidence(call: Call) -> Response:
    """The evidence bundle, as a file, in the canonical bytes that the verifier asks for."""
    found = call.path["execution_id"]
    bundle = await call.services.evidence(call.who, found)
    headers = {"content-disposition": files.attachment(f"evidence-{found[:16]}.json")}
    return Response(canonical.encode(bundle), 200, headers, "application/json")


async def verify_bundle(call: Call) -> Any:
    """Check an evidence bundle as an auditor would."""
    bundle = await reading.bounded(call.request, files.MAX_DOCUMENT)
    return await call.services.verify_bundle(call.who, bundle)


async def complete(call: Call) -> Any:
    """Answer a task with the values of its form."""
    task, body = call.path["task_id"], call.body
    if body.claim_token is not None:
        return await call.services.complete_claimed(call.who, task, body.claim_token, body.data)
    return await call.services.complete(call.who, task, body.data)


async def fail(call: Call) -> Any:
    """Say why a task cannot be done."""
    task, body = call.path["task_id"], call.body
    if body.claim_token is not None:
        return await call.services.fail_claimed(call.who, task, body.claim_token, body.code, body.message)
    return await call.services.fail(call.who, task, body.code, body.message)


async def task_queues(call: Call) -> Any:
    """The queues that have something waiting or in work."""
    return await call.services.task_queues(call.who)


async def queue_tasks(call: Call) -> Any:
    """What waits in a queue, and who holds what of it."""
    return await call.services.queue_tasks(call.who, call.path["queue"], **msgspec.structs.asdict(call.query))


async def claim_tasks(call: Call) -> Any:
    """Take tasks from a queue, waiting for some when there are none; nothing is taken for a worker that has gone."""
    queue, body = call.path["queue"], msgspec.structs.asdict(call.body)
    asking = asyncio.ensure_future(call.services.claim_tasks(call.who, queue, **body))
    leaving = asyncio.ensure_future(_gone(call.request))
    try:
        await asyncio.wait({asking, leaving}, return_when=asyncio.FIRST_COMPLETED)
        return asking.result() if asking.done() else None
    finally:
        asking.cancel()
        leaving.cancel()


async def _gone(request: Request) -> None:
    """Return when the client has hung up."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def heartbeat(call: Call) -> Any:
    """Say that a claimed task is still worked on."""
    return await call.services.heartbeat(call.who, call.path["task_id"], call.body.claim_token)


async def cancel(call: Call) -> Any:
    """Cancel a task with a reason."""
    return await call.services.cancel(call.who, call.path["task_id"], call.body.reason)


async def approve(call: Call) -> Any:
    """Approve."""
    return await call.services.approve(call.who, call.path["task_id"], call.body.comments)


async def reject(call: Call) -> Any:
    """Reject."""
    return await call.services.reject(call.who, call.path["task_id"], call.body.comments)


async def put_document(call: Call) -> Response:
    """Store a document; the body is its bytes, streamed."""
    media_type = files.media_type(call.request.headers.get("content-type"))
    chunks = files.capped(call.request.stream(), files.MAX_DOCUMENT)
    stored = await call.services.put_document(call.who, call.query.name, media_type, chunks)
    where = f"/api/v1/documents/{stored['document_id']}"
    return Response(msgspec.json.encode(stored), 201, {"location": where}, "application/json")


async def document_content(call: Call) -> StreamingResponse:
    """A document's bytes."""
    return files.download(*await call.services.document_content(call.who, call.path["document_id"]))


def listing(method: str) -> Any:
    """A handler for the facade's list ``method``, whose parameters are the query's fields."""

    async def handler(call: Call) -> Any:
        return await getattr(call.services, method)(call.who, **msgspec.structs.asdict(call.query))

    return handler


def by_id(method: str, parameter: str) -> Any:
    """A handler that calls the facade's ``method`` with the one id in the path."""

    async def handler(call: Call) -> Any:
        return await getattr(call.services, method)(call.who, call.path[parameter])

    return handler


async def chain(call: Call) -> Any:
    """The state of this organisation's chain connection."""
    return await call.services.chain(call.who)
