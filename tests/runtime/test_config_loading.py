"""Precedence of sources, parsing of values, and one-line errors that name source, key and allowed values."""

from pathlib import Path
from typing import Any

import pytest

from loom.errors import ConfigError
from loom.model import Address
from loom.runtime import wiring
from loom.runtime.config_loading import Configuration, load
from loom.runtime.settings import Settings


class Directories:
    """An empty working directory and an empty user configuration directory."""

    def __init__(self, root: Path) -> None:
        self.cwd = root / "work"
        self.user = root / "user"
        self.cwd.mkdir()
        self.user.mkdir()

    def load(
        self,
        flags: dict[str, Any] | None = None,
        environ: dict[str, str] | None = None,
        config: Path | None = None,
    ) -> Configuration:
        return load(flags or {}, environ or {}, config=config, cwd=self.cwd, user_dir=self.user)


@pytest.fixture
def directories(tmp_path: Path) -> Directories:
    return Directories(tmp_path)


def test_without_sources_settings_are_the_defaults(directories: Directories) -> None:
    assert directories.load() == Configuration(Settings())


def test_precedence_of_flag_variable_file(directories: Directories) -> None:
    (directories.cwd / "loom.toml").write_text(
        'target = "file:1"\nlisten = "127.0.0.2:2"\nui = "127.0.0.3:3"\n'
    )
    configuration = directories.load(
        {"target": "flag:1"}, {"LOOM_TARGET": "variable:1", "LOOM_LISTEN": "variable:2"}
    )
    assert configuration.settings.target == Address("flag", 1)
    assert configuration.settings.listen == Address("variable", 2)
    assert configuration.settings.ui == Address("127.0.0.3", 3)
    assert configuration.origins["listen"] == "variable LOOM_LISTEN"


def test_the_working_directory_precedes_the_users(directories: Directories) -> None:
    (directories.user / "loom.toml").write_text('target = "user:1"')
    assert directories.load().settings.target == Address("user", 1)
    (directories.cwd / "loom.toml").write_text('listen = "127.0.0.1:1"')
    configuration = directories.load()
    assert configuration.settings.target == Settings().target
    assert configuration.file == directories.cwd / "loom.toml"


def test_an_explicit_file_precedes_both(directories: Directories) -> None:
    (directories.cwd / "loom.toml").write_text('target = "cwd:1"')
    (directories.cwd / "other.toml").write_text('target = "other:1"')
    assert directories.load(config=Path("other.toml")).settings.target == Address("other", 1)
    assert directories.load(environ={"LOOM_CONFIG": "other.toml"}).settings.target == Address("other", 1)


def test_an_empty_variable_counts_as_unset(directories: Directories) -> None:
    assert directories.load(environ={"LOOM_TARGET": ""}).settings.target == Settings().target


def test_native_toml_values(directories: Directories) -> None:
    (directories.cwd / "loom.toml").write_text(
        'tls = true\nhistory_bytes = 5000\nbreaker-pause = 0.25\nui = false\nsession = "off"\n'
        'mask = ["X-Tenant", "x-secret-*"]\nreflection-header = "authorization: Bearer a:b"\n'
    )
    settings = directories.load().settings
    assert settings.tls is True
    assert settings.history_bytes == 5000
    assert settings.breaker_pause == 0.25
    assert settings.session is None
    assert settings.ui is None
    assert settings.mask == ("x-tenant", "x-secret-*")
    assert settings.reflection_header == (("authorization", "Bearer a:b"),)


def test_lists_in_variables_are_split_at_commas(directories: Directories) -> None:
    assert directories.load(environ={"LOOM_MASK": "a, b"}).settings.mask == ("a", "b")


def test_relative_paths_are_relative_to_their_source(directories: Directories) -> None:
    for folder in (directories.cwd, directories.user):
        (folder / "ca.pem").touch()
    (directories.user / "loom.toml").write_text('cacert = "ca.pem"')
    assert directories.load().settings.cacert == directories.user / "ca.pem"
    assert directories.load({"cacert": "ca.pem"}).settings.cacert == directories.cwd / "ca.pem"


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64000", 64000),
        ("1k", 1000),
        ("1KiB", 1024),
        ("1.5MiB", 1572864),
        ("2 GB", 2_000_000_000),
        ("1gi", 2**30),
    ],
)
def test_sizes(directories: Directories, text: str, size: int) -> None:
    assert directories.load({"history_bytes": text}).settings.history_bytes == size


