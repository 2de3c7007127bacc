"""What is released works where there is nothing but Python: the wheel, and an sdist without Node."""

import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from hatch_build import Page
from tests.support.api import fetch
from tests.support.loom_process import ROOT, environment, running_loom

pytestmark = pytest.mark.timeout(360)


@dataclass(frozen=True)
class Release:
    """What ``python -m build`` makes: the sdist, and the wheel that was made from it."""

    sdist: Path
    wheel: Path


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out)],
        cwd=ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    (sdist,) = out.glob("*.tar.gz")
    (wheel,) = out.glob("*.whl")
    return Release(sdist, wheel)


@pytest.fixture(scope="module")
def python(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an empty environment into which the wheel was installed."""
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(release.wheel)],
        check=True,
    )
    return python


def test_the_wheel_carries_the_page_its_licences_and_the_demo(release: Release) -> None:
    names = zipfile.ZipFile(release.wheel).namelist()
    assert "loom/inspector/static/index.html" in names
    assert "loom/inspector/static/LICENSES.md" in names
    assert "loom/demo/protos/harbour/v1/vessels.proto" in names
    assert "loom/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {name.partition("/")[0] for name in names} <= {"loom"} | {
        name.partition("/")[0] for name in names if ".dist-info/" in name
    }


def test_the_licences_name_every_bundled_package(release: Release) -> None:
    licences = zipfile.ZipFile(release.wheel).read("loom/inspector/static/LICENSES.md").decode()
    assert "svelte" in licences
    assert "MIT" in licences


def test_an_sdist_needs_no_node_to_be_installed(release: Release, tmp_path: Path) -> None:
    with tarfile.open(release.sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (root,) = tmp_path.iterdir()
    assert Page(root).is_current()
    assert (root / "web" / "package.json").is_file()


def test_the_installed_wheel_serves_the_page_without_node(python: Path, tmp_path: Path) -> None:
    bare = environment(tmp_path) | {"PATH": str(python.parent)}
    del bare["PYTHONPATH"]
    arguments = ("--listen", "localhost:0", "--ui", "localhost:0", "--no-session")
    with running_loom(
        *arguments, home=tmp_path, program=[str(python.parent / "loom")], variables=bare
    ) as loom:
        address = loom.expect(r"page +http://(\S+?)/\?token=\S+")[1]
        html = fetch(address, "/").decode()
        assert "<title>" in html
        assets = re.findall(r'(?:src|href)="(/assets/[^"]+)"', html)
        assert assets
        for asset in assets:
            assert fetch(address, asset)
        loom.interrupt()
        assert loom.wait() == 0


def test_the_installed_wheel_has_all_it_imports(python: Path, tmp_path: Path) -> None:
    # pytest is installed wherever its plugin is used, and is not a dependency.
    script = (
        "import importlib, pkgutil, loom\n"
        "for module in pkgutil.walk_packages(loom.__path__, 'loom.'):\n"
        "    if not module.name.endswith('__main__') and module.name != 'loom.pytest_plugin':\n"
        "        importlib.import_module(module.name)\n"
    )
    subprocess.run([python, "-c", script], check=True, cwd=tmp_path)
