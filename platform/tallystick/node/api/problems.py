"""Every problem that the API can answer with (RFC 9457), and how the errors of `core` become one.

The catalogue is the contract: a code never changes its status, and OpenAPI, the portal and the tests read it from here.
An error's own code travels in ``code`` when it is more telling than the general one; ``type`` always names the
general problem.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tallystick.core import errors
from tallystick.core.definition.faults import DefinitionErrors
from tallystick.node.api.language import preferred
from tallystick.node.schemas import SchemaMismatch
from tallystick.tenants.sessions import NotSignedIn

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
CHALLENGE = 'Bearer realm="tallystick"'
SIGNATURE_CHALLENGE = 'Signature realm="tallystick-partner"'  # no scheme is registered for RFC 9421


class TooLarge(errors.Invalid):
    """A body holds more bytes than its kind is allowed (``limit``)."""

    default_code = "too_large"

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is larger than {limit} bytes")
        self.limit = limit


class NotSigned(errors.TallystickError):
    """A partner's request is not signed as it must be; nothing was done."""

    default_code = "bad_signature"


class OverQuota(errors.Unavailable):
    """A partner has as much waiting here as it may; the same request may succeed later."""

    default_code = "over_quota"


class TooSlow(errors.TallystickError):
    """A body did not come within its time."""

    default_code = "too_slow"


class TooManyAtOnce(errors.Unavailable):
    """As many wait already, here or from this address, as may; the same request may succeed in a moment."""

    default_code = "too_many_at_once"
    retry_after_s = 2


class UnsupportedMediaType(errors.Invalid):
    """The body is not of a media type that this operation reads."""

    default_code = "unsupported_media_type"


@dataclass(frozen=True)
class Problem:
    """One kind of problem: ``status`` (RFC 9110) and a title in every language we speak."""

    code: str
    status: int
    en: str
    zh: str

    def title(self, language: str) -> str:
        """The title for a person who reads ``language``."""
        return self.zh if language == "zh-CN" else self.en


CATALOGUE: dict[str, Problem] = {
    problem.code: problem
    for problem in (
        Problem("malformed_json", 400, "The body is not JSON", "请求内容不是有效的 JSON"),
        Problem("bad_request", 400, "The request is malformed", "请求格式有误"),
        Problem("unauthenticated", 401, "Sign in first", "请先登录"),
        Problem("not_signed", 401, "The request's signature is missing or does not hold", "请求的签名缺失或无效"),
        Problem("forbidden", 403, "You may not do this", "您没有执行此操作的权限"),
        Problem("not_found", 404, "There is no such thing here", "未找到所请求的内容"),
        Problem("method_not_allowed", 405, "This method is not for this resource", "此资源不支持该方法"),
        Problem("too_slow", 408, "The request came too slowly", "请求传输过慢"),
        Problem("wrong_state", 409, "The present state does not allow this", "当前状态不允许此操作"),
        Problem("not_yet", 409, "Something that this needs has not come yet", "所需的内容尚未到达"),
        Problem("too_large", 413, "The body is too large", "请求内容过大"),
        Problem("unsupported_media_type", 415, "This media type is not read here", "不支持该媒体类型"),
        Problem("invalid", 422, "A field is not acceptable", "有字段不符合要求"),
        Problem("idempotency_key_reused", 422, "This key was used for another request", "该幂等键已用于其他请求"),
        Problem("over_quota", 429, "This partner has too much waiting here", "该合作方待处理的内容过多"),
        Problem("too_many_at_once", 429, "Too many requests at once; wait a little", "同时发出的请求过多，请稍后再试"),
        Problem("too_many_attempts", 429, "Too many attempts; wait a little", "尝试次数过多，请稍后再试"),
        Problem("internal", 500, "Something went wrong here", "系统内部出错"),
        Problem("unavailable", 503, "A part that this needs does not answer", "所需的服务暂时没有响应"),
    )
}

# First match wins, so subclasses stand before their bases.
BY_ERROR: tuple[tuple[type[errors.TallystickError], str], ...] = (
    (NotSignedIn, "unauthenticated"),
    (NotSigned, "not_signed"),
    (OverQuota, "over_quota"),
    (TooManyAtOnce, "too_many_at_once"),
    (TooSlow, "too_slow"),
    (TooLarge, "too_large"),
    (UnsupportedMediaType, "unsupported_media_type"),
    (errors.Invalid, "invalid"),
    (errors.NotFound, "not_found"),
    (errors.Forbidden, "forbidden"),
    (errors.WrongState, "wrong_state"),
    (errors.NotYet, "not_yet"),
    (errors.Unavailable, "unavailable"),
)
BY_STATUS = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}


def problem_of(error: Exception) -> Problem:
    """The catalogue's entry for ``error``; an error that it does not know is ``internal``."""
    if isinstance(error, HTTPException):
        return CATALOGUE[BY_STATUS.get(error.status_code, "internal")]
    if isinstance(error, errors.TallystickError):
        if error.code in CATALOGUE:
            return CATALOGUE[error.code]
        return CATALOGUE[next((code for kind, code in BY_ERROR if isinstance(error, kind)), "internal")]
    return CATALOGUE["internal"]


def document(error: Exception, language: str) -> dict[str, Any]:
    """The problem document: only the facts that the error carries for its reader, never a trace."""
    problem = problem_of(error)
    body: dict[str, Any] = {
        "type": f"urn:tallystick:problem:{problem.code}",
        "title": problem.title(language),
        "status": problem.status,
        "code": problem.code,
    }
    if isinstance(error, errors.TallystickError) and problem.code != "internal":
        body |= {"detail": error.detail, "code": error.code}
        facts = {name: getattr(error, name, None) for name in ("pointer", "state", "limit")}
        body |= {name: fact for name, fact in facts.items() if fact is not None}
        if isinstance(error, DefinitionErrors | SchemaMismatch):
            body["errors"] = msgspec.to_builtins(error.errors)
    return body


def headers_for(error: Exception) -> dict[str, str]:
    """The response headers that a status obliges us to send."""
    if isinstance(error, HTTPException):
        return dict(error.headers or {})
    if problem_of(error).code == "not_signed":
        return {"www-authenticate": SIGNATURE_CHALLENGE}
    if problem_of(error).status == 401:
        reason = "" if getattr(error, "code", "") == "unauthenticated" else ', error="invalid_token"'
        return {"www-authenticate": CHALLENGE + reason}
    retry_after_s = getattr(error, "retry_after_s", 5 if isinstance(error, errors.Unavailable) else None)
    if retry_after_s is not None:
        return {"retry-after": str(retry_after_s)}
    return {}


def answer(document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """A problem document as a response."""
    content = msgspec.json.encode(document)
    return Response(content, status_code=document["status"], media_type=MEDIA_TYPE, headers=dict(headers or {}))


async def handle(request: Request, error: Exception) -> Response:
    """Starlette's exception handler for every error of the API."""
    if problem_of(error).code == "internal":
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    language = preferred(accept=request.headers.get("accept-language"))
    return answer(document(error, language), headers_for(error))
