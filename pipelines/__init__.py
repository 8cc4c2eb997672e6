"""The `nightmarket` command and every step of a night but the learning."""