@pytest.mark.parametrize(("text", "seconds"), [("2", 2), ("500ms", 0.5), ("1.5s", 1.5), ("2m", 120)])
def test_times(directories: Directories, text: str, seconds: float) -> None:
    assert directories.load({"drain": text}).settings.drain == seconds


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("target", "nowhere"),
        ("target", "host:99999"),
        ("target", ":50051"),
        ("history_bytes", "12 parsecs"),
        ("history_bytes", "0"),
        ("drain", "soon"),
        ("drain", "-1"),
        ("drain", "nan"),
        ("breaker", "0"),
        ("keepalive", "0"),
        ("keepalive", "-1s"),
        ("breaker", "1.5"),
        ("engine", "fast"),
        ("cacert", "missing.pem"),
        ("log", "missing/calls.ndjson"),
        ("reflection_header", "authorization"),
        ("mask", "not a key"),
        ("session", " "),
    ],
)
def test_an_invalid_value_names_flag_value_and_allowed_values(
    directories: Directories, name: str, raw: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        directories.load({name: raw})
    text = str(caught.value)
    assert text.startswith(f"--{name.replace('_', '-')}: ")
    assert f", got {raw!r}" in text
    assert ": expected " in text
    assert "\n" not in text


def test_an_invalid_item_of_a_list_is_named(directories: Directories) -> None:
    with pytest.raises(ConfigError, match=r"^--mask: expected a metadata key .*, got 'not a key'$"):
        directories.load({"mask": ("x-fine", "not a key")})


def test_an_invalid_value_names_its_variable(directories: Directories) -> None:
    with pytest.raises(ConfigError, match=r"^variable LOOM_TLS: expected true or false, got 'maybe'$"):
        directories.load(environ={"LOOM_TLS": "maybe"})


def test_an_invalid_value_names_its_file_and_key(directories: Directories) -> None:
    file = directories.cwd / "loom.toml"
    file.write_text("metadata-limit = true")
    with pytest.raises(ConfigError) as caught:
        directories.load()
    assert str(caught.value).startswith(f"{file}: metadata-limit: expected a size above zero")


def test_a_source_of_higher_precedence_hides_an_invalid_value(directories: Directories) -> None:
    assert directories.load({"target": "a:1"}, {"LOOM_TARGET": "nonsense"}).settings.target == Address("a", 1)


def test_an_unknown_key_is_named_with_a_suggestion(directories: Directories) -> None:
    (directories.cwd / "loom.toml").write_text('targt = "a:1"')
    with pytest.raises(ConfigError, match="unknown key 'targt'; did you mean 'target'"):
        directories.load()


def test_a_file_that_is_not_toml(directories: Directories) -> None:
    (directories.cwd / "loom.toml").write_text("target: a:1")
    with pytest.raises(ConfigError, match=r"loom\.toml: not valid TOML: .*line 1"):
        directories.load()


def test_an_explicit_file_that_is_missing(directories: Directories) -> None:
    with pytest.raises(ConfigError, match="--config: no such file"):
        directories.load(config=Path("none.toml"))
    with pytest.raises(ConfigError, match="variable LOOM_CONFIG: no such file"):
        directories.load(environ={"LOOM_CONFIG": "none.toml"})


def test_a_certificate_requires_its_key_and_vice_versa(directories: Directories) -> None:
    (directories.cwd / "a.pem").touch()
    with pytest.raises(ConfigError, match=r"^--listen-cert: also requires --listen-key$"):
        directories.load({"listen_cert": "a.pem"})
    with pytest.raises(ConfigError, match=r"^variable LOOM_KEY: also requires --cert$"):
        directories.load(environ={"LOOM_KEY": "a.pem"})


def test_root_certificates_imply_tls(directories: Directories) -> None:
    (directories.cwd / "a.pem").touch()
    assert directories.load({"cacert": "a.pem"}).settings.target_uses_tls
    assert not directories.load().settings.target_uses_tls


@pytest.mark.parametrize(
    ("target", "tls", "uses_tls"),
    [
        ("https://a.test", None, True),
        ("http://a.test", None, False),
        ("a.test:1", None, False),
        ("a.test:1", True, True),
    ],
)
def test_the_targets_scheme_implies_tls_or_cleartext(
    directories: Directories, target: str, tls: bool | None, uses_tls: bool
) -> None:
    flags = {"target": target} if tls is None else {"target": target, "tls": tls}
    assert directories.load(flags).settings.target_uses_tls is uses_tls


@pytest.mark.parametrize(
    ("target", "tls", "reason"),
    [
        ("http://a.test", True, "is cleartext: use https://, or drop --tls"),
        ("https://a.test", False, "is TLS"),
    ],
)
def test_a_scheme_that_contradicts_the_settings(
    directories: Directories, target: str, tls: bool, reason: str
) -> None:
    settings = directories.load({"target": target, "tls": tls}).settings
    with pytest.raises(ConfigError, match=reason):
        wiring.target_tls(settings)


def test_no_tls_overrides_a_source_of_lower_precedence_and_conflicts_with_an_equal_one(
    directories: Directories,
) -> None:
    (directories.cwd / "a.pem").touch()
    (directories.cwd / "loom.toml").write_text('cacert = "a.pem"')
    assert not directories.load({"tls": False}).settings.target_uses_tls
    with pytest.raises(
        ConfigError, match="--cacert: requires TLS, which is off by --tls; remove one of them"
    ):
        directories.load({"tls": False, "cacert": "a.pem"})


def test_conflicts(directories: Directories) -> None:
    with pytest.raises(ConfigError, match="--quiet: conflicts with variable LOOM_VERBOSE"):
        directories.load({"quiet": True}, {"LOOM_VERBOSE": "1"})
    for name, value in (
        ("authority", "a"),
        ("breaker", "3"),
        ("metadata_limit", "1MiB"),
        ("breaker_pause", "2s"),
        ("keepalive", "30s"),
    ):
        flag = f"--{name.replace('_', '-')}"
        with pytest.raises(
            ConfigError, match=f"{flag}: not supported by the wire engine, .*; use --engine relay"
        ):
            directories.load({"engine": "wire", name: value})
    assert directories.load({"engine": "wire", "breaker": "off"}).settings.engine == "wire"


def test_the_demo_uses_cleartext(directories: Directories) -> None:
    for name in ("cert.pem", "key.pem"):
        (directories.cwd / name).touch()
    with pytest.raises(ConfigError, match="--listen-cert: the demo's clients use cleartext"):
        directories.load({"demo": True, "listen_cert": "cert.pem", "listen_key": "key.pem"})


def test_the_demo_has_its_own_session_unless_one_is_set() -> None:
    target = Address("127.0.0.1", 1)
    settings = Settings(tls=True, demo=True)
    assert settings.for_demo(target, has_session=False).session == "demo"
    assert settings.for_demo(target, has_session=True).session == "default"
    assert Settings(session=None).for_demo(target, has_session=False).session is None
    assert not settings.for_demo(target, has_session=False).target_uses_tls


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("target", "a:1"),
        ("tls", True),
        ("cacert", "a.pem"),
        ("server_name", "a"),
        ("authority", "a"),
    ],
)
def test_the_demo_conflicts_with_settings_of_the_target(
    directories: Directories, name: str, value: object
) -> None:
    (directories.cwd / "a.pem").touch()
    flag = f"--{name.replace('_', '-')}"
    with pytest.raises(
        ConfigError, match=f"^{flag}: conflicts with --demo, which starts its own backend; remove"
    ):
        directories.load({"demo": True, name: value})


