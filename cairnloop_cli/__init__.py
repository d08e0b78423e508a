"""The command line of Cairnloop: a thin edge over the engine, and a contract for scripts."""
