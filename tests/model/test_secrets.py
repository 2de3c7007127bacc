from loom.model import Secrets


def test_defaults_mask_credentials_whatever_their_case() -> None:
    secrets = Secrets()
    assert secrets.masks("Authorization")
    assert secrets.masks("cookie")
    assert not secrets.masks("x-request-id")


def test_a_star_matches_any_ending() -> None:
    secrets = Secrets(["x-secret-*"])
    assert secrets.masks("x-secret-key-bin")
    assert not secrets.masks("x-secre")
    assert not secrets.masks("authorization")