def test_the_demo_overrides_a_target_of_lower_precedence(directories: Directories) -> None:
    (directories.cwd / "loom.toml").write_text('target = "a:1"')
    assert directories.load({"demo": True}, {"LOOM_TARGET": "b:1"}).settings.demo


@pytest.mark.parametrize(
    ("name", "value", "dependency"),
    [
        ("breaker_pause", "2s", "breaker"),
        ("ui_host", "loom.test", "ui"),
        ("require_token", True, "ui"),
        ("reflection_header", "a: b", "reflection"),
        ("session_bytes", "1MiB", "session"),
    ],
)
def test_a_setting_without_effect_is_refused(
    directories: Directories, name: str, value: object, dependency: str
) -> None:
    flag = f"--{name.replace('_', '-')}"
    with pytest.raises(
        ConfigError, match=f"^{flag}: has no effect, as {dependency} is off by --{dependency}"
    ):
        directories.load({name: value, dependency: "off"})
    (directories.user / "loom.toml").write_text(
        f"{name} = {str(value).lower() if value is True else repr(value)}"
    )
    assert not getattr(directories.load({dependency: "off"}).settings, dependency)


UNTRUSTED = [
    'token = "known"',
    'ui-host = ["evil.test"]',
    'log = "calls.ndjson"',
    'data-dir = "."',
    'listen = "0.0.0.0:9999"',
    'listen = "127.evil.test:9999"',
    'ui = "[::]:9998"',
]


@pytest.mark.parametrize("line", UNTRUSTED)
def test_a_file_found_in_the_working_directory_may_not_open_the_machine(
    directories: Directories, line: str
) -> None:
    file = directories.cwd / "loom.toml"
    file.write_text(line)
    with pytest.raises(ConfigError) as caught:
        directories.load()
    text = str(caught.value)
    assert text.startswith(f"{file}: {line.partition(' ')[0]}: ")
    assert text.endswith(
        "not allowed in a file found in the working directory; if you trust the file, pass --config loom.toml"
    )
    # Named by the user, or the user's own, the same file is accepted.
    assert directories.load(config=Path("loom.toml")).file == file
    assert directories.load(environ={"LOOM_CONFIG": "loom.toml"}).file == file
    file.rename(directories.user / "loom.toml")
    assert directories.load().file == directories.user / "loom.toml"


def test_a_flag_overrides_a_key_that_is_not_allowed(directories: Directories) -> None:
    (directories.cwd / "loom.toml").write_text('token = "known"')
    assert directories.load({"token": "mine"}).settings.token == "mine"


def test_the_users_file_is_trusted_in_its_own_directory(directories: Directories) -> None:
    (directories.user / "loom.toml").write_text('token = "known"')
    directories.cwd = directories.user
    assert directories.load().settings.token == "known"
