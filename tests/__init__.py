"""Tests: each is a sentence of an outcome, against real parts."""
