"""The rooms know whom they may know; each contract is seen broken by one forbidden import."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("schemas", "producers", "streams", "sinks", "deploy")
BREAKS = {
    "schemas knows nobody": ("schemas/usage.py", "import streams"),
    "producers, streams and sinks never import each other": ("sinks/__init__.py", "import streams.ports"),
    "nobody imports deploy": ("streams/__init__.py", "import deploy"),
    "what runs in other people's processes imports no room": ("burnline_client/__init__.py", "import schemas"),
    "pure modules know no clock, no environment, no network": ("schemas/money.py", "import time"),
}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """What import-linter says of a copy of the tree."""
    command = [
        str(Path(sys.executable).parent / "lint-imports"),
        "--no-cache",
        "--config",
        str(folder / "pyproject.toml"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the rooms' Python files and the contracts."""
    folder = tmp_path_factory.mktemp("tree")
    for room in ROOMS:
        shutil.copytree(ROOT / room, folder / room, ignore=lambda _d, names: [n for n in names if n == "client"])
    shutil.copytree(ROOT / "producers/client/burnline_client", folder / "burnline_client")
    shutil.copy(ROOT / "pyproject.toml", folder / "pyproject.toml")
    return folder


def test_contracts_hold(tree: Path) -> None:
    """The tree keeps every contract."""
    result = lint(tree)
    assert result.returncode == 0, result.stdout[-3000:]


@pytest.mark.parametrize("contract", sorted(BREAKS))
def test_contract_is_broken_by_a_forbidden_import(tree: Path, contract: str) -> None:
    """One forbidden import is seen and named."""
    file, line = BREAKS[contract]
    path = tree / file
    before = path.read_text()
    try:
        path.write_text(f"{before}\n{line}\n")
        result = lint(tree)
    finally:
        path.write_text(before)
    assert result.returncode != 0
    assert f"{contract} BROKEN" in " ".join(result.stdout.split())


def test_every_contract_has_its_break() -> None:
    """A new contract comes with the import that breaks it."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert {contract["name"] for contract in contracts} == set(BREAKS)
