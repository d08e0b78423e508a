"""The Trailmark demo: a scenario kept as data, loaded through the services that a desk uses."""
