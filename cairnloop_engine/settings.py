"""Every knob of Cairnloop, with its default, its environment name and what it does.

Values come, weakest first, from the defaults, from ``cairnloop.toml``, from the environment
(``CAIRNLOOP_`` and the upper-case name) and from the command line.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from platformdirs import user_data_path
from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from cairnloop_engine.core.errors import Misconfigured

PREFIX = "CAIRNLOOP_"
CONFIG_NAME = "cairnloop.toml"

# Names under our prefix that are not settings: where the file is, how to print, the test hook.
_NOT_SETTINGS = frozenset({"CAIRNLOOP_CONFIG", "CAIRNLOOP_JSON", "CAIRNLOOP_CRASH_AT"})

Names = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """The configuration of one process. Frozen: a change needs a restart."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    # Where
    database_url: SecretStr | None = Field(
        None,
        description="Postgres to use, as postgresql://…. Unset starts the embedded one.",
    )
    home: Path | None = Field(
        None, description="Folder of the embedded database, logs and console state."
    )
    schema_prefix: str = Field(
        "cairnloop",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Database schema of our tables; `public` is allowed.",
    )
    workspace: str = Field("default", min_length=1, description="Workspace to work in.")
    operator: str | None = Field(None, description="Your name in the audit trail.")
    audit_key: SecretStr | None = Field(
        None,
        description="Install key (32 bytes or more) that seals the audit trail, the same on every"
        " host of one database. Unset: the file `install.key` in `home`.",
    )

    # Database
    pool_size: int = Field(10, ge=1, le=200, description="Connections that one process may open.")
    pgbouncer: bool = Field(
        False,
        description="Set behind a transaction pooler: no prepared statements, polling, no LISTEN.",
    )
    poll_interval: float = Field(
        15.0, gt=0, description="Seconds between reloads while LISTEN is not available."
    )

    # Conversations
    max_message_length: int = Field(
        10_000, ge=1, le=1_000_000, description="Longest message, in characters."
    )
    reply_hold: float = Field(
        0.0, ge=0, description="Seconds a reply is held before it is visible, outside the console."
    )
    console_reply_hold: float = Field(
        5.0, ge=0, description="Seconds a reply from the console can still be taken back."
    )
    reopen_window_days: float = Field(
        14.0, ge=0, description="Days in which a customer's message reopens a resolved thread."
    )
    context_deadline: float = Field(
        2.0, gt=0, description="Seconds that the context provider may take."
    )

    # Knowledge and drafting
    embedder: str = Field(
        "auto",
        pattern="^(auto|minilm|hashing|onnx|openai|voyage)$",
        description="Sentence model: `minilm` or `onnx` here, `openai` or `voyage` over HTTP,"
        " `hashing` in an emergency; `auto` takes `minilm` when it is installed.",
    )
    embedder_folder: Path | None = Field(
        None, description="Folder of the model for `onnx`: `model.onnx` and `tokenizer.json`."
    )
    embedder_model: str | None = Field(
        None, min_length=1, max_length=200, description="Name of the model, for `openai`, `voyage`."
    )
    embedder_url: str | None = Field(
        None, description="Base address of the interface, such as `http://localhost:11434/v1`."
    )
    embedder_key: SecretStr | None = Field(
        None, description="Key for `openai` or `voyage`; a server of your own may need none."
    )
    embedder_dim: int | None = Field(
        None, ge=1, le=4000, description="Length of the vectors, where it is not known or chosen."
    )
    embedder_pooling: str | None = Field(
        None,
        pattern="^(mean|cls)$",
        description="How `onnx` pools tokens, where the folder does not say: `mean` or `cls`.",
    )
    embedder_alpha: float | None = Field(
        None, ge=0, le=1, description="Weight of meaning against words; unset: the model's own."
    )
    language: str = Field(
        "english",
        pattern=r"^[a-z_][a-z0-9_]{0,62}$",
        description="Language of the articles, as Postgres names its text search configurations; "
        "`simple` takes words as they stand. A change needs `retrieval rebuild`.",
    )
    search_fusion: str = Field(
        "convex",
        pattern="^(convex|rrf)$",
        description="How words and meaning are joined: `convex` by strength, `rrf` by rank.",
    )
    draft_delay: float = Field(
        5.0, ge=0, description="Seconds of quiet after a customer's message before drafting."
    )
    clarification_limit: int = Field(
        1, ge=0, description="Clarifying questions in a row before a person takes over."
    )
    calibration_max_drift: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Share of articles that may change before a calibration of grounding expires.",
    )
    gap_retention_days: float = Field(
        90.0, gt=0, description="Days for which a question that found nothing is kept."
    )
    auto_send_enabled: bool = Field(
        False, description="Lets a policy that answers `allow` send a draft without an operator."
    )
    drafting_model: str = Field(
        "scoria",
        pattern="^(scoria|anthropic)$",
        description="Who words a reply: `scoria` quotes the articles, `anthropic` asks a model.",
    )
    anthropic_api_key: SecretStr | None = Field(
        None, description="Key of the Anthropic API. Unset: `ANTHROPIC_API_KEY` is read."
    )
    anthropic_model: str = Field(
        "claude-sonnet-4-6", min_length=1, max_length=80, description="Name of the model to ask."
    )
    anthropic_max_tokens: int = Field(
        1024, ge=64, le=8192, description="Longest reply of the model, in tokens."
    )
    anthropic_timeout: float = Field(
        20.0, gt=0, le=20, description="Seconds that a draft waits for the model, retry included."
    )
    anthropic_base_url: str = Field(
        "https://api.anthropic.com",
        pattern=r"^https?://[^\s/?#@]+(/[^\s?#@]*)?$",
        description="Address of the API; a gateway of your own, for instance.",
    )

    # Governed actions
    tools: Names = Field(
        (), description="Dotted paths of your tools, as `package.module:Tool`, comma-separated."
    )
    operator_scopes: Names = Field(
        (), description="Scopes that every operator holds, comma-separated."
    )
    automation_scopes: Names = Field(
        (), description="Scopes that the drafting flow holds when it proposes, comma-separated."
    )
    approval_ttl: float = Field(
        172_800.0, gt=0, description="Seconds from a proposal to the end of its time to run."
    )
    approval_overrides: Names = Field(
        (),
        description="Stricter rules for a risk tier, such as `low_write=always_block`.",
    )
    approval_loosening: bool = Field(
        False, description="Lets `approval_overrides` loosen a rule as well; doctor warns of it."
    )
    distinct_approver_for: Names = Field(
        ("high_write",),
        description="Risk tiers whose proposer may not approve the action.",
    )
    tool_attempts: int = Field(
        3, ge=1, le=20, description="How often the effect of one approval is attempted."
    )
    demo_billing_url: str | None = Field(
        None,
        pattern=r"^http://[\w.\[\]:-]+$",
        description="Address of the demo's billing system, on which the demo's tools act.",
    )

    # Worker
    worker_concurrency: int = Field(
        4, ge=1, le=64, description="Jobs that one worker runs at once."
    )
    drain_timeout: float = Field(
        30.0, gt=0, description="Seconds that running jobs get to finish when a worker stops."
    )

    finished_job_hours: float = Field(
        24.0, ge=0, description="Hours for which a finished or superseded job stays in the queue."
    )
    dead_letter_days: float = Field(
        90.0,
        ge=0,
        description="Days for which a dead letter is kept once it was redriven or dropped.",
    )

    # Chat widget
    widget_host: str = Field("127.0.0.1", min_length=1, description="Address of the chat server.")
    widget_port: int = Field(8101, ge=0, le=65535, description="Port of the chat server.")
    widget_secret: SecretStr | None = Field(
        None,
        description="Secret (32 bytes or more) with which your product signs chat tokens.",
    )
    widget_origins: Names = Field(
        (), description="Web origins that may embed the chat, comma-separated."
    )
    widget_rate_per_minute: int = Field(
        30, ge=1, description="Messages that one customer may send in a minute."
    )
    widget_connections_per_customer: int = Field(
        8, ge=1, description="Chat sockets that one customer may hold open."
    )
    widget_max_connections: int = Field(
        5_000, ge=1, description="Chat sockets that one server accepts."
    )

    widget_allow_missing_origin: bool = Field(
        True, description="Admits chat clients that send no Origin; they need a token all the same."
    )

    # HTTP
    http_host: str = Field("127.0.0.1", min_length=1, description="Address of the HTTP server.")
    http_port: int = Field(8102, ge=0, le=65535, description="Port of the HTTP server.")

    # Host seams, as `package.module:name`
    context_provider: str | None = Field(
        None, description="Dotted path of your ContextProvider.", pattern=r"^[\w.]+:[\w.]+$"
    )
    automation_policy: str | None = Field(
        None, description="Dotted path of your AutomationPolicy.", pattern=r"^[\w.]+:[\w.]+$"
    )
    draft_generator: str | None = Field(
        None, description="Dotted path of your DraftGenerator.", pattern=r"^[\w.]+:[\w.]+$"
    )
    query_rewriter: str | None = Field(
        None, description="Dotted path of your QueryRewriter.", pattern=r"^[\w.]+:[\w.]+$"
    )
    action_suggester: str | None = Field(
        None, description="Dotted path of your ActionSuggester.", pattern=r"^[\w.]+:[\w.]+$"
    )
    reranker: str | None = Field(
        None, description="Dotted path of your Reranker.", pattern=r"^[\w.]+:[\w.]+$"
    )
    widget_verifier: str | None = Field(
        None, description="Dotted path of your WidgetVerifier.", pattern=r"^[\w.]+:[\w.]+$"
    )

    # Logs
    log_level: str = Field(
        "INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least level that is logged."
    )

    identity_provider: str | None = Field(
        None, description="Dotted path of your IdentityProvider.", pattern=r"^[\w.]+:[\w.]+$"
    )

    @field_validator(
        "widget_origins",
        "tools",
        "operator_scopes",
        "automation_scopes",
        "approval_overrides",
        "distinct_approver_for",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @classmethod
    def load(cls, config_file: Path | None = None, **overrides: Any) -> Settings:
        """Read the settings; ``overrides`` that are None do not count.

        Raises:
            Misconfigured: ``settings_unknown`` or ``settings_invalid``, naming each key.
        """
        environment = os.environ  # noqa: TID251 - the home of the environment
        _refuse_unknown(environment, known=set(cls.model_fields))
        path = config_file or _found(environment)
        if path is not None and not path.is_file():
            raise Misconfigured(
                "settings_missing", f"There is no settings file at {path}.", path=str(path)
            )
        given = {name: value for name, value in overrides.items() if value is not None}
        loader = _reading(cls, path)
        try:
            loaded = loader(**given)
        except ValidationError as error:
            raise _named(error) from error
        except ValueError as error:
            raise Misconfigured(
                "settings_invalid", f"The settings file {path} is not valid TOML: {error}"
            ) from error
        return _with_the_vendors_key(loaded, environment)

    def with_changes(self, **changes: Any) -> Self:
        """The same settings with some values replaced, without reading file or environment."""
        return self.model_copy(update=changes)

    @property
    def home_dir(self) -> Path:
        """Where the embedded database, its logs and the console's state live."""
        if self.home is not None:
            return self.home.expanduser().absolute()
        if os.geteuid() == 0:
            return Path("/var/lib/cairnloop")
        return user_data_path("cairnloop", appauthor=False)


def _with_the_vendors_key(loaded: Settings, environment: Mapping[str, str]) -> Settings:
    """The key under the name that the vendor's own tools read, unless ours is set."""
    theirs = environment.get("ANTHROPIC_API_KEY", "").strip()
    if loaded.anthropic_api_key is not None or not theirs:
        return loaded
    return loaded.with_changes(anthropic_api_key=SecretStr(theirs))


def _found(environment: Mapping[str, str]) -> Path | None:
    named = environment.get("CAIRNLOOP_CONFIG")
    if named:
        return Path(named)
    here = Path(CONFIG_NAME)
    return here if here.is_file() else None


def _reading(cls: type[Settings], path: Path | None) -> type[Settings]:
    """The settings class bound to one file; pydantic-settings takes the path from the class."""

    class Bound(cls):  # type: ignore[valid-type, misc]
        model_config = SettingsConfigDict(toml_file=path)

    Bound.__name__ = cls.__name__
    return Bound


def _refuse_unknown(environment: Mapping[str, str], *, known: set[str]) -> None:
    unknown = sorted(
        name
        for name in environment
        if name.startswith(PREFIX)
        and name not in _NOT_SETTINGS
        and name.removeprefix(PREFIX).lower() not in known
    )
    if unknown:
        raise Misconfigured(
            "settings_unknown",
            f"Not a setting of Cairnloop: {', '.join(unknown)}. Check the spelling.",
            names=list(unknown),
        )


def _named(error: ValidationError) -> Misconfigured:
    unknown = [str(one["loc"][0]) for one in error.errors() if one["type"] == "extra_forbidden"]
    if unknown:
        return Misconfigured(
            "settings_unknown",
            f"Not a setting of Cairnloop: {', '.join(unknown)}. Check the spelling.",
            names=list(unknown),
        )
    wrong = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
    return Misconfigured("settings_invalid", "These settings are not valid: " + "; ".join(wrong))
