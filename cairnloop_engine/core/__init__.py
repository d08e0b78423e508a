"""What every slice stands on: transactions, jobs, errors, text, time."""
