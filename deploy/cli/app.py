"""All commands of `burnline`, in the order in which a person meets them."""

import typer

from deploy.cli import (
    alerts,
    backtest,
    bench,
    collector,
    corrections,
    deadletters,
    demo,
    directory,
    explain,
    export,
    forecast,
    forget,
    key_id,
    policies,
    price,
    query,
    reconcile,
    reconcile_provider,
    replay,
    report,
    stack,
    top,
    topics,
)

app = typer.Typer(
    help="Who burns how many AI tokens and dollars, while it happens and to the cent.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
for module in (
    demo,
    stack,
    topics,
    policies,
    price,
    replay,
    collector,
    corrections,
    directory,
    report,
    forecast,
    top,
    query,
    alerts,
    explain,
    deadletters,
    reconcile,
    reconcile_provider,
    export,
    forget,
    key_id,
    backtest,
    bench,
):
    module.register(app)
