"""The JSON Schema of the document (2020-12), for completion and checks in editors."""

from __future__ import annotations

from typing import Any, Final

from pipeline.config.document import Document
from pipeline.vaults.reference import FORMS

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def document_schema() -> dict[str, Any]:
    """The schema. Forms that the loader also takes (`secret_key_ref: env:NAME`, a header as a text) are in it."""
    schema = Document.model_json_schema(mode="validation")
    definitions: dict[str, Any] = schema["$defs"]
    definitions["SecretKeyRef"] = {
        "anyOf": [
            definitions["SecretKeyRef"],
            {"type": "string", "pattern": "^(env|file|store|keychain|ref):.+$", "description": FORMS},
        ]
    }
    definitions["HeaderValue"] = {"anyOf": [definitions["HeaderValue"], {"type": "string", "maxLength": 4096}]}
    return {"$schema": DIALECT, "title": "Lockgate document", **{name: value for name, value in schema.items() if name != "title"}}
