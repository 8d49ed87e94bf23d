"""From networks to scores: predict, gather, OKS-AP."""
