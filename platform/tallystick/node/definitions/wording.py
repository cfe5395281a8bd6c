"""Differences between agreements in words, in English and Chinese; what somebody signed is quoted as it is."""

from typing import Any

from tallystick.core.agreement import Agreement
from tallystick.node.definitions.comparison import Difference
from tallystick.node.definitions.difference import shown

_SECTIONS = {
    "definition": ("Definition", "定义"),
    "participants": ("Participants", "参与方"),
    "roles": ("Roles and rights", "角色与权利"),
    "keys": ("Keys", "密钥"),
    "terms": ("Terms", "条款"),
}
_PLACES = {
    "steps": ("step", "步骤"),
    "definitions": ("sub-workflow", "子流程"),
    "participants": ("participant", "参与方"),
}
_MEMBERS = {
    "activity_type": ("activity type", "活动类型"),
    "anchoring": ("anchoring on the chain", "链上锚定"),
    "assigned_org": ("assigned organisation", "负责组织"),
    "backoff_percent": ("growth of the interval (%)", "间隔增长（%）"),
    "block": ("block", "块"),
    "body": ("body", "循环体"),
    "branches": ("branches", "分支"),
    "also": ("also anchored on", "同时锚定于"),
    "can_terminate": ("may terminate", "可终止"),
    "candidate_groups": ("candidate groups", "候选组"),
    "catches": ("caught failures", "捕获的失败"),
    "chain_id": ("chain", "链"),
    "chain_org": ("organisation on the chain", "链上组织"),
    "code": ("code", "代码"),
    "columns": ("columns", "列"),
    "compensate_with": ("compensated by", "补偿步骤"),
    "compensates": ("compensates", "补偿对象"),
    "condition": ("condition", "条件"),
    "coordinator": ("coordinator", "协调方"),
    "cron": ("cron schedule", "cron 计划"),
    "data_schema": ("schema of the data", "数据模式"),
    "default": ("otherwise", "否则"),
    "default_value": ("default value", "默认值"),
    "definition": ("definition", "定义"),
    "description": ("description", "说明"),
    "due_date": ("due date", "截止日期"),
    "duration_seconds": ("duration (s)", "时长（秒）"),
    "encryption_required": ("encryption required", "必须加密"),
    "event_name": ("signal", "信号"),
    "execution_ledger": ("execution ledger contract", "执行账本合约"),
    "expression": ("expression", "表达式"),
    "field_audiences": ("audiences of single values", "各字段的可见范围"),
    "finality": ("an anchor counts with", "锚定生效条件"),
    "form": ("form", "表单"),
    "heartbeat_seconds": ("heartbeat (s)", "心跳（秒）"),
    "hit_policy": ("hit policy", "命中策略"),
    "hold_on_failure": ("held on failure", "失败时挂起"),
    "id": ("id", "标识"),
    "initial_interval_seconds": ("first interval (s)", "首次间隔（秒）"),
    "initiator": ("initiator", "发起方"),
    "input": ("input", "输入"),
    "input_mapping": ("mapping of the input", "输入映射"),
    "input_schema": ("schema of the input", "输入模式"),
    "input_value": ("input value", "输入值"),
    "items": ("items", "条目"),
    "least": ("least", "最小值"),
    "limits": ("limits", "限额"),
    "log_key": ("key of the organisation log", "组织日志密钥"),
    "max_age_seconds": ("anchored every (s)", "锚定周期（秒）"),
    "max_attempts": ("attempts at most", "最多尝试次数"),
    "max_concurrency": ("at once at most", "最大并发"),
    "max_entries": ("entries at most", "最多条目数"),
    "max_interval_seconds": ("longest interval (s)", "最长间隔（秒）"),
    "max_leaves": ("leaves of a batch at most", "每批最多叶数"),
    "max_length": ("longest", "最大长度"),
    "max_statement_bytes": ("bytes of a statement at most", "声明最大字节数"),
    "message": ("message", "消息"),
    "metadata": ("metadata", "元数据"),
    "min_length": ("shortest", "最小长度"),
    "mode": ("anchored", "锚定方式"),
    "most": ("most", "最大值"),
    "name": ("name", "名称"),
    "need_activity_notifications": ("is notified of activities", "接收活动通知"),
    "next_steps": ("what follows", "后续步骤"),
    "non_retryable_errors": ("failures not retried", "不重试的错误"),
    "notification_type": ("notification type", "通知类型"),
    "options": ("options", "选项"),
    "org_registry": ("organisation registry contract", "组织注册合约"),
    "padding": ("batches filled up", "批次填充"),
    "outcome": ("outcome", "结果"),
    "output_mapping": ("mapping of the output", "输出映射"),
    "output_values": ("output values", "输出值"),
    "outputs": ("outputs", "输出"),
    "priority": ("priority", "优先级"),
    "property_type": ("type", "类型"),
    "quorums": ("quorums", "法定多数"),
    "reminder_seconds": ("reminders after (s)", "提醒时间（秒）"),
    "required": ("required", "必填"),
    "requires_acknowledgment": ("asks for acknowledgement", "需要确认"),
    "result": ("result", "结果"),
    "result_schema": ("schema of the result", "结果模式"),
    "retention_days": ("kept for (days)", "保留天数"),
    "retry_policy": ("retries", "重试策略"),
    "role": ("role", "角色"),
    "root_key": ("root key", "根密钥"),
    "rows": ("rows", "行"),
    "sealing_key": ("sealing key", "封装密钥"),
    "sealing_suite": ("sealing suite", "封装算法"),
    "senders": ("senders", "发送方"),
    "sequencing_ms": ("sequencing limit (ms)", "排序时限（毫秒）"),
    "signing_keys": ("signing keys", "签名密钥"),
    "skew_ms": ("clock skew allowed (ms)", "允许的时钟偏差（毫秒）"),
    "source_form": ("form of the source", "源格式"),
    "start": ("first step", "起始步骤"),
    "start_anchor": ("anchor of the start", "启动的锚定"),
    "step": ("step", "步骤"),
    "table": ("decision table", "决策表"),
    "targets": ("recipients", "接收方"),
    "task_queue": ("task queue", "任务队列"),
    "threshold": ("threshold", "阈值"),
    "time_zone": ("time zone", "时区"),
    "timeout_seconds": ("time-out (s)", "超时（秒）"),
    "topic": ("topic", "主题"),
    "trigger_type": ("trigger type", "触发类型"),
    "triggers": ("triggers", "触发器"),
    "until": ("until", "直到"),
    "v": ("format version", "格式版本"),
    "validation": ("validation", "校验"),
    "version": ("version", "版本"),
    "versions": ("versions", "版本"),
    "visible_to": ("visible to", "可见范围"),
    "workflow_registry": ("workflow registry contract", "流程注册合约"),
}
_KINDS = {"added": ("added", "新增"), "removed": ("removed", "删除")}
_VALUES: dict[Any, tuple[str, str]] = {True: ("yes", "是"), False: ("no", "否"), None: ("none", "无")}
# What an anchoring policy's words mean; elsewhere the same words are quoted.
_POLICY: dict[str, dict[str, tuple[str, str]]] = {
    "mode": {"direct": ("at once", "立即"), "batched": ("in batches", "分批")},
    "padding": {
        "none": ("not at all", "不填充"),
        "power_of_two": ("to a power of two", "至 2 的幂"),
    },
    "start_anchor": {
        "best_effort": ("work does not wait for it", "工作不等待"),
        "required": ("no work before it", "完成锚定之前不开始工作"),
    },
    "finality": {
        "safe": ("the chain's mark “safe”", "链的 safe 标记"),
        "finalized": ("the chain's mark “finalized”", "链的 finalized 标记"),
    },
}
_COUNTED = {
    "confirmations": ("{} blocks, its own included", "{} 个区块（含其所在区块）"),
    "multiple_of": ("to a multiple of {}", "至 {} 的倍数"),
}


