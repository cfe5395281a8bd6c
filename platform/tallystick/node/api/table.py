"""The table of operations: the whole REST API on one page."""

from typing import Any

from starlette.responses import Response

from tallystick.node.api import account_handlers as accounts
from tallystick.node.api import bodies, handlers, partnering, queries
from tallystick.node.api import task_handlers as tasks
from tallystick.node.api.events import Streams, as_json
from tallystick.node.api.handlers import by_id, listing
from tallystick.node.api.operation import Call, Operation


def get(path: str, handler: Any, summary: str, **more: Any) -> Operation:
    """A reading operation."""
    return Operation(method="GET", path=path, handler=handler, summary=summary, **more)


def post(path: str, handler: Any, summary: str, **more: Any) -> Operation:
    """A changing operation."""
    return Operation(method="POST", path=path, handler=handler, summary=summary, **more)


def operations(streams: Streams) -> list[Operation]:
    """Every operation below ``/api/v1``."""

    async def events(_: Call) -> Response:
        return streams.response(as_json)

    return [
        *_people(),
        *_partners(),
        *_collaborations(),
        *_definitions(),
        *_executions(),
        *_tasks(),
        *_queues(),
        *_documents(),
        *_rest(events),
    ]


def _people() -> list[Operation]:
    admin: dict[str, Any] = {"permission": "administer"}
    return [
        post("/sessions", accounts.sign_in, "Sign in with a name and password", public=True, body=bodies.SignIn),
        post("/sessions/link", accounts.sign_in_with_link, "Sign in with a one-time link", public=True,
             body=bodies.SignInLink),
        get("/me", accounts.me, "Who is signed in", permission=None),
        get("/users", accounts.users, "The organisation's users", **admin),
        post("/users", accounts.add_user, "Add a user", body=bodies.NewUser, status=201, **admin),
        Operation(method="PUT", path="/users/{username}/groups", handler=accounts.set_groups, body=bodies.UserGroups,
                  summary="Replace the groups that a user is in", problems=["not_found"], **admin),
        post("/users/{username}/links", accounts.make_link, "A link that signs a user in once", body=bodies.Nothing,
             status=201, problems=["not_found"], **admin),
        post("/access-tokens", accounts.add_token, "An access token for a worker", body=bodies.NewAccessToken,
             status=201, problems=["wrong_state"], **admin),
        get("/access-tokens", accounts.tokens, "The workers' access tokens", **admin),
        Operation(method="DELETE", path="/access-tokens/{token_id}", handler=accounts.remove_token, status=204,
                  summary="End a worker's access token", problems=["not_found"], **admin),
        get("/organisation", handlers.organisation, "This organisation"),
        post("/organisation/clock", handlers.accept_clock, "Say that this machine's clock is right",
             body=bodies.Nothing, **admin),
        get("/organisation/card", handlers.card, "This organisation's public card", public=True),
        get("/organisation/keys", handlers.keys, "This organisation's keys, past ones too"),
        post("/organisation/keys", handlers.rotate_keys, "Rotate: make a new key the current one everywhere",
             body=bodies.Rotation, status=201, **admin),
        post("/organisation/keys/link", handlers.rotate_link,
             "Replace what names this organisation on its links: its nkey and its certificate authority",
             body=bodies.Nothing, status=201, problems=("wrong_state",), **admin),
        post("/organisation/keys/{kid}/revocation", handlers.revoke_key, "Revoke a key everywhere",
             body=bodies.Revocation, problems=("not_found", "wrong_state"), **admin),
        get("/organisation/keys/pending", handlers.pending_signatures,
            "What waits for the root key's signature while it is away", query=queries.PendingQuery, **admin),
        post("/organisation/keys/pending", handlers.take_signatures, "Bring what the root key has signed",
             body=bodies.Signatures, problems=("wrong_state",), **admin),
        get("/organisation/keys/{kid}/compromise", handlers.compromise_report,
            "What a key signed, and what shows that it was before a moment", query=queries.CompromiseQuery,
            permission="verify"),
    ]  # fmt: skip


