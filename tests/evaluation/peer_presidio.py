"""Presidio's analyzer over JSON lines, without a model: `no_op` or a blank spaCy pipeline. Runs in its own environment."""

from __future__ import annotations

import json
import socket
import sys

import spacy
from presidio_analyzer import AnalyzerEngine
from presidio_analyzer.nlp_engine import NlpEngineProvider, SpacyNlpEngine


def _refuse(*_: object, **__: object) -> None:
    raise OSError("no network in the evaluation")


class _Blank(SpacyNlpEngine):
    def __init__(self) -> None:
        super().__init__()
        self.nlp = {"en": spacy.blank("en")}

    def load(self) -> None:
        pass


def _engine(kind: str) -> AnalyzerEngine:
    if kind == "blank":
        nlp = _Blank()
    else:
        models = {"nlp_engine_name": "no_op", "models": [{"lang_code": "en", "model_name": "en"}]}
        nlp = NlpEngineProvider(nlp_configuration=models).create_engine()
    return AnalyzerEngine(nlp_engine=nlp, supported_languages=["en"])


socket.socket.connect = _refuse
analyzer = _engine(sys.argv[1])
for record in map(json.loads, sys.stdin):
    try:
        results = analyzer.analyze(record["text"], language="en")
        print(json.dumps({"id": record["id"], "findings": [[one.start, one.end] for one in results]}), flush=True)
    except Exception as error:
        print(type(error).__name__, file=sys.stderr)
