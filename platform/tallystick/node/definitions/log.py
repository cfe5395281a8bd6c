"""An execution's log without keys: statements go into the real engine as they are, and what follows is folded."""

from typing import Any

import msgspec

from tallystick.core.agreement import VERSION, VERSIONS, Agreement, Limits, Participant, SealingKey, Suite
from tallystick.core.definition.document import document
from tallystick.core.definition.model import CompiledDefinition
from tallystick.core.engine.decide import decide
from tallystick.core.engine.evolve import evolve
from tallystick.core.engine.state import State, initial
from tallystick.core.entry import APPLIED, Entry
from tallystick.core.scope import Value
from tallystick.core.statement import KINDS, Statement

EXECUTION = "0" * 64


class Log:
    """The first participant initiates and coordinates; everyone may steer."""

    def __init__(self, definition: CompiledDefinition, begin: int) -> None:
        self.coordinator = definition.participants[0]
        self.at = begin
        self.state: State = initial(EXECUTION)
        self._agreement = _agreement(definition, self.coordinator)

    def start(self, values: list[Value]) -> None:
        """Proposal, everyone's consent, and the start with its input."""
        self.say(self.coordinator, "propose", {"nonce": ""})
        for one in self._agreement.participants[1:]:
            self.say(one.org_id, "consent", {"decision": "accepted"})
        self.say(self.coordinator, "start", {"input": {one.property: EXECUTION for one in values}})

    def say(self, org: str, kind: str, body: dict[str, Any]) -> str:
        """Sequence a statement; why it is void, empty when it is not."""
        said = Statement(
            id=f"{self.state.size:064x}",
            kid="",
            iss=org,
            aud="",
            kind=kind,
            execution=EXECUTION,
            basis=None,
            iat=self.at,
            body=msgspec.convert(body, KINDS[kind]),
        )
        decision = decide(self._agreement, self.state, said, self.at)
        entry = Entry(
            v=1,
            execution=EXECUTION,
            term=0,
            seq=self.state.size,
            at=self.at,
            statement_id=said.id,
            outcome=decision.outcome,
            events=decision.events,
        )
        self.state = evolve(self.state, entry)
        return "" if decision.outcome == APPLIED else decision.outcome.partition(":")[2]


def _agreement(definition: CompiledDefinition, coordinator: str) -> Agreement:
    suite: Suite = "x25519-hkdf-sha256-chacha20poly1305"
    return Agreement(
        v=VERSION,
        kind="agreement",
        salt="",
        created_at=0,
        initiator=coordinator,
        coordinator=coordinator,
        versions=VERSIONS,
        definition=document(definition),
        visibility={},
        participants=[
            Participant(
                org_id=org,
                name=org,
                role="",
                chain_org="",
                log_key="",
                root_key="",
                signing_keys=[],
                sealing_key=SealingKey(kid="", suite=suite, key=""),
                can_terminate=True,
            )
            for org in definition.participants
        ],
        quorums={},
        limits=Limits(),
        retention_days=1,
        anchoring=None,
        sealing_suite=suite,
        parent=None,
        replaces=None,
    )
