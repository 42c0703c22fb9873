"""Who a token is: the file holds hashes, is closed to others, and counts as it is now."""

import os
import stat
from pathlib import Path

import pytest

from producers.collector.grants import GrantFile, add_grant, hashed, read_grants
from schemas.errors import SettingsError


def test_a_new_token_is_known_and_the_file_does_not_hold_it(tmp_path: Path) -> None:
    """The file is its owner's alone; what was there before stays."""
    path = tmp_path / "secrets" / "tokens.toml"
    first = add_grant(path, org="acme", credential="checkout")
    second = add_grant(path, org="acme", credential='gate"way', team="platform", relay=True)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_text()
    assert [token for token in (first, second) if token in text or token.removeprefix("burnline_") in text] == []
    grants = read_grants(path)
    assert [(grant.credential, grant.team, grant.relay) for grant in grants.values()] == [
        ("checkout", None, False), ('gate"way', "platform", True),
    ]  # fmt: skip
    assert grants[hashed(second)].org == "acme"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    """The message says how to close it."""
    path = tmp_path / "tokens.toml"
    add_grant(path, org="acme", credential="checkout")
    path.chmod(mode)
    with pytest.raises(SettingsError, match=f"chmod 600 {path}"):
        read_grants(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[token]]\norg = 'acme'\n", "sha256"),
        ("[[token]]\nsha256 = 'short'\norg = 'acme'\ncredential = 'c'\n", "sha256"),
        (f"[[token]]\nsha256 = '{'0' * 64}'\norg = 'acme'\ncredential = 'c'\nteams = 'x'\n", "teams"),
        (f"[[token]]\nsha256 = '{'0' * 64}'\norg = 'acme'\ncredential = 'c'\n" * 2, "two entries"),
        ("[[token", "tokens.toml"),
    ],
)
def test_a_file_that_is_none_is_refused_with_the_place(tmp_path: Path, text: str, said: str) -> None:
    """What is wrong is named; nothing is guessed."""
    path = tmp_path / "tokens.toml"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(SettingsError, match=said):
        read_grants(path)


def test_an_entry_that_is_deleted_lets_nobody_in_any_more(tmp_path: Path) -> None:
    """Within a second; a file that became unusable lets nobody in either."""
    path = tmp_path / "tokens.toml"
    kept, gone = (add_grant(path, org="acme", credential=name) for name in ("kept", "gone"))
    file = GrantFile.at(path)
    assert file.grant_of(gone, now_sec=10.0) is not None
    path.write_text(path.read_text().split("\n\n")[0] + "\n")
    os.utime(path, ns=(1, 1))
    assert file.grant_of(gone, now_sec=10.5) is not None
    assert file.grant_of(gone, now_sec=11.0) is None
    assert file.grant_of(kept, now_sec=11.0) is not None
    path.chmod(0o644)
    path.write_text("broken")
    os.utime(path, ns=(2, 2))
    with pytest.raises(SettingsError):
        file.grant_of(kept, now_sec=13.0)
