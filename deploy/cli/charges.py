"""What `burnline undo` does where the import holds charges or outcomes."""

from decimal import Decimal
from typing import TYPE_CHECKING

from deploy.cli.output import put, put_json

if TYPE_CHECKING:
    from deploy.stack.find import Connections


def undo_charges(found: "Connections", import_id: str, *, org: str | None, dry_run: bool, as_json: bool) -> bool:
    """Whether the import's charges are taken back (or would be), and said so; False where it holds none that stand."""
    from deploy.charge_undo import charges_of_import, send, taken_back
    from deploy.store_client import rows

    asked = charges_of_import(import_id, org=org)
    standing = rows(found.clickhouse, asked.sql, asked.parameters)
    if not standing:
        return False
    if not dry_run:
        send(found.kafka, taken_back(standing))
    amount = sum((Decimal(row["amount_usd"]) for row in standing), Decimal(0))
    if as_json:
        put_json({"import_id": import_id, "charges": len(standing), "amount_usd": amount, "dry_run": dry_run})
    else:
        put(f"{'would take' if dry_run else 'took'} back {len(standing):,} charges of {amount:,.2f} USD in all")
    return True


def undo_outcomes(found: "Connections", import_id: str, *, org: str | None, dry_run: bool, as_json: bool) -> bool:
    """Whether the import's outcomes are taken back (or would be), and said so; False where it holds none that stand."""
    from deploy.charge_undo import send
    from deploy.outcome_undo import TOPIC, outcomes_of_import, taken_back
    from deploy.store_client import rows

    asked = outcomes_of_import(import_id, org=org)
    standing = rows(found.clickhouse, asked.sql, asked.parameters)
    if not standing:
        return False
    if not dry_run:
        send(found.kafka, taken_back(standing), topic=TOPIC)
    if as_json:
        put_json({"import_id": import_id, "outcomes": len(standing), "dry_run": dry_run})
    else:
        put(f"{'would take' if dry_run else 'took'} back {len(standing):,} outcomes")
    return True
