"""Studies: each a paper's question, with its figures and its claims; none knows another, and the core knows none."""
