"""The first screen: what needs the operator, most urgent first."""
