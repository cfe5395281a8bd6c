"""What talking to others takes, alike in the short form's ``parameters`` and the full form's ``input``."""

from collections.abc import Callable

from tallystick.core.definition.context import Context, only
from tallystick.core.definition.forms import form
from tallystick.core.definition.model import MAX_NAME, DataExchange, Notification
from tallystick.core.definition.reading import Members
from tallystick.core.definition.schemas import schema
from tallystick.core.definition.steps import Facts

Talk = Callable[[Facts, Members, Context], DataExchange | Notification]


def data_exchange(facts: Facts, members: Members, context: Context) -> DataExchange:
    """Data from the assigned organisation to the targets, and to nobody else."""
    targets = _targets(facts["assigned_org"], members, context)
    return DataExchange(
        **facts,
        targets=targets,
        visible_to=only(facts["assigned_org"], targets),
        data_schema=schema(members, "data_schema"),
        encryption_required=members.boolean("encryption_required", default=True),
        form=form(members, "form_properties"),
    )


def notification(facts: Facts, members: Members, context: Context) -> Notification:
    """A message to the targets; its text stands in the agreement."""
    targets = _targets(facts["assigned_org"], members, context)
    return Notification(
        **facts,
        targets=targets,
        visible_to=only(facts["assigned_org"], targets),
        notification_type=members.text("notification_type", default="direct_message", most=MAX_NAME),
        message=members.text("message"),
        requires_acknowledgment=members.boolean("requires_acknowledgment", default=False),
    )


TALKING: dict[str, Talk] = {"data_exchange": data_exchange, "notification": notification}


def _targets(org: str, members: Members, context: Context) -> list[str]:
    targets = members.names("target_orgs", context.participants, "organisation")
    if members.raw("target_orgs") in (None, []):
        members.fault("target_orgs", "required", "target_orgs must name an organisation")
    elif targets and targets == [org]:
        members.fault("target_orgs", "no_targets", "an organisation cannot be its own only target")
    return targets
