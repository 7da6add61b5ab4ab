"""The one reader of the environment: what belongs to the process, not to the document.

`LOCKGATE_NAME`, or `LOCKGATE_NAME_FILE` with the path of a file that holds it (mounted secrets). Also the snapshot from which
`env:` references are served, and the removal of provider keys from the environment once they are in it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from pipeline.config.home import Home
from pipeline.errors import ConfigError

PREFIX: Final = "LOCKGATE_"
DEFAULT_DOCUMENT: Final = Path("lockgate.yaml")
DEFAULT_PORT: Final = 4000
DEFAULT_DASHBOARD_PORT: Final = 8501

PROVIDER_KEYS: Final = (
    "OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_ADMIN_KEY", "GEMINI_API_KEY",
    "GOOGLE_API_KEY", "AZURE_API_KEY", "AZURE_OPENAI_API_KEY", "MISTRAL_API_KEY", "GROQ_API_KEY", "COHERE_API_KEY", "CO_API_KEY",
    "XAI_API_KEY", "DEEPSEEK_API_KEY", "OPENROUTER_API_KEY", "TOGETHERAI_API_KEY", "TOGETHER_API_KEY", "FIREWORKS_API_KEY",
    "FIREWORKS_AI_API_KEY", "HUGGINGFACE_API_KEY", "HF_TOKEN", "REPLICATE_API_KEY", "REPLICATE_API_TOKEN", "NVIDIA_NIM_API_KEY",
    "PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY", "AI21_API_KEY", "VOYAGE_API_KEY", "CEREBRAS_API_KEY", "SAMBANOVA_API_KEY",
    "DATABRICKS_API_KEY", "WATSONX_APIKEY", "WATSONX_API_KEY", "AWS_BEARER_TOKEN_BEDROCK", "VAULT_TOKEN", "VAULT_SECRET_ID",
)  # fmt: skip
"""Variables by which provider SDKs would find a key on their own. They are dropped after start-up; references use the snapshot."""


class _FileVariants(PydanticBaseSettingsSource):
    """Reads `LOCKGATE_NAME_FILE`: the value of LOCKGATE_NAME from a file, without its last line break."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """One field's value, or None."""
        variable = f"{PREFIX}{field_name.upper()}_FILE"
        path = os.environ.get(variable)  # noqa: TID251 - this is the reader of the environment
        if not path:
            return None, field_name, False
        try:
            text = Path(path).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{variable} names a file that cannot be read ({type(error).__name__}).", hint="Check the path and its permissions."
            ) from None
        return text.removesuffix("\n").removesuffix("\r"), field_name, False

    def __call__(self) -> dict[str, Any]:
        """All fields that have a file."""
        found = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in found.items() if value is not None}


class Process(BaseSettings):
    """What a process is told by its environment. Immutable; command-line options replace fields with `model_copy(update=…)`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, frozen=True, extra="ignore", hide_input_in_errors=True, use_attribute_docstrings=True
    )

    config: Path | None = None
    """The document; `lockgate.yaml` when it is not named."""
    home: Path = Field(default_factory=lambda: default_home())  # noqa: PLW0108 - the function stands below, where it reads better
    """The data folder: `.lockgate/` in a checkout, the platform's place for a user's data otherwise."""
    database_url: SecretStr | None = None
    """SQLAlchemy URL, or `env:NAME` or `file:PATH` where it stands; the embedded database when absent."""
    host: str = "127.0.0.1"
    """The address to listen on."""
    port: int | None = Field(default=None, ge=0, le=65_535)
    """The port; 4000 or, when that is busy, another free one if it was not asked for."""
    dashboard_port: int | None = Field(default=None, ge=0, le=65_535)
    """The dashboard's port; 8501 or another free one."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """How much is logged."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then variables, then their `_FILE` variants. No `.env` file is ever read."""
        _ = dotenv_settings, file_secret_settings
        return init_settings, env_settings, _FileVariants(settings_cls)

    @property
    def document_path(self) -> Path:
        """Where the document is expected."""
        return self.config or DEFAULT_DOCUMENT

    @property
    def layout(self) -> Home:
        """The layout of the data folder, prepared or not."""
        return Home(self.home)


