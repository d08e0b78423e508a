"""The audit trail: an append-only row for every change that matters, in its own commit."""
