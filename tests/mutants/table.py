"""All mutants."""

from __future__ import annotations

from tests.mutants import (
    annotations,
    clusters,
    gain,
    going_on,
    images,
    method,
    nights,
    presets,
    scoring,
    settings,
    training,
)

MUTANTS = [*annotations.MUTANTS, *images.MUTANTS, *scoring.MUTANTS, *training.MUTANTS, *settings.MUTANTS,
           *method.MUTANTS, *presets.MUTANTS, *gain.MUTANTS, *nights.MUTANTS, *going_on.MUTANTS,
           *clusters.MUTANTS]
