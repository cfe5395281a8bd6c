"""Telling an open page that what it shows has changed."""

from starlette.responses import Response

from tallystick.node.api.events import Event, frame
from tallystick.node.portal.rendering import Visit


async def events(visit: Visit) -> Response:
    """A stream of ``refresh``, for one topic (``?topic=task``) or one execution (``?execution=…``).

    Nothing of the change itself travels here: the page asks again for what it shows, with its own permissions.
    """
    query = visit.request.query_params
    topic, execution = query.get("topic"), query.get("execution")

    def render(event: Event) -> bytes | None:
        if "id" not in event:  # something changed, and nobody says what
            return frame("refresh", {})
        about_topic = topic is not None and event.get("topic") == topic
        about_execution = execution is not None and execution in (event.get("id"), event.get("execution_id"))
        # An anchor's id is its own; an open execution page asks again rather than know which.
        if about_topic or about_execution or (execution is not None and event.get("topic") == "anchor"):
            return frame("refresh", {})
        return None

    return visit.portal.streams.response(render)
