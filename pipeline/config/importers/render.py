"""The document of an import as YAML, held against the same checks as any other before anybody relies on it."""

from __future__ import annotations

import yaml

from pipeline.config.importers.draft import Draft
from pipeline.config.literals import FindSecrets
from pipeline.config.loader import DocumentError, parse_document


class _Plain(yaml.SafeDumper):
    """Writes every value out: no anchors, since what is the same twice may differ tomorrow."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def render(draft: Draft, source: str, find_secrets: FindSecrets) -> str:
    """The document's YAML, with a heading that names its source. What the checks find is added to the draft as refused lines."""
    body = yaml.dump(draft.document(), Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)
    text = f"# Imported from {source}. Check it: lockgate check --config FILE --verbose\n{body if draft.document() else ''}"
    try:
        _, warnings = parse_document(text, "the document", find_secrets=find_secrets)
    except DocumentError as error:
        for line in error.lines:
            draft.refused("the document", line)
        return text
    for line in warnings:
        draft.ignored("the document", line)
    return text
