"""An external signer: its signatures reach the chain, and nothing else that it says is used."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from ledger.conftest import CHAIN_ID
from ledger.parties import FAUCET, LAG_MS, Party, finish, new_account, settle
from support.web3signer import FakeWeb3Signer
from tallystick.ledger import contracts as calls
from tallystick.ledger import deploy as tools
from tallystick.ledger.contracts import Head
from tallystick.ledger.errors import BadSignature, SignerUnavailable
from tallystick.ledger.external import MAX_ANSWER, Web3Signer
from tallystick.ledger.hashing import to_hex
from tallystick.ledger.orglog import head_digest
from tallystick.ledger.ports import Submission
from tallystick.ledger.proofs import verify_leaf
from tallystick.ledger.signing import LocalHeadSigner
from tallystick.ledger.submitter import Submitter

Make = Callable[[], Awaitable[Party]]
ETHER = 10**18
TRANSACTION: dict[str, Any] = {
    "type": 2,
    "chainId": CHAIN_ID,
    "nonce": 0,
    "to": "0x" + "11" * 20,
    "value": 0,
    "data": b"\x01\x02",
    "gas": 100_000,
    "maxFeePerGas": 2 * 10**9,
    "maxPriorityFeePerGas": 10**9,
}


@pytest.fixture
async def signer() -> AsyncIterator[FakeWeb3Signer]:
    """Give a signer of one account."""
    async with FakeWeb3Signer(CHAIN_ID, new_account()) as made:
        yield made


def _client(signer: FakeWeb3Signer) -> Web3Signer:
    return Web3Signer(signer.url, next(iter(signer.accounts)), timeout_s=1.0)


async def test_it_signs_what_the_account_itself_would(signer: FakeWeb3Signer) -> None:
    (account,) = signer.accounts.values()
    assert _client(signer).address == account.address
    assert await _client(signer).sign_transaction(TRANSACTION) == account.sign_transaction(TRANSACTION)


@pytest.mark.parametrize(
    "change",
    [
        {"chainId": 5},
        {"nonce": 1},
        {"to": "0x" + "22" * 20},
        {"value": 1},
        {"data": b"\x01"},
        {"gas": 100_001},
        {"maxFeePerGas": 3 * 10**9},
        {"maxPriorityFeePerGas": 1},
    ],
    ids=lambda change: next(iter(change)),
)
async def test_another_transaction_than_asked_for_is_refused(signer: FakeWeb3Signer, change: dict[str, Any]) -> None:
    signer.twist = lambda fields: {**fields, **change}
    with pytest.raises(BadSignature, match="another transaction"):
        await _client(signer).sign_transaction(TRANSACTION)


async def test_another_accounts_signature_is_refused(signer: FakeWeb3Signer) -> None:
    (address,) = signer.accounts
    signer.accounts[address] = new_account()
    with pytest.raises(BadSignature, match="signed for"):
        await _client(signer).sign_transaction(TRANSACTION)


@pytest.mark.parametrize(
    "result", ['"0x"', '"0x02"', '"0x02c0"', '"0x02ff"', '"0x01c0"', '"hello"', "7", "null", '"0x02c' + "0" * 99 + '"']
)
async def test_what_is_no_transaction_is_refused(signer: FakeWeb3Signer, result: str) -> None:
    signer.answer = f'{{"jsonrpc":"2.0","id":1,"result":{result}}}'
    with pytest.raises(BadSignature):
        await _client(signer).sign_transaction(TRANSACTION)


@pytest.mark.parametrize(
    "answer",
    ["", "<html>", "[]", "{}", '{"error":"no"}', '{"result":"' + "0" * MAX_ANSWER + '"}', '{"result":' + "[" * 100_000],
)
async def test_what_is_no_answer_is_unavailable(signer: FakeWeb3Signer, answer: str) -> None:
    signer.answer = answer
    with pytest.raises(SignerUnavailable):
        await _client(signer).sign_transaction(TRANSACTION)


async def test_a_signer_without_the_account_or_that_is_down_is_unavailable(signer: FakeWeb3Signer) -> None:
    with pytest.raises(SignerUnavailable, match="does not match any available account"):
        await Web3Signer(signer.url, new_account().address).sign_transaction(TRANSACTION)
    await signer.stop()
    with pytest.raises(SignerUnavailable, match="does not answer"):
        await _client(signer).sign_transaction(TRANSACTION)


HEAD = Head(org=b"\x01" * 32, epoch=2, old_size=3, new_size=2**63, root=b"\x03" * 32)
LEDGER = "0x" + "ab" * 20


async def test_heads_are_signed_as_the_log_key_itself_would(signer: FakeWeb3Signer) -> None:
    (account,) = signer.accounts.values()
    local = LocalHeadSigner(account)
    assert _client(signer).address == local.address
    assert await _client(signer).sign_head(HEAD, CHAIN_ID, LEDGER) == await local.sign_head(HEAD, CHAIN_ID, LEDGER)


@pytest.mark.parametrize("part", ["org", "epoch", "oldSize", "newSize", "root"])
async def test_another_head_than_asked_for_is_refused(signer: FakeWeb3Signer, part: str) -> None:
    other = {"org": "0x" + "02" * 32, "root": "0x" + "02" * 32}.get(part, 7)
    signer.twist = lambda said: {**said, "message": {**said["message"], part: other}}
    with pytest.raises(BadSignature, match="not what it was asked"):
        await _client(signer).sign_head(HEAD, CHAIN_ID, LEDGER)


async def test_a_head_for_another_contract_is_refused(signer: FakeWeb3Signer) -> None:
    signer.twist = lambda said: {**said, "domain": {**said["domain"], "verifyingContract": "0x" + "cd" * 20}}
    with pytest.raises(BadSignature):
        await _client(signer).sign_head(HEAD, CHAIN_ID, LEDGER)


async def test_a_signature_that_the_contracts_refuse_is_refused(signer: FakeWeb3Signer) -> None:
    """The other s of the same signature recovers to the same account, and is malleable."""
    (account,) = signer.accounts.values()
    good = account.sign(head_digest(HEAD, CHAIN_ID, LEDGER))
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    other = (order - int.from_bytes(good[32:64], "big")).to_bytes(32, "big")
    for bad in (good[:32] + other + bytes([55 - good[64]]), good[:64], good[:64] + b"\x00", good + b"\x00", b""):
        signer.answer = f'{{"result":"{to_hex(bad)}"}}'
        with pytest.raises(BadSignature):
            await _client(signer).sign_head(HEAD, CHAIN_ID, LEDGER)


async def test_a_submission_waits_for_its_signer_and_says_so(party: Make, signer: FakeWeb3Signer) -> None:
    one = await party()
    client = _client(signer)
    await tools.fund(one.chain, FAUCET, client.address, ETHER)
    times = {"clock": one.clock, "ticks": one.clock.ticks}
    submitter = Submitter(one.chain, client, one.submissions, lag_ms=LAG_MS, **times)  # type: ignore[arg-type]
    wanted = Submission(key="org", to=one.contracts.org_registry, data=calls.create_org(one.salt), since=one.clock())
    await signer.stop()
    await submitter.submit(wanted)
    await submitter.step()
    held = await one.submissions.get("org")
    assert held is not None
    assert (held.state, held.attempts) == ("held", ())
    assert "does not answer" in (held.error or "")
    await signer.start()
    signer.twist = lambda fields: {**fields, "value": 10**17}
    await submitter.step()
    held = await one.submissions.get("org")
    assert held is not None
    assert "another transaction" in (held.error or "")
    assert await one.chain.number("eth_getTransactionCount", client.address, "latest") == 0
    signer.twist = lambda fields: fields
    await finish(submitter, one.submissions)
    done = await one.submissions.get("org")
    assert done is not None
    assert (done.state, done.relayer) == ("confirmed", client.address)
    org = calls.org_id(client.address, one.salt)
    assert await calls.admin_of(one.chain, one.contracts.org_registry, org) == client.address.lower()


async def test_an_organisation_whose_account_is_outside(party: Make, signer: FakeWeb3Signer) -> None:
    """Registered and anchored without a key of its own in the process."""
    one, client = await party(), _client(signer)
    (one.account,) = signer.accounts.values()  # the organisation's id follows from it
    one.log_key = new_account()
    signer.accounts[one.log_key.address.lower()] = one.log_key
    await tools.fund(one.chain, FAUCET, client.address, ETHER)
    ledger = one.ledger(admin=client, log_key=Web3Signer(signer.url, one.log_key.address))
    one.append(3)
    await settle(ledger)
    assert ledger.address == client.address
    assert verify_leaf(await ledger.proof(2)).anchored.size == 3
    assert signer.asked >= 4
    await ledger.close()
