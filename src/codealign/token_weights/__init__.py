"""How much each token of a pair counts."""
