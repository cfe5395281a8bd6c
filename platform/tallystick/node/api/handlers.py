"""What each operation does: one call of the services facade."""

from typing import Any

import msgspec
from starlette.responses import Response, StreamingResponse

from tallystick.core import canonical, jws
from tallystick.core.errors import Invalid
from tallystick.node.api import files, reading
from tallystick.node.api.caching import cached
from tallystick.node.api.language import preferred
from tallystick.node.api.operation import Call


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


async def rotate_link(call: Call) -> Any:
    """A new nkey and a new authority of the links."""
    return await call.services.rotate_link(call.who)


async def revoke_key(call: Call) -> Any:
    """End a key."""
    body = call.body
    return await call.services.revoke_key(call.who, call.path["kid"], reason=body.reason, since=body.since)


async def pending_signatures(call: Call) -> Any:
    """A page of what waits for the root key."""
    return await call.services.pending_signatures(call.who, limit=call.query.limit, cursor=call.query.cursor)


async def take_signatures(call: Call) -> Any:
    """Take what the root key has signed."""
    return await call.services.take_signatures(call.who, list(call.body.tokens))


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
    if isinstance(card := call.body.get("card"), str):
        named.append(jws.peek(card).get("id", call.path["org_id"]))  # what is no card is refused as such
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
    bundle = await call.services.evidence(call.who, found, call.query.chain_id)
    headers = {"content-disposition": files.attachment(f"evidence-{found[:16]}.json")}
    return Response(canonical.encode(bundle), 200, headers, "application/json")


async def verify_bundle(call: Call) -> Any:
    """Check an evidence bundle as an auditor would."""
    bundle = await reading.bounded(call.request, files.MAX_DOCUMENT)
    return await call.services.verify_bundle(call.who, bundle)


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
