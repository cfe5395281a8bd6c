"""What activities say beside their time-out, alike in the short form's ``parameters`` and the full form's ``input``."""

from collections.abc import Callable

from tallystick.core.definition.forms import form
from tallystick.core.definition.reading import MAX_NAME, Members
from tallystick.core.definition.steps import Step, limit

Reader = Callable[[Step, Members, list[str]], None]


def data_exchange(step: Step, members: Members, organisations: list[str]) -> None:
    """Data from the assigned organisation to the targets, and to nobody else."""
    step["activity_type"] = "data_exchange"
    step["targets"] = _targets(step, members, organisations)
    step["data_schema"] = members.document("data_schema")
    step["encryption_required"] = members.boolean("encryption_required", default=True)
    step["form"] = form(members, "form_properties")
    limit(step, step["targets"])


def notification(step: Step, members: Members, organisations: list[str]) -> None:
    """A message to the targets; its text stands in the agreement."""
    step["activity_type"] = "notification"
    step["targets"] = _targets(step, members, organisations)
    step["notification_type"] = members.text("notification_type", default="direct_message", most=MAX_NAME)
    step["message"] = members.text("message")
    step["requires_acknowledgment"] = members.boolean("requires_acknowledgment", default=False)


TALKING: dict[str, Reader] = {"data_exchange": data_exchange, "notification": notification}


def _targets(step: Step, members: Members, organisations: list[str]) -> list[str]:
    targets = members.names("target_orgs", organisations, "organisation")
    if members.raw("target_orgs") in (None, []):
        members.fault("target_orgs", "required", "target_orgs must name an organisation")
    elif targets and targets == [step["assigned_org"]]:
        members.fault("target_orgs", "no_targets", "an organisation cannot be its own only target")
    return targets
