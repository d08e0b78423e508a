"""The console, driven by keys on real Postgres."""
