"""Many trainings: the search space, Optuna behind Ray Tune, the driver of a trial, the comparison of trials."""
