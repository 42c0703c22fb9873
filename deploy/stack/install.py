"""`python -m deploy.stack.install`: Kafka lies in the virtual environment, ready to start; called by `make setup`."""

import os
import sys
from pathlib import Path

from deploy.stack.kafka_fetch import REPOSITORY_SETTING
from deploy.stack.kafka_jars import default_directory, install_kafka
from deploy.stack.kafka_warm import warm_kafka
from schemas.errors import BurnlineError


def main() -> int:
    """0 when Kafka is installed and has started once, 1 with a sentence when it cannot be."""
    target = default_directory(Path(sys.prefix))
    live = sys.stderr.isatty()

    def show(done_bytes: int, total_bytes: int) -> None:
        if live:
            sys.stderr.write(f"\r  {done_bytes / 1e6:5.1f} of {total_bytes / 1e6:.1f} MB")
            sys.stderr.write("\n" if done_bytes >= total_bytes else "")
            sys.stderr.flush()

    try:
        found = install_kafka(target, repository=os.environ.get(REPOSITORY_SETTING), on_progress=show)
        warm_kafka(found)
    except BurnlineError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped; run it again to go on\n")
        return 130
    sys.stderr.write(f"  Kafka {found.version} is in {target}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
