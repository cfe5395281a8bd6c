"""Insecure, hand-written stand-in for the facade under the API's and the portal's tests; scenarios use the real one."""

from node.api.standins.chain import OnChain
from node.api.standins.definitions import Definitions
from node.api.standins.documents import Documents
from node.api.standins.executions import Executions
from node.api.standins.organisation import Organisation
from node.api.standins.partners import Partners
from node.api.standins.queues import Queues


class FakeServicesForApiTests(Organisation, Partners, Definitions, Executions, OnChain, Queues, Documents):
    """Answers with one of everything; refuses by id."""