def read_process(**given: Any) -> Process:
    """Read the environment; arguments (command-line options that were given) go before it.

    ConfigError names the variable, never its value.
    """
    try:
        return Process(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        names = sorted(
            {f"{PREFIX}{str(one['loc'][0]).upper()}" for one in error.errors(include_input=False, include_url=False) if one["loc"]}
        )
        messages = "; ".join(one["msg"] for one in error.errors(include_input=False, include_url=False))
        raise ConfigError(
            f"{', '.join(names)} cannot be used: {messages}.", hint="Correct the variable or the option, or remove it."
        ) from None


def database_url(process: Process, environment: Mapping[str, str] | None = None) -> str:
    """The URL of the database: what was given, what its reference names, or the embedded one. ConfigError quotes nothing."""
    if process.database_url is None or not process.database_url.get_secret_value().strip():
        return process.layout.database_url
    written = process.database_url.get_secret_value().strip()
    kind, _, name = written.partition(":")
    if kind == "env":
        found = (env_snapshot() if environment is None else environment).get(name.strip(), "")
        if not found:
            raise ConfigError(
                f"LOCKGATE_DATABASE_URL refers to the variable {name.strip()}, which is not set.", hint="Set it, or name another."
            )
        return found
    if kind == "file":
        try:
            return Path(name.strip()).read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"LOCKGATE_DATABASE_URL refers to a file that cannot be read ({type(error).__name__}).", hint="Check its path."
            ) from None
    return written


def env_snapshot() -> dict[str, str]:
    """The environment as it is now: what `env:` references are served from after the keys are dropped."""
    return dict(os.environ)  # noqa: TID251 - this is the reader of the environment


def drop_provider_keys(also: Iterable[str] = ()) -> tuple[str, ...]:
    """Remove the known provider keys, and `also` (those that references name), from the environment; returns the names that were set."""
    dropped = []
    for name in dict.fromkeys((*PROVIDER_KEYS, *also)):
        if os.environ.pop(name, None) is not None:  # noqa: TID251 - this is the reader of the environment
            dropped.append(name)
    _erase(frozenset(dropped))
    return tuple(dropped)


def _erase(names: Container[str]) -> None:
    """Linux: overwrite the values of removed variables where the process got them, which /proc/PID/environ shows as long as it lives.

    The addresses are in /proc/self/stat (proc(5): env_start is field 50). Nobody points there any more: `os.environ` holds copies, and
    `unsetenv` took the variable out of the C library's list. Elsewhere, and where /proc is not readable, nothing is done.
    """
    if sys.platform != "linux":
        return
    try:
        block = Path("/proc/self/environ").read_bytes()
        at = int(Path("/proc/self/stat").read_text("ascii", "replace").rpartition(")")[2].split()[47])
    except (OSError, ValueError, IndexError):
        return
    import ctypes

    for entry in block.split(b"\0"):
        name, _, value = entry.partition(b"=")
        if value and at and name.decode("utf-8", "surrogateescape") in names:
            ctypes.memset(at + len(name) + 1, ord("*"), len(value))
        at += len(entry) + 1


def unknown_variables(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The `LOCKGATE_…` variables that mean nothing: usually spelling mistakes."""
    known = {f"{PREFIX}{name.upper()}" for name in Process.model_fields}
    known |= {f"{name}_FILE" for name in known}
    return tuple(
        sorted(name for name in environment if name.startswith(PREFIX) and name not in known and not name.startswith(f"{PREFIX}TEST_"))
    )


def default_home() -> Path:
    """The data folder when none is named: `.lockgate/` in a checkout, the platform's data folder otherwise."""
    root = Path(__file__).resolve().parents[2]
    if (root / "pyproject.toml").is_file() and (root / "examples").is_dir():
        return root / ".lockgate"
    environment = env_snapshot()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "lockgate"
    if sys.platform == "win32":
        return Path(environment.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "lockgate"
    data = environment.get("XDG_DATA_HOME", "")
    return (Path(data) if data.startswith("/") else Path.home() / ".local" / "share") / "lockgate"


def settings_by_origin(process: Process) -> list[dict[str, str]]:
    """Each setting of the process with where it comes from (option, variable, file variable, default). The database URL is not shown."""
    environment = env_snapshot()
    shown = []
    for name in Process.model_fields:
        variable = f"{PREFIX}{name.upper()}"
        if variable in environment:
            origin = variable
        elif f"{variable}_FILE" in environment:
            origin = f"{variable}_FILE"
        else:
            origin = "option" if name in process.model_fields_set else "default"
        value = getattr(process, name)
        shown.append(
            {"name": name, "value": "****" if isinstance(value, SecretStr) else "" if value is None else str(value), "origin": origin}
        )
    return shown
