"""A service with one line of Burnline in it, described by its environment, that forks as application servers do."""

import os
import sys
from typing import Any

from openai import OpenAI

import burnline_client

MESSAGES: Any = [{"role": "user", "content": "a planted secret"}]


def call(model: str) -> None:
    """A call by a client of this process: connections are not shared through a fork."""
    client = burnline_client.watch(OpenAI(base_url=sys.argv[1], api_key="sk-planted", max_retries=0))
    client.chat.completions.create(model=model, messages=MESSAGES)


def main() -> None:
    """One call before the fork, one in a child, one in a child that ends at once, one in the parent after them."""
    call("before")
    for name in ("child", "hasty"):
        if not os.fork():
            call(name)
            if name == "hasty":
                os._exit(0 if burnline_client.flush() else 1)
            return
        _, status = os.wait()
        if status:
            sys.exit(f"the {name} failed")
    call("parent")


if __name__ == "__main__":
    main()
