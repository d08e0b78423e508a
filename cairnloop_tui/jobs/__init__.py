"""The jobs: queues, workers, and what was put aside."""
