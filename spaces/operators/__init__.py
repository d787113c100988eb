"""The elementary operators: what each kind is, once."""
