"""Forms that are drawn from the input model of a tool."""
