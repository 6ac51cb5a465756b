"""What the report notebooks show: each function takes the results of a run and gives blocks."""
