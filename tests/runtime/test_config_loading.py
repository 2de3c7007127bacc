"""Flags win over variables, variables over the file; what is wrong is named."""

from pathlib import Path

import pytest

from loom.errors import ConfigError
from loom.model import Address
from loom.runtime.config_loading import Loaded, load
from loom.runtime.settings import Settings


class Place:
    """A working directory and a user's configuration directory, both empty at first."""

    def __init__(self, root: Path) -> None:
        self.cwd = root / "work"
        self.user = root / "user"
        self.cwd.mkdir()
        self.user.mkdir()

    def load(self, flags=None, environ=None, config=None) -> Loaded:
        return load(flags or {}, environ or {}, config=config, cwd=self.cwd, user_dir=self.user)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_nothing_given_is_the_defaults(place: Place):
    assert place.load() == Loaded(Settings())


def test_precedence_of_flag_variable_file(place: Place):
    (place.cwd / "loom.toml").write_text('target = "file:1"\nlisten = "file:2"\nui = "file:3"\n')
    loaded = place.load({"target": "flag:1"}, {"LOOM_TARGET": "variable:1", "LOOM_LISTEN": "variable:2"})
    assert loaded.settings.target == Address("flag", 1)
    assert loaded.settings.listen == Address("variable", 2)
    assert loaded.settings.ui == Address("file", 3)
    assert loaded.origins["listen"] == "variable LOOM_LISTEN"


def test_the_working_directory_comes_before_the_users(place: Place):
    (place.user / "loom.toml").write_text('target = "user:1"')
    assert place.load().settings.target == Address("user", 1)
    (place.cwd / "loom.toml").write_text('listen = "cwd:1"')
    loaded = place.load()
    assert loaded.settings.target == Settings().target
    assert loaded.file == place.cwd / "loom.toml"


def test_a_named_file_comes_before_both(place: Place):
    (place.cwd / "loom.toml").write_text('target = "cwd:1"')
    (place.cwd / "other.toml").write_text('target = "other:1"')
    assert place.load(config=Path("other.toml")).settings.target == Address("other", 1)
    assert place.load(environ={"LOOM_CONFIG": "other.toml"}).settings.target == Address("other", 1)


def test_an_empty_variable_is_not_set(place: Place):
    assert place.load(environ={"LOOM_TARGET": ""}).settings.target == Settings().target


def test_native_toml_values(place: Place):
    (place.cwd / "loom.toml").write_text(
        'tls = true\nhistory_bytes = 5000\nbreaker-pause = 0.25\nbreaker = false\nui = "off"\n'
        'mask = ["X-Tenant", "x-secret-*"]\nreflection-header = "authorization: Bearer a:b"\n'
    )
    settings = place.load().settings
    assert settings.tls is True
    assert settings.history_bytes == 5000
    assert settings.breaker_pause == 0.25
    assert settings.breaker is None
    assert settings.ui is None
    assert settings.mask == ("x-tenant", "x-secret-*")
    assert settings.reflection_header == (("authorization", "Bearer a:b"),)


def test_lists_in_variables_are_split_at_commas(place: Place):
    assert place.load(environ={"LOOM_MASK": "a, b"}).settings.mask == ("a", "b")


def test_paths_start_from_their_source(place: Place):
    for folder in (place.cwd, place.user):
        (folder / "ca.pem").touch()
    (place.user / "loom.toml").write_text('cacert = "ca.pem"')
    assert place.load().settings.cacert == place.user / "ca.pem"
    assert place.load({"cacert": "ca.pem"}).settings.cacert == place.cwd / "ca.pem"


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
def test_sizes(place: Place, text: str, size: int):
    assert place.load({"history_bytes": text}).settings.history_bytes == size


@pytest.mark.parametrize(("text", "seconds"), [("2", 2), ("500ms", 0.5), ("1.5s", 1.5), ("2m", 120)])
def test_times(place: Place, text: str, seconds: float):
    assert place.load({"drain": text}).settings.drain == seconds


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
        ("breaker", "1.5"),
        ("engine", "fast"),
        ("cacert", "missing.pem"),
        ("log", "missing/calls.ndjson"),
        ("reflection_header", "authorization"),
        ("mask", "not a key"),
        ("session", " "),
    ],
)
def test_wrong_values_name_flag_value_and_what_is_allowed(place: Place, name: str, raw: str):
    with pytest.raises(ConfigError) as caught:
        place.load({name: raw})
    text = str(caught.value)
    assert text.startswith(f"--{name.replace('_', '-')}: ")
    assert repr(raw) in text
    assert "allowed is " in text
    assert "\n" not in text


