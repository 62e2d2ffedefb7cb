"""The tracking plan: the YAML contract that says what a product's events and numbers mean.

Only this room reads the YAML; every other room reads `config.*`.
"""
