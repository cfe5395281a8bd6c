"""The documentation page of the API: generated, served from here, readable without scripts or network."""

from html import escape
from typing import Any


def page(description: dict[str, Any]) -> str:
    """An HTML page for an OpenAPI description."""
    info = description["info"]
    sections = "".join(_section(tag["name"], description) for tag in description["tags"])
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(info["title"])} API</title>
<link rel="stylesheet" href="/static/portal.css">
</head>
<body>
<main id="main" class="page docs">
<h1>{escape(info["title"])} API <small>{escape(info["version"])}</small></h1>
<p>{escape(info["summary"])}. Machine-readable: <a href="/openapi.json">OpenAPI {description["openapi"]}</a>.
Sign in with <code>POST /api/v1/sessions</code> and send <code>Authorization: Bearer …</code>.
Every error is a problem document (RFC 9457).</p>
{sections}
{_problems(description)}
</main>
</body>
</html>
"""


def _section(tag: str, description: dict[str, Any]) -> str:
    rows = "".join(
        _operation(method, path, operation, description)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
        if tag in operation["tags"]
    )
    return f'<h2 id="{escape(tag)}">{escape(tag)}</h2>{rows}'


def _operation(method: str, path: str, operation: dict[str, Any], description: dict[str, Any]) -> str:
    base = description["servers"][0]["url"]
    needs = operation.get("description", "Public." if operation.get("security") == [] else "Any signed-in user.")
    return f"""<details class="card">
<summary><code class="method">{method.upper()}</code> <code>{escape(base + path)}</code>
<span class="muted">{escape(operation["summary"])}</span></summary>
<p>{escape(needs).replace("`", "")}</p>
{_fields("Parameters", operation["parameters"])}
{_body(operation, description)}
<p>Answers: {", ".join(f"<code>{escape(status)}</code>" for status in operation["responses"])}</p>
</details>"""


def _fields(title: str, parameters: list[dict[str, Any]]) -> str:
    if not parameters:
        return ""
    rows = "".join(
        f"<tr><td><code>{escape(one['name'])}</code></td><td>{escape(one['in'])}</td>"
        f"<td>{'required' if one.get('required') else 'optional'}</td><td>{escape(_type(one['schema']))}</td></tr>"
        for one in parameters
    )
    return f"<h3>{title}</h3><table><tbody>{rows}</tbody></table>"


def _body(operation: dict[str, Any], description: dict[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {})
    if not content:
        return ""
    media_type, body = next(iter(content.items()))
    reference = body.get("schema", {}).get("$ref", "")
    schema = description["components"]["schemas"].get(reference.rpartition("/")[2], {})
    fields = [
        {"name": name, "in": "body", "required": name in schema.get("required", []), "schema": value}
        for name, value in schema.get("properties", {}).items()
    ]
    return f"<p>Body: <code>{escape(media_type)}</code></p>" + _fields("Fields", fields)


def _type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(str(value) for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    bounds = [f"{name} {schema[name]}" for name in ("minimum", "maximum", "minLength", "maxLength") if name in schema]
    return ", ".join([str(schema.get("type", "any")), *bounds])


def _problems(description: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(code)}</code></td><td>{escape(response['description'])}</td></tr>"
        for code, response in description["components"]["responses"].items()
    )
    return f'<h2 id="problems">Problems</h2><table><tbody>{rows}</tbody></table>'