def test_of_many_values_the_wrong_one_is_named(place: Place):
    with pytest.raises(ConfigError, match=r"^--mask: 'not a key' is wrong; allowed is a metadata key"):
        place.load({"mask": ("x-fine", "not a key")})


def test_wrong_values_name_the_variable(place: Place):
    with pytest.raises(ConfigError, match=r"^variable LOOM_TLS: 'maybe' is wrong; allowed is true or false$"):
        place.load(environ={"LOOM_TLS": "maybe"})


def test_wrong_values_name_file_and_key(place: Place):
    file = place.cwd / "loom.toml"
    file.write_text("metadata-limit = true")
    with pytest.raises(ConfigError) as caught:
        place.load()
    assert str(caught.value).startswith(f"{file}: metadata-limit: True is wrong; allowed is ")


def test_a_stronger_source_hides_a_wrong_value(place: Place):
    assert place.load({"target": "a:1"}, {"LOOM_TARGET": "nonsense"}).settings.target == Address("a", 1)


def test_unknown_keys_are_named_with_what_was_meant(place: Place):
    (place.cwd / "loom.toml").write_text('targt = "a:1"')
    with pytest.raises(ConfigError, match="unknown key 'targt'; did you mean 'target'"):
        place.load()


def test_a_file_that_is_no_toml(place: Place):
    (place.cwd / "loom.toml").write_text("target: a:1")
    with pytest.raises(ConfigError, match=r"loom\.toml: is not TOML: .*line 1"):
        place.load()


def test_a_named_file_that_is_missing(place: Place):
    with pytest.raises(ConfigError, match="--config: there is no file"):
        place.load(config=Path("none.toml"))
    with pytest.raises(ConfigError, match="variable LOOM_CONFIG: there is no file"):
        place.load(environ={"LOOM_CONFIG": "none.toml"})


def test_half_a_pair_of_certificate_and_key(place: Place):
    (place.cwd / "a.pem").touch()
    with pytest.raises(ConfigError, match=r"^--listen-cert: also needs --listen-key$"):
        place.load({"listen_cert": "a.pem"})
    with pytest.raises(ConfigError, match=r"^variable LOOM_KEY: also needs --cert$"):
        place.load(environ={"LOOM_KEY": "a.pem"})


def test_a_trusted_authority_implies_tls(place: Place):
    (place.cwd / "a.pem").touch()
    assert place.load({"cacert": "a.pem"}).settings.target_uses_tls
    assert not place.load().settings.target_uses_tls


def test_no_tls_wins_over_a_weaker_source_and_contradicts_an_equal_one(place: Place):
    (place.cwd / "a.pem").touch()
    (place.cwd / "loom.toml").write_text('cacert = "a.pem"')
    assert not place.load({"tls": False}).settings.target_uses_tls
    with pytest.raises(ConfigError, match="--cacert: needs TLS, which --tls switches off"):
        place.load({"tls": False, "cacert": "a.pem"})


def test_contradictions(place: Place):
    with pytest.raises(ConfigError, match="--quiet: contradicts variable LOOM_VERBOSE"):
        place.load({"quiet": True}, {"LOOM_VERBOSE": "1"})
    for name, value in (
        ("authority", "a"),
        ("breaker", "3"),
        ("metadata_limit", "1MiB"),
        ("breaker_pause", "2s"),
    ):
        flag = f"--{name.replace('_', '-')}"
        with pytest.raises(
            ConfigError, match=f"{flag}: the wire engine changes nothing.* use --engine relay"
        ):
            place.load({"engine": "wire", name: value})
    assert place.load({"engine": "wire", "breaker": "off"}).settings.engine == "wire"


def test_the_demo_speaks_cleartext(place: Place):
    for name in ("cert.pem", "key.pem"):
        (place.cwd / name).touch()
    with pytest.raises(ConfigError, match="--listen-cert: the demo's clients speak cleartext"):
        place.load({"demo": True, "listen_cert": "cert.pem", "listen_key": "key.pem"})


def test_the_demo_has_a_session_of_its_own_unless_one_is_named():
    target = Address("127.0.0.1", 1)
    settings = Settings(tls=True, demo=True)
    assert settings.for_demo(target, session_given=False).session == "demo"
    assert settings.for_demo(target, session_given=True).session == "default"
    assert Settings(session=None).for_demo(target, session_given=False).session is None
    assert not settings.for_demo(target, session_given=False).target_uses_tls
