"""The one loop, and what it needs: budgets, schedules, logs, exact state."""
