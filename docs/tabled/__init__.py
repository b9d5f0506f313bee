"""How the tables of README.md and docs/ are made, by what they are made of."""