def _partners() -> list[Operation]:
    admin: dict[str, Any] = {"permission": "administer"}
    one, invitation = "/partners/{org_id}", "/invitations/{invitation_id}"
    states = ("not_found", "wrong_state")
    return [
        get("/partners", handlers.partners, "Known organisations, and those who wait to be confirmed"),
        get(one, by_id("partner", "org_id"), "A partner, its link, and what is open with it", problems=["not_found"]),
        Operation(method="PUT", path=one, handler=handlers.put_partner, problems=["wrong_state"],
                  summary="Add or replace a partner by its card", body=dict[str, Any], **admin),
        Operation(method="PUT", path=one + "/transport", handler=handlers.set_transport,
                  summary="Choose how messages go to a partner", body=bodies.PartnerTransport,
                  problems=["not_found"], **admin),
        post(one + "/confirm", partnering.confirm, "Confirm the fingerprint: both are partners once both have",
             body=bodies.Fingerprint, problems=states, **admin),
        post(one + "/suspend", by_id("suspend_partner", "org_id"), "Keep its messages out; ours wait",
             body=bodies.Nothing, problems=states, **admin),
        post(one + "/resume", by_id("resume_partner", "org_id"), "Work with it again", body=bodies.Nothing,
             problems=states, **admin),
        post(one + "/remove", partnering.remove, "Part with it, or forget one who waits", body=bodies.Removal,
             problems=states, **admin),
        post("/invitations", partnering.invite, "Invite an organisation", body=bodies.NewInvitation, status=201,
             **admin),
        get("/invitations", listing_all("invitations"), "This organisation's invitations", **admin),
        get(invitation, partnering.invitation, "The text behind an invitation's link", public=True,
            problems=states),
        Operation(method="DELETE", path=invitation, handler=partnering.withdraw, status=204,
                  summary="Withdraw an invitation", problems=states, **admin),
        post("/invitations/accept", partnering.accept, "Accept another organisation's invitation",
             body=bodies.GivenInvitation, problems=states, **admin),
        post("/invitations/answers", partnering.answer, "Bring the answer to an invitation", public=True,
             body=bodies.InvitationAnswer, problems=states),
    ]  # fmt: skip


def listing_all(method: str) -> Any:
    """A handler for the facade's ``method`` that takes nothing but who asks."""

    async def handler(call: Call) -> Any:
        return await getattr(call.services, method)(call.who)

    return handler


def _collaborations() -> list[Operation]:
    one = "/collaborations/{collaboration_id}"
    create: dict[str, Any] = {"permission": "create_collaboration"}
    states = ("not_found", "wrong_state")
    return [
        post("/collaborations", handlers.propose, "Propose a collaboration", body=bodies.Proposal, status=201,
             idempotent_by_key=True, **create),
        get("/collaborations", listing("collaborations"), "Collaborations", query=queries.Search),
        get(one, by_id("collaboration", "collaboration_id"), "A collaboration's status", problems=["not_found"]),
        get(one + "/agreement", by_id("agreement", "collaboration_id"), "The agreement that all sign",
            problems=["not_found"]),
        post(one + "/consent", handlers.consent, "Accept or reject a proposal", body=bodies.Consent,
             permission="give_consent", problems=states),
        post(one + "/changes", handlers.propose_change, "Propose a change of what is proposed", body=bodies.Change,
             status=201, idempotent_by_key=True, problems=states, **create),
        get(one + "/changes", handlers.changes, "What a changed proposal differs in", problems=["not_found"]),
        post(one + "/start", handlers.start, "Start", body=bodies.Start, problems=states, **create),
        post(one + "/terminate", handlers.terminate, "End it early, with a reason", body=bodies.Reason,
             problems=states, **create),
    ]  # fmt: skip


def _definitions() -> list[Operation]:
    one = "/definitions/{definition_id}"
    create: dict[str, Any] = {"permission": "create_collaboration"}
    return [
        post("/definitions", handlers.add_definition, "Keep a version of a definition", body=bodies.NewDefinition,
             status=201, problems=["wrong_state"], **create),
        get("/definitions", listing("definitions"), "Versions of definitions, newest first", query=queries.Page),
        get(one, handlers.definition, "A definition's versions with their sources", query=queries.Page,
            problems=["not_found"]),
        post(one + "/deprecate", handlers.deprecate_definition, "Let nothing more start from a version",
             body=bodies.Deprecation, problems=["not_found"], **create),
        post(one + "/executions", handlers.start_definition, "Start an execution by the api trigger",
             body=bodies.NewExecution, status=201, idempotent_by_key=True, problems=("not_found", "wrong_state"),
             **create),
        post("/events", handlers.send_event, "Send an event to the triggers", body=bodies.Event,
             permission=("work_on_queues", "create_collaboration")),
    ]  # fmt: skip


