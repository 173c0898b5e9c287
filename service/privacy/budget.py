"""How much privacy loss a key may buy a day, on account in the store: epsilons of several answers add up."""

from datetime import datetime, time, timedelta
from fractions import Fraction

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db import insert_rows
from service.errors import BudgetSpent, InvalidInput
from service.privacy.tables import SpendingRow
from service.runtime import Runtime

THOUSANDTH = Fraction(1, 1000)
"""Epsilons are counted in these, so that sums are exact."""


def exact_epsilon(epsilon: float) -> Fraction:
    """Read an epsilon; raises InvalidInput for none of 0.001, 0.002, ... 10."""
    exact = Fraction(round(epsilon * 1000), 1000) if 0 < epsilon <= 10 else Fraction(0)
    if not exact or abs(float(exact) - epsilon) > 1e-9:
        raise InvalidInput(f"dp_epsilon is {epsilon!r}: give 0.001 to 10, in steps of 0.001")
    return exact


async def spend(runtime: Runtime, workspace: str, key_id: str, epsilon: Fraction) -> Fraction:
    """Put an epsilon on a key's account of today (UTC); returns what is left of the day's budget.

    Raises BudgetSpent, spending nothing, when it is more than what was left.
    """
    now, most = runtime.now(), Fraction(str(runtime.settings.dp_epsilon_per_day))
    async with runtime.database.write() as session:
        row = await _account(session, workspace, key_id, now)
        left = most - row.thousandths * THOUSANDTH
        if epsilon > left:
            midnight = datetime.combine(now.date() + timedelta(days=1), time(), now.tzinfo)
            wait = int((midnight - now).total_seconds()) + 1
            raise BudgetSpent(
                f"dp_epsilon {float(epsilon):g} is more than the {float(left):g} that this key has left "
                f"today of {float(most):g}: ask for less, or tomorrow (UTC)",
                {"Retry-After": str(wait)},
            )
        row.thousandths += int(epsilon / THOUSANDTH)
    return left - epsilon


async def _account(session: AsyncSession, workspace: str, key_id: str, now: datetime) -> SpendingRow:
    columns = ("workspace_id", "key_id", "day", "thousandths")
    await insert_rows(session, SpendingRow, columns, [(workspace, key_id, now.date().isoformat(), 0)])
    query = select(SpendingRow).where(
        SpendingRow.workspace_id == workspace,
        SpendingRow.key_id == key_id,
        SpendingRow.day == now.date().isoformat(),
    )
    return (await session.scalars(query.with_for_update())).one()
