"""The paper's tables and figures: trainings beside the published numbers."""