def _executions() -> list[Operation]:
    one = "/executions/{execution_id}"
    missing = ["not_found"]

    def view(name: str, summary: str, **more: Any) -> Operation:
        return get(f"{one}/{name}", by_id(name, "execution_id"), summary, problems=missing, **more)

    def steer(
        name: str, handler: Any, summary: str, body: Any = bodies.Nothing, permission: str = "create_collaboration"
    ) -> Operation:
        return post(f"{one}/{name}", handler, summary, body=body, permission=permission,
                    problems=("not_found", "wrong_state"))  # fmt: skip

    return [
        get("/executions", listing("executions"), "Executions", query=queries.Search),
        get(one, by_id("execution", "execution_id"), "An execution", problems=missing),
        get("/waiting", listing("all_waiting"), "What every open execution waits for", query=queries.Page),
        get("/outbox", listing("outbox"), "Messages that partners have not confirmed", query=queries.OutboxPage),
        get(one + "/timeline", handlers.timeline, "Who signed what and when", query=queries.After, problems=missing),
        view("data", "The data that this organisation holds"),
        view("anchors", "What the chain holds"),
        view("waiting", "What is waited for, and since when"),
        view("verifications", "Stored verification results", permission="verify"),
        get(one + "/evidence", handlers.evidence, "The evidence bundle", permission="verify", query=queries.OnChain,
            problems=missing),
        steer("signals", handlers.signal, "Send a signal", bodies.Signal, "work_on_tasks"),
        steer("suspend", handlers.suspend, "Suspend it, with a reason", bodies.Reason),
        steer("resume", by_id("resume_execution", "execution_id"), "Let it go on"),
        steer("cancel", handlers.cancel_execution, "Cancel it and undo what was done, with a reason", bodies.Reason),
        post(one + "/verify", by_id("verify_execution", "execution_id"), "Verify and store the result",
             permission="verify", problems=["not_found", "unavailable"]),
    ]  # fmt: skip


def _tasks() -> list[Operation]:
    one = "/tasks/{task_id}"

    def act(name: str, handler: Any, summary: str, body: Any = bodies.Nothing, *, worker: bool = False) -> Operation:
        permission = ("work_on_tasks", "work_on_queues") if worker else "work_on_tasks"
        return post(f"{one}/{name}", handler, summary, body=body, permission=permission,
                    problems=("not_found", "wrong_state"))  # fmt: skip

    return [
        get("/tasks", listing("tasks"), "This organisation's tasks", query=queries.TaskSearch),
        get(one, by_id("task", "task_id"), "A task and its form", problems=["not_found"]),
        act("claim", by_id("claim", "task_id"), "Take a task"),
        act("release", by_id("release", "task_id"), "Give a taken task back"),
        act("complete", tasks.complete, "Answer with the form's values", bodies.Completion, worker=True),
        act("fail", tasks.fail, "Say that it cannot be done", bodies.Failure, worker=True),
        act("cancel", tasks.cancel, "Cancel with a reason", bodies.Reason),
        act("retry", by_id("retry_task", "task_id"), "Try a held task again"),
        act("approve", tasks.approve, "Approve", bodies.Comments),
        act("reject", tasks.reject, "Reject", bodies.Comments),
    ]


def _queues() -> list[Operation]:
    worker: dict[str, Any] = {"permission": "work_on_queues"}
    return [
        get("/task-queues", tasks.task_queues, "The queues of external workers", **worker),
        get("/task-queues/{queue}/tasks", tasks.queue_tasks, "What waits in a queue, and who holds what of it",
            query=queries.Page),
        post("/task-queues/{queue}/claim", tasks.claim_tasks, "Take tasks from a queue, waiting for some",
             body=bodies.ClaimTasks, **worker),
        post("/tasks/{task_id}/heartbeat", tasks.heartbeat, "Keep a claimed task", body=bodies.ClaimToken,
             problems=("not_found", "wrong_state"), **worker),
    ]  # fmt: skip


def _documents() -> list[Operation]:
    one = "/documents/{document_id}"
    return [
        post("/documents", handlers.put_document, "Store a document (the body is its bytes)", status=201,
             raw="application/octet-stream", query=queries.DocumentName, permission="work_on_tasks"),
        get("/documents", listing("documents"), "Documents", query=queries.Page),
        get(one, by_id("document", "document_id"), "A document's description", problems=["not_found"]),
        get(one + "/content", handlers.document_content, "A document's bytes", problems=["not_found"],
            returns="application/octet-stream"),
    ]  # fmt: skip


def _rest(events: Any) -> list[Operation]:
    return [
        get("/notifications", listing("notifications"), "Notifications", query=queries.Page),
        post("/notifications/{notification_id}/acknowledge", by_id("acknowledge", "notification_id"),
             "Acknowledge a notification", body=bodies.Nothing, permission="work_on_tasks", problems=["not_found"]),
        post("/verifications", handlers.verify_bundle, "Check an evidence bundle (the body is the file)",
             raw="application/json", permission="verify"),
        get("/chain", handlers.chain, "The chain connection"),
        get("/chain/transactions", listing("chain_transactions"), "What is sent to the chain, and what became of it",
            query=queries.TransactionsPage),
        get("/events", events, "Live changes (server-sent events)", returns="text/event-stream"),
    ]  # fmt: skip
