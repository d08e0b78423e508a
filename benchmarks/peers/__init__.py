"""The hybrids of other libraries over Postgres, asked the same questions with the same vectors.

They run in an environment of their own (``requirements.txt`` beside this file), so nothing here
may import from the engine.
"""
