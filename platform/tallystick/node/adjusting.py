"""Settings that a person changes by name, such as ``blockchain.budget.wei``: each checked by itself, then all together.

A name is a path in ``settings.json``; below ``blockchain.also`` a further chain stands under its id, as in
``blockchain.also.31338.budget.wei``. Values are given as text, members that are objects as JSON.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, get_type_hints

import msgspec

from tallystick.core import policy
from tallystick.core.definition.faults import Fault, Faults
from tallystick.core.errors import Invalid
from tallystick.node.settings import Blockchain, BudgetSettings, ChainSettings, Settings

MAX_VALUE = 1_000  # characters; the longest that means something has under a hundred
_CHAIN = ("fee_ceiling_gwei", "gas_limit", "transaction_confirmation_blocks", "endpoint_quorum")
_FIRST = ("relayers", "heartbeat")  # of the first chain alone
_BUDGET = tuple(BudgetSettings.__struct_fields__)
_FORMS: dict[str, Any] = {
    **{f"budget.{name}": get_type_hints(BudgetSettings, include_extras=True)[name] for name in _BUDGET},
    **{name: get_type_hints(ChainSettings, include_extras=True)[name] for name in _CHAIN},
    **{name: get_type_hints(Blockchain, include_extras=True)[name] for name in _FIRST},
}
_WEI = "a whole number of wei above zero, of thirty digits at most"


class SettingsErrors(Invalid):
    """Settings that are refused; ``errors`` names all that is wrong, each pointer being the setting's name."""

    default_code = "bad_settings"

    def __init__(self, errors: list[Fault]) -> None:
        super().__init__("\n  ".join(f"{one.pointer}: {one.detail} {one.suggestion}".rstrip() for one in errors))
        self.errors = errors


class Setting(NamedTuple):
    """One of them, as it counts now."""

    name: str
    value: Any
    is_default: bool


def settable(settings: Settings) -> list[str]:
    """The names of those that this organisation can set."""
    return list(_places(settings.blockchain))


def current(settings: Settings) -> Iterator[Setting]:
    """All of them and what they are; a budget that is not set is None."""
    document = msgspec.to_builtins(settings.blockchain)
    for name, path in _places(settings.blockchain).items():
        if path[0] == "policy":
            yield Setting(name, policy.terms(document["policy"])[path[1]], path[1] not in document["policy"])
            continue
        owner = _chain(settings, path)
        *within, last = path[2:] if path[0] == "also" else path
        for part in within:
            owner = getattr(owner, part)
        value = getattr(owner, last, None)
        yield Setting(name, value, owner is None or value == _default(type(owner), last))


def adjusted(settings: Settings, given: Iterable[tuple[str, str]], unset: Iterable[str] = ()) -> Settings:
    """The settings with other values, and those of ``unset`` as if never set; :class:`SettingsErrors` names all faults.

    ``unset`` may name all of a budget or of the policy at once.
    """
    places, faults = _places(settings.blockchain), Faults()
    document: dict[str, Any] = msgspec.to_builtins(settings.blockchain) if settings.blockchain else {}
    for name in unset:
        known = {**places, **{whole: path[:-1] for whole, path in _wholes(places)}}
        if _known(faults, name, known, settings):
            owner, key = _owner(document, known[name])
            if owner is not None:
                owner.pop(key, None)
    for name, text in given:
        if _known(faults, name, places, settings):
            value = _value(faults, name, places[name], text)
            owner, key = _owner(document, places[name], make=True)
            if owner is not None:
                owner[key] = value
    if not faults.found:
        _check_policy(faults, document)
    if faults.found:
        raise SettingsErrors(faults.found)
    try:
        blockchain = msgspec.convert(document, Blockchain) if document else None
    except msgspec.ValidationError as error:
        raise SettingsErrors([_whole(error)]) from error
    return msgspec.structs.replace(settings, blockchain=blockchain)


def _places(blockchain: Blockchain | None) -> dict[str, tuple[str, ...]]:
    """Where each setting stands below ``blockchain``."""
    if blockchain is None:
        return {}
    names = [tuple(name.split(".")) for name in _FORMS]
    places = [*names, *(("policy", name) for name in policy.DIRECT)]
    for one in blockchain.also:
        places += [("also", str(one.chain_id), *name) for name in names if name[0] not in _FIRST]
    return {".".join(("blockchain", *path)): path for path in places}


def _wholes(places: dict[str, tuple[str, ...]]) -> list[tuple[str, tuple[str, ...]]]:
    nested = ((name, path) for name, path in places.items() if path[-2:-1] in {("budget",), ("policy",)})
    return [(name.rpartition(".")[0], path) for name, path in nested]


def _known(faults: Faults, name: str, places: dict[str, Any], settings: Settings) -> bool:
    if settings.blockchain is None and name.startswith("blockchain."):
        faults.add(name, "no_chain", f"{settings.org_id} was set up without a chain")
    elif name not in places:
        faults.unknown(name[:MAX_VALUE], "unknown_setting", "setting", name, places)
    return name in places


def _value(faults: Faults, name: str, path: tuple[str, ...], text: str) -> Any:
    if len(text) > MAX_VALUE:
        faults.add(name, "too_long", f"a value has {MAX_VALUE} characters at most")
        return None
    if path[0] == "policy":
        return _json_or_text(text)
    form = _FORMS[".".join(path[2:] if path[0] == "also" else path)]
    try:
        return msgspec.convert(text, form, strict=False)
    except msgspec.ValidationError as error:
        said = str(error).replace("Expected ", "").replace("`", "")
        faults.add(name, "bad_value", f"has to be {_WEI if path[-1] == 'wei' else said}")
        return None


def _json_or_text(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text


def _check_policy(faults: Faults, document: dict[str, Any]) -> None:
    try:
        policy.terms(document.get("policy", {}))
    except Invalid as error:
        for one in getattr(error, "errors", []):
            name = "blockchain.policy" + one.pointer.replace("/", ".")
            faults.add(name, one.code, one.detail, one.suggestion)


def _owner(document: dict[str, Any], path: tuple[str, ...], *, make: bool = False) -> tuple[dict[str, Any] | None, str]:
    """The object that holds the last of the path, and its key there."""
    owner: Any = document
    if path[0] == "also":
        owner = next(one for one in document["also"] if str(one["chain_id"]) == path[1])
        path = path[2:]
    for part in path[:-1]:
        if owner.get(part) is None:
            if not make:
                return None, path[-1]
            owner[part] = {}
        owner = owner[part]
    return owner, path[-1]


def _chain(settings: Settings, path: tuple[str, ...]) -> Any:
    blockchain = settings.blockchain
    if blockchain is None or path[0] != "also":
        return blockchain
    return next(one for one in blockchain.also if str(one.chain_id) == path[1])


def _default(form: Any, name: str) -> Any:
    return next(one.default for one in msgspec.structs.fields(form) if one.name == name)


def _whole(error: msgspec.ValidationError) -> Fault:
    """What is wrong only together, such as a budget without an amount."""
    detail, _, path = str(error).partition(" - at `$")
    return Fault("blockchain" + path.rstrip("`"), "contradictory", detail)
