"""What OpenTelemetry's own environment variables say, read as every SDK reads them. Their values may be secrets: none is quoted.

A document goes before them where it says the same thing. Nothing is sent anywhere by a default: without an endpoint, or an exporter
that is named, there is no destination. Source: opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables, and
opentelemetry.io/docs/specs/otel/protocol/exporter; times are milliseconds there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from urllib.parse import unquote

from pydantic import ValidationError

from pipeline.config.destinations import DestinationSection
from pipeline.config.document import Document
from pipeline.errors import ConfigError

_SIGNALS: Final[tuple[Literal["traces", "logs", "metrics"], ...]] = ("traces", "logs", "metrics")
_BASE: Final = "OTEL_EXPORTER_OTLP_"
_SECRET_WORDS: Final = ("authorization", "key", "token", "secret", "password", "cookie", "auth")
_CONTENT: Final = {"NO_CONTENT": False, "FALSE": False, "SPAN_ONLY": True, "SPAN_AND_EVENT": True, "EVENT_ONLY": False, "TRUE": False}


@dataclass(frozen=True, slots=True)
class Otel:
    """What the environment asks for. `exact` are the destinations whose address is used as it is; `secrets` values of their headers.

    `capture_content` is None when nothing was said. `names` are the variables that hold credentials.
    """

    disabled: bool = False
    destinations: tuple[DestinationSection, ...] = ()
    exact: frozenset[str] = frozenset()
    service_name: str = ""
    resource: Mapping[str, str] = field(default_factory=dict)
    capture_content: bool | None = None
    metrics_interval_s: float | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)
    names: tuple[str, ...] = ()


def read_otel(environment: Mapping[str, str]) -> Otel:
    """Read the variables. ConfigError names the one that cannot be used."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return Otel(disabled=True)
    destinations, exact, secrets = [], set(), []
    for signal in _SIGNALS:
        found = _destination(environment, signal)
        if found is not None:
            section, is_exact = found
            destinations.append(section)
            secrets += [_bare(value.text) for name, value in section.headers.items() if value.text and _is_secret(name)]
            if is_exact:
                exact.add(section.id)
    resource = _pairs(environment, "OTEL_RESOURCE_ATTRIBUTES")
    interval = _milliseconds(environment, "OTEL_METRIC_EXPORT_INTERVAL")
    return Otel(
        destinations=tuple(destinations),
        exact=frozenset(exact),
        service_name=environment.get("OTEL_SERVICE_NAME", "").strip() or resource.pop("service.name", ""),
        resource=resource,
        capture_content=_CONTENT.get(environment.get("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "").strip().upper()),
        metrics_interval_s=interval,
        secrets=tuple(value for value in dict.fromkeys(secrets) if len(value) >= 8),
        names=tuple(name for name in environment if name.startswith(_BASE) and name.endswith("HEADERS")),
    )


def named_twice(document: Document, otel: Otel) -> tuple[str, ...]:
    """The ids that both the document and the environment give to a destination: nobody could tell their accounts apart."""
    own = {section.id for section in otel.destinations}
    return tuple(section.id for section in document.telemetry.destinations if section.id in own)


def refuse_named_twice(document: Document, otel: Otel) -> None:
    """Raise ConfigError when document and environment name a destination alike."""
    for name in named_twice(document, otel):
        raise ConfigError(f"The destination {name} is named by the document and by OpenTelemetry's variables.", hint="Give it another id.")


def _destination(environment: Mapping[str, str], signal: str) -> tuple[DestinationSection, bool] | None:
    """The destination of one signal, named `otel-SIGNAL`, and whether its address is used as it is."""
    exporter = environment.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip().lower()
    own = environment.get(f"{_BASE}{signal.upper()}_ENDPOINT", "").strip()
    endpoint = own or environment.get(f"{_BASE}ENDPOINT", "").strip()
    if exporter not in ("", "otlp") or (not exporter and not endpoint):
        return None
    said = _said(environment, signal)
    protocol = said("PROTOCOL") or "http/protobuf"
    if protocol not in ("http/protobuf", "grpc"):
        raise ConfigError(f"{_BASE}PROTOCOL names a protocol that is not spoken here.", hint="Use http/protobuf or grpc.")
    endpoint = endpoint or ("http://localhost:4317" if protocol == "grpc" else "http://localhost:4318")
    if "://" not in endpoint:
        endpoint = ("http" if said("INSECURE").lower() == "true" else "https") + "://" + endpoint
    compression = said("COMPRESSION") or "none"
    tls = {"ca_file": said("CERTIFICATE"), "client_cert_file": said("CLIENT_CERTIFICATE"), "client_key_file": said("CLIENT_KEY")}
    form: dict[str, Any] = {
        "id": f"otel-{signal}",
        "endpoint": endpoint,
        "protocol": protocol,
        "signals": [signal],
        "headers": {**_pairs(environment, f"{_BASE}HEADERS"), **_pairs(environment, f"{_BASE}{signal.upper()}_HEADERS")},
        "compression": compression,
        "tls": {name: path for name, path in tls.items() if path} if endpoint.startswith("https:") else {},
        "sampling": _sampling(environment) if signal == "traces" else {},
        "temporality": "cumulative",
    }
    timeout_s = _milliseconds(environment, f"{_BASE}{signal.upper()}_TIMEOUT") or _milliseconds(environment, f"{_BASE}TIMEOUT")
    if timeout_s is not None:
        form["timeout_s"] = timeout_s
    if environment.get(f"{_BASE}METRICS_TEMPORALITY_PREFERENCE", "").strip().lower() in ("delta", "lowmemory"):
        form["temporality"] = "delta"
    try:
        section = DestinationSection.model_validate(form)
    except ValidationError as error:
        fields = sorted({str(one["loc"][0]) for one in error.errors(include_input=False, include_url=False) if one["loc"]})
        raise ConfigError(f"The OTEL_EXPORTER_OTLP variables of {signal} cannot be used: {', '.join(fields) or 'tls'}.") from None
    return section, bool(own) and protocol != "grpc"


def _said(environment: Mapping[str, str], signal: str) -> Any:
    """What a variable says for a signal: its own, else the one for all."""
    return lambda name: environment.get(f"{_BASE}{signal.upper()}_{name}", environment.get(f"{_BASE}{name}", "")).strip()


def _sampling(environment: Mapping[str, str]) -> dict[str, Any]:
    """`OTEL_TRACES_SAMPLER` as a ratio, and whether a caller's decision comes before it. Without one everything is kept."""
    name = environment.get("OTEL_TRACES_SAMPLER", "").strip()
    kind = name.removeprefix("parentbased_")
    parent_based = kind != name
    if kind == "always_off":
        ratio = 0.0
    elif kind == "traceidratio":
        try:
            ratio = float(environment.get("OTEL_TRACES_SAMPLER_ARG", "").strip() or 1.0)
        except ValueError:
            raise ConfigError("OTEL_TRACES_SAMPLER_ARG is not a number.") from None
    elif kind == "always_on" and parent_based:
        ratio = 1.0
    else:
        return {}
    return {"ratio": ratio, "keep_errors": False, "keep_redactions": False, "parent_based": parent_based}


def _milliseconds(environment: Mapping[str, str], name: str) -> float | None:
    text = environment.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= 86_400_000):
        raise ConfigError(f"{name} is not a number of milliseconds.")
    return int(text) / 1000


def _pairs(environment: Mapping[str, str], name: str) -> dict[str, str]:
    """`key=value,key=value`, percent-encoded, as W3C baggage writes them. A part that is none is an error, which names no value."""
    found: dict[str, str] = {}
    for part in environment.get(name, "").split(","):
        key, sign, value = part.strip().partition("=")
        if not part.strip():
            continue
        if not sign or not key.strip():
            raise ConfigError(f"{name} is not written key=value,key=value.")
        found[unquote(key.strip())] = unquote(value.strip())
    return found


def _is_secret(name: str) -> bool:
    return any(word in name.lower() for word in _SECRET_WORDS)


def _bare(value: str) -> str:
    """A credential without its scheme (`Bearer `, `Basic `)."""
    scheme, _, rest = value.partition(" ")
    return rest.strip() if rest and scheme.isalpha() else value
