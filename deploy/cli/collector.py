"""`burnline collector`: usage over HTTP, for those who do not reach Kafka; and the tokens that say who they are."""

import os
import ssl
import sys
from pathlib import Path
from typing import Annotated

import typer

from deploy.cli.key_id import PepperFile
from deploy.cli.output import StateDir, examples, put, say

_BEAT_SEC = 60.0
_Tokens = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="The file of tokens; collector-tokens.toml in the stack's secrets unless given."),
]


def register(app: typer.Typer) -> None:
    """The commands are part of the app."""
    group = typer.Typer(
        invoke_without_command=True,
        epilog=examples(
            "burnline collector token --org acme --credential checkout",
            "burnline collector",
            "burnline collector --listen 0.0.0.0:8126 --cert cert.pem --key key.pem",
        ),
    )
    group.callback()(collector)
    group.command("token", epilog=examples("burnline collector token --org acme --credential gateway --relay"))(token)
    app.add_typer(group, name="collector")


def collector(
    context: typer.Context,
    listen: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where; port 0 is any free one.")] = "127.0.0.1:8126",
    tokens: _Tokens = None,
    cert: Annotated[Path | None, typer.Option(metavar="FILE", help="TLS: the certificate chain, PEM.")] = None,
    key: Annotated[Path | None, typer.Option(metavar="FILE", help="TLS: its private key, PEM.")] = None,
    pepper: PepperFile = None,
    state_dir: StateDir = None,
) -> None:
    """Take usage over HTTP: CloudEvents, LiteLLM's batches and OTLP traces, with bearer tokens. Ctrl-C ends it.

    POST /v1/events, /v1/litellm, /v1/traces; 202 (200 for traces) means that Kafka has acknowledged. GET /health.
    """
    if context.invoked_subcommand is not None:
        return
    import asyncio

    import structlog

    from deploy.json_lines import json_lines
    from deploy.stack.find import connections
    from producers.collector.numbers import families
    from producers.collector.server import serve
    from schemas.credentials import read_pepper
    from schemas.numbers_page import serve_numbers

    host, port = _address(listen)
    if host not in {"127.0.0.1", "::1", "localhost"} and cert is None:
        say("without --cert and --key tokens travel in the clear; put TLS before it")
    json_lines("collector")

    def listens(address: str) -> None:
        if sys.stderr.isatty():
            say(f"collector listens at {address}")
        else:
            structlog.get_logger().info("listens", address=address)

    serve_numbers(families)
    asyncio.run(
        serve(
            host=host,
            port=port,
            kafka=connections(state_dir, os.environ).kafka,
            tokens=_file(tokens, state_dir),
            tls=_tls(cert, key),
            pepper=read_pepper(pepper) if pepper is not None else None,
            on_ready=listens,
            beat_sec=_BEAT_SEC,
        )
    )


def token(
    org: Annotated[str, typer.Option(help="The organisation of every event of this token.")],
    credential: Annotated[str, typer.Option(help="Who it is; the credential of its events.")],
    team: Annotated[str | None, typer.Option(help="The team of its events.")] = None,
    relay: Annotated[bool, typer.Option("--relay", help="A gateway: its events name their own credentials.")] = False,
    tokens: _Tokens = None,
    state_dir: StateDir = None,
) -> None:
    """Make a token and print it; the file keeps only its hash. A running collector knows it a second later."""
    from producers.collector.grants import add_grant

    path = _file(tokens, state_dir)
    put(add_grant(path, org=org, credential=credential, team=team, relay=relay))
    say(f"{path} has its hash; to take it back, delete its entry there")


def _address(listen: str) -> tuple[str, int]:
    """Raises: InputError: it is no HOST:PORT."""
    from schemas.errors import InputError

    host, colon, port = listen.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65_535:
        raise InputError(f"--listen {listen}: write HOST:PORT, like 127.0.0.1:8126")
    return host.strip("[]"), int(port)


def _file(chosen: Path | None, state_dir: Path | None) -> Path:
    """The file of tokens: the chosen one, else the stack's. Raises: InputError: there is neither."""
    from deploy.stack.find import find_stack
    from schemas.errors import InputError

    if chosen is not None:
        return chosen
    stack = find_stack(state_dir, os.environ)
    if stack is None:
        raise InputError("no stack found here; say where the tokens are with --tokens FILE")
    return stack.layout.collector_tokens


def _tls(cert: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """Raises: InputError: one of the two is missing or cannot be used."""
    from schemas.errors import InputError

    if cert is None and key is None:
        return None
    if cert is None or key is None:
        raise InputError("--cert and --key belong together")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise InputError(f"--cert {cert} --key {key}: {error}") from error
    return context
