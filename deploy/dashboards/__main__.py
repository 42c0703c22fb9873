"""`python -m deploy.dashboards`: the files of `deploy/grafana/dashboards` are those of the code."""

import json
from pathlib import Path

from deploy.dashboards import DASHBOARDS

FOLDER = Path(__file__).resolve().parents[1] / "grafana" / "dashboards"


def files() -> dict[str, str]:
    """What stands in each file, by its name."""
    return {
        f"{dashboard.uid}.json": json.dumps(dashboard.to_grafana(), indent=2, ensure_ascii=False) + "\n"
        for dashboard in DASHBOARDS
    }


def main() -> None:
    """Writes the files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (FOLDER / name).write_text(text)


if __name__ == "__main__":
    main()
