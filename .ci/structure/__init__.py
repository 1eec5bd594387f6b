"""The rules of check-structure, one function each. `swift_source` reads Swift, the other modules hold the rules."""
