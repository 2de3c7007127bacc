"""``loom check``: its output and exit codes."""

from pathlib import Path

import pytest

from loom.cli import main


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LOOM_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("LOOM_TARGET", "127.0.0.1:50051")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exited:
        main(["check", *words])
    captured = capsys.readouterr()
    return int(exited.value.code or 0), captured.out, captured.err


def test_a_configuration_that_can_be_used(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = directory / "other.toml"
    file.write_text('engine = "wire"\n', encoding="utf-8")
    assert run(capsys, str(file)) == (0, f"the configuration is valid ({file}), 0 warnings\n", "")


def test_a_warning_is_no_reason_not_to_start(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "--target", "no-such-host.invalid:1")
    assert (code, out) == (0, "the configuration is valid, 1 warning\n")
    assert err.startswith("loom: warning: --target no-such-host.invalid:1:")


@pytest.mark.parametrize(
    ("text", "flags", "reason"),
    [
        ('engin = "wire"', [], "did you mean 'engine'?"),
        ('fault = ["method:A :: status=NO_SUCH"]', [], "NO_SUCH"),
        ("", ["--target", "nonsense"], "expected HOST:PORT"),
        (
            'engine = "wire"\nfault = [":: hang"]',
            [],
            "cannot apply the fault '--fault 1'; the relay engine can",
        ),
    ],
)
def test_one_that_cannot(
    directory: Path, capsys: pytest.CaptureFixture[str], text: str, flags: list[str], reason: str
) -> None:
    (directory / "loom.toml").write_text(text, encoding="utf-8")
    code, out, err = run(capsys, "loom.toml", *flags)
    assert (code, out) == (2, "")
    assert reason in err
    assert len(err.splitlines()) == 1
