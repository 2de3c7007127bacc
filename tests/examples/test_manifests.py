"""The manifests are well formed, and what they tell Loom is what Loom understands."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from loom.cli.flags import flag_values
from loom.cli.root import make_command
from loom.model import Address
from loom.runtime.config_loading import load
from loom.runtime.settings import Settings
from tests.support.loom_process import ROOT
from tests.support.narrowing import required

EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(
        (EXAMPLES / "docker" / "compose.yaml").read_text(encoding="utf-8")
    )
    return content


@pytest.fixture(scope="module")
def manifests() -> dict[str, dict[str, Any]]:
    text = (EXAMPLES / "kubernetes" / "sidecar.yaml").read_text(encoding="utf-8")
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


def settings_of(arguments: list[str], variables: dict[str, str], tmp_path: Path) -> Settings:
    """What ``loom ARGUMENTS`` makes of these, without starting anything."""
    context = make_command().make_context("loom", list(arguments), resilient_parsing=False)
    return load(flag_values(context.params), variables, cwd=tmp_path, user_dir=tmp_path).settings


def test_compose_points_loom_at_the_backend_and_the_clients_at_loom(
    compose: dict[str, Any], tmp_path: Path
) -> None:
    services = compose["services"]
    settings = settings_of(services["loom"]["command"], services["loom"]["environment"], tmp_path)
    backend = Address.parse(services["backend"]["command"][-1])
    assert settings.target == Address("backend", backend.port)
    assert services["clients"]["command"][-1] == f"loom:{settings.listen.port}"
    assert settings.ui is not None
    assert settings.token
    assert settings.session is None


def test_compose_publishes_to_this_machine_only(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_compose_builds_from_a_dockerfile_that_is_there(compose: dict[str, Any]) -> None:
    build = compose["services"]["loom"]["build"]
    context = EXAMPLES / "docker" / build["context"]
    assert (context / build["dockerfile"]).is_file()
    assert (context / "pyproject.toml").is_file()


def test_the_sidecar_stands_before_the_service(manifests: dict[str, Any], tmp_path: Path) -> None:
    pod = manifests["Deployment"]["spec"]["template"]["spec"]
    (service,), (loom,) = pod["containers"], pod["initContainers"]
    variables = {item["name"]: item.get("value", "secret") for item in loom["env"]}
    settings = settings_of(loom["args"], variables, tmp_path)
    assert str(settings.target) == service["command"][-1]
    assert settings.token == "secret"
    ports = {port["name"]: port["containerPort"] for port in loom["ports"]}
    assert ports == {"grpc": settings.listen.port, "page": required(settings.ui).port}
    assert manifests["Service"]["spec"]["ports"][0]["targetPort"] == "grpc"
    assert required(settings.history_bytes) * 2 < 256 * 1024 * 1024  # within the pod's memory


def test_the_selectors_fit(manifests: dict[str, Any]) -> None:
    template = manifests["Deployment"]["spec"]["template"]
    assert manifests["Deployment"]["spec"]["selector"]["matchLabels"] == template["metadata"]["labels"]
    assert manifests["Service"]["spec"]["selector"] == template["metadata"]["labels"]
