"""Who is asking."""

from pathlib import Path

import pytest

from deploy.clickhouse.passwords import Accounts, Role, read_accounts
from schemas.errors import SettingsError


def password_file(folder: Path, text: str, *, mode: int = 0o600) -> Path:
    """A password file with these access rights."""
    file = folder / f"password-{mode:o}-{len(text)}"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_without_a_password_file_there_is_no_writer() -> None:
    """Not even with an empty password."""
    accounts = Accounts(writer=None, analyst=None)
    assert accounts.authenticate("writer", "") is None
    assert accounts.authenticate("writer", "x") is None


def test_without_an_analyst_password_anybody_reads() -> None:
    """`default` and no name at all are analysts."""
    accounts = Accounts(writer="w", analyst=None)
    assert {accounts.authenticate(user, "") for user in ("", "default", "analyst")} == {Role.ANALYST}


def test_the_right_password_and_only_that_opens() -> None:
    """Each role has its own; names that nobody has are nobody's."""
    accounts = Accounts(writer="w", analyst="a")
    assert accounts.authenticate("writer", "w") is Role.WRITER
    assert accounts.authenticate("default", "a") is Role.ANALYST
    assert accounts.authenticate("writer", "a") is None
    assert accounts.authenticate("analyst", "") is None
    assert accounts.authenticate("root", "w") is None
    assert accounts.authenticate("analyst", "\udcff") is None


def test_password_files_are_private_and_not_empty(tmp_path: Path) -> None:
    """A file that others can read, an empty one and a missing one stop the start, by name of the option."""
    good = password_file(tmp_path, "secret\n")
    assert read_accounts(writer_file=good, analyst_file=None, host="127.0.0.1") == Accounts("secret", None)
    bad = {
        "chmod 600": password_file(tmp_path, "x", mode=0o644),
        "empty": password_file(tmp_path, ""),
        "cannot": tmp_path / "no",
    }
    for words, file in bad.items():
        with pytest.raises(SettingsError, match=f"--writer-password-file.*{words}"):
            read_accounts(writer_file=file, analyst_file=None, host="127.0.0.1")


def test_other_machines_need_both_passwords(tmp_path: Path) -> None:
    """Only on loopback may the analyst be nameless."""
    file = password_file(tmp_path, "secret")
    with pytest.raises(SettingsError, match="reachable from other machines"):
        read_accounts(writer_file=file, analyst_file=None, host="0.0.0.0")  # noqa: S104  the point of the test
    assert read_accounts(writer_file=file, analyst_file=None, host="::1").writer == "secret"
    assert read_accounts(writer_file=file, analyst_file=file, host="0.0.0.0").analyst == "secret"  # noqa: S104
