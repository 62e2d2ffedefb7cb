"""What the commands do, one module each. Parsing and printing of arguments is in `cli`."""
