"""The programme around the numbers: indicator systems, scores, ranks and classes. Reads values and evidence, never records."""
