"""compose.yaml is a valid Compose file and keeps what operations.md says of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from typing import Annotated, Any, Literal

import pytest
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from cairnloop_engine.settings import PREFIX, Settings
from tools.sources import ROOT

DURATION = re.compile(r"(\d+(\.\d+)?(us|ms|s|m|h))+")

Duration = Annotated[str, Field(pattern=DURATION.pattern)]
Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9._-]+$")]
Command = str | list[str] | None


class Part(BaseModel):
    """A part of the Compose specification: what we use of it, and nothing it does not know."""

    model_config = ConfigDict(extra="forbid")


class Dependency(Part):
    condition: Literal["service_started", "service_healthy", "service_completed_successfully"]
    restart: bool = False
    required: bool = True


class Healthcheck(Part):
    test: str | list[str]
    interval: Duration | None = None
    timeout: Duration | None = None
    start_period: Duration | None = None
    start_interval: Duration | None = None
    retries: float | None = None
    disable: bool = False

    @model_validator(mode="after")
    def _names_its_form(self) -> Healthcheck:
        if isinstance(self.test, list) and self.test[0] not in {"CMD", "CMD-SHELL", "NONE"}:
            raise ValueError("a list starts with CMD, CMD-SHELL or NONE")
        return self


class Service(Part):
    build: str | None = None
    image: str | None = None
    command: Command = None
    entrypoint: Command = None
    environment: dict[str, str | float | bool | None] = {}
    depends_on: dict[Name, Dependency] = {}
    healthcheck: Healthcheck | None = None
    ports: list[str] = []
    volumes: list[str] = []
    tmpfs: str | list[str] = []
    restart: Literal["no", "always", "on-failure", "unless-stopped"] = "no"
    container_name: str | None = None
    init: bool = False
    read_only: bool = False
    cap_drop: list[str] = []
    security_opt: list[str] = []
    shm_size: int | str | None = None
    stop_grace_period: Duration | None = None
    user: str | None = None

    @model_validator(mode="after")
    def _has_a_source(self) -> Service:
        if self.build is None and self.image is None:
            raise ValueError("a service has an image or is built")
        return self


class Volume(Part):
    driver: str | None = None
    external: bool = False


class Compose(Part):
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    services: dict[Name, Service]
    volumes: dict[Name, Volume | None] = {}

    @model_validator(mode="before")
    @classmethod
    def _without_extensions(cls, given: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in given.items() if not name.startswith("x-")}

    @model_validator(mode="after")
    def _refers_to_what_it_has(self) -> Compose:
        for name, service in self.services.items():
            if missing := set(service.depends_on) - set(self.services):
                raise ValueError(f"{name} depends on what is not there: {missing}")
            sources = {volume.partition(":")[0] for volume in service.volumes}
            if missing := {one for one in sources if one[0] not in "./~"} - set(self.volumes):
                raise ValueError(f"{name} mounts what is not declared: {missing}")
        return self


def _raw() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    return loaded


@pytest.fixture
def compose() -> Compose:
    return Compose.model_validate(_raw())


def test_the_file_follows_the_compose_specification() -> None:
    Compose.model_validate(_raw())


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("services", "worker", "healtcheck"), {}),
        (("services", "worker", "stop_grace_period"), "soon"),
        (("services", "worker", "depends_on", "db", "condition"), "service_ready"),
        (("services", "worker", "depends_on", "cache"), {"condition": "service_started"}),
        (("services", "db", "volumes"), ["elsewhere:/data"]),
        (("services", "db", "healthcheck", "test"), ["pg_isready"]),
        (("service",), {}),
    ],
)
def test_a_mistake_in_the_file_is_found(path: tuple[str, ...], value: object) -> None:
    raw = _raw()
    part = raw
    for name in path[:-1]:
        part = part[name]
    part[path[-1]] = value

    with pytest.raises(ValidationError):
        Compose.model_validate(raw)


def test_the_five_services_are_there(compose: Compose) -> None:
    assert set(compose.services) == {"db", "migrate", "worker", "widget", "http"}


def test_everything_that_keeps_running_has_a_health_check(compose: Compose) -> None:
    running = [service for name, service in compose.services.items() if name != "migrate"]

    assert [service.command for service in running if service.healthcheck is None] == []


def test_what_runs_waits_for_the_database_and_for_its_schema(compose: Compose) -> None:
    for name in ("worker", "widget", "http"):
        conditions = {on: how.condition for on, how in compose.services[name].depends_on.items()}
        assert conditions == {
            "db": "service_healthy",
            "migrate": "service_completed_successfully",
        }


def test_the_database_publishes_no_port(compose: Compose) -> None:
    assert compose.services["db"].ports == []


def test_what_is_published_is_on_loopback_unless_somebody_says_otherwise() -> None:
    written = [port for service in _raw()["services"].values() for port in service.get("ports", ())]

    assert written
    assert [
        port for port in written if not re.fullmatch(r"\$\{\w+:-127\.0\.0\.1:\d+\}:\d+", port)
    ] == []


def test_workers_can_be_scaled(compose: Compose) -> None:
    worker = compose.services["worker"]

    assert (worker.ports, worker.volumes, worker.container_name) == ([], [], None)


def test_a_worker_may_finish_its_jobs_before_it_is_killed(compose: Compose) -> None:
    grace = compose.services["worker"].stop_grace_period or "0s"

    assert float(grace.removesuffix("s")) > Settings.model_fields["drain_timeout"].default


def test_every_secret_is_required_and_none_is_written_down() -> None:
    text = (ROOT / "compose.yaml").read_text(encoding="utf-8")
    variables = dict(re.findall(r"\$\{(\w+)(:[?-])", text))

    secrets = {name for name in variables if name.endswith(("PASSWORD", "SECRET", "KEY"))}
    assert secrets == {"POSTGRES_PASSWORD", "CAIRNLOOP_WIDGET_SECRET", "CAIRNLOOP_AUDIT_KEY"}
    assert {variables[name] for name in secrets} == {":?"}


def test_every_variable_that_a_service_of_ours_gets_is_a_setting(compose: Compose) -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    given = {name for one in compose.services.values() if one.build for name in one.environment}

    assert given <= known


def test_compose_itself_accepts_the_file() -> None:
    command = _compose_command()
    if command is None:
        pytest.skip("no docker compose on this machine")
    needed = ("POSTGRES_PASSWORD", "CAIRNLOOP_WIDGET_SECRET", "CAIRNLOOP_AUDIT_KEY")
    secrets = dict.fromkeys(needed, "s" * 32)

    ran = subprocess.run(
        [*command, "--file", str(ROOT / "compose.yaml"), "config", "--quiet"],
        env=os.environ | secrets,
        capture_output=True,
        text=True,
        check=False,
    )

    assert ran.returncode == 0, ran.stderr


def _compose_command() -> list[str] | None:
    """Compose as a plugin of docker, or as a program of its own; None without either."""
    for command in (["docker", "compose"], ["docker-compose"]):
        if shutil.which(command[0]) is None:
            continue
        asked = subprocess.run([*command, "version"], capture_output=True, check=False)
        if asked.returncode == 0:
            return command
    return None