def term(name: str, value: Any, language: str) -> str:
    """A member of an anchoring policy in words."""
    return f"{_said(_MEMBERS[name], language)}{_colon(language)}{_policy(name, value, language) or shown(value)}"


def _policy(name: str, value: Any, language: str) -> str | None:
    if name not in _POLICY:
        return None
    if isinstance(value, dict):
        return next((_said(_COUNTED[key], language).format(one) for key, one in value.items() if key in _COUNTED), None)
    texts = _POLICY[name].get(value) if isinstance(value, str) else None
    return _said(texts, language) if texts else None


def section(name: str, language: str) -> str:
    """A section's heading."""
    return _said(_SECTIONS[name], language)


def sentence(one: Difference, before: Agreement, after: Agreement, language: str) -> str:
    """One line that says the difference."""
    colon = _colon(language)
    where = _where(one.pointer, before, after, language)
    if one.kind == "changed":
        was, now = (_term(one.pointer, each, language) or _value(each, language) for each in (one.before, one.after))
        return f"{where}{colon}{was} → {now}"
    kind = _said(_KINDS[one.kind], language)
    return f"{where} {kind}{colon}{_value(one.after if one.kind == 'added' else one.before, language)}"


def _where(pointer: str, before: Agreement, after: Agreement, language: str) -> str:
    """``/definition/steps/pay/timeout_seconds`` is: step “Pay” › time-out (s)."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    if parts[0] == "definition":
        parts = parts[1:]
    words: list[str] = []
    while parts:
        name = parts.pop(0)
        if name in _PLACES and parts:
            words.append(f"{_said(_PLACES[name], language)} “{_name(name, parts.pop(0), before, after)}”")
        else:
            texts = _MEMBERS.get(name) or _PLACES.get(name)
            words.append(_said(texts, language) if texts else name)
    return " › ".join(words)


def _name(place: str, key: str, before: Agreement, after: Agreement) -> str:
    """What people call it, where the agreements give it a name of its own."""
    for one in (after, before):
        if place == "participants":
            found: Any = one.participant(key)
        else:
            found = getattr(one.compiled, place).get(key)
        if found is not None and found.name:
            return str(found.name)
    return key


def _value(value: Any, language: str) -> str:
    if value is None or isinstance(value, bool):
        return _said(_VALUES[value], language)
    if isinstance(value, list) and not value:
        return _said(_VALUES[None], language)
    if isinstance(value, dict) and "step_type" in value:
        return " · ".join(str(value[name]) for name in ("name", "step_type", "assigned_org") if value.get(name))
    if isinstance(value, dict) and "org_id" in value:
        return " · ".join(str(value[name]) for name in ("name", "org_id", "role"))
    return shown(value)


def _term(pointer: str, value: Any, language: str) -> str | None:
    place, _, name = pointer.rpartition("/")
    return _policy(name, value, language) if place == "/anchoring" else None


def _colon(language: str) -> str:
    return "：" if _is_chinese(language) else ": "


def _said(texts: tuple[str, str], language: str) -> str:
    return texts[_is_chinese(language)]


def _is_chinese(language: str) -> bool:
    return language == "zh-CN"
