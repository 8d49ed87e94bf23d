"""The datasets in Ray's object store, put there once for all trainings that share them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import ray

from trs.data.datasets import Datasets
from trs.data.ground_truth import GroundTruth
from trs.data.person_table import PersonTable
from trs.data.split import Split
from trs.skeleton import Skeleton

_TABLES = ("labeled", "unlabeled", "val", "test")


@dataclass(frozen=True, eq=False)
class StoredDatasets:
    """`trs.data.datasets.Datasets` whose tables of people are references; small enough to travel to every trial.

    labeled, unlabeled, val, test: references of a `PersonTable` each.
    """

    labeled: ray.ObjectRef[PersonTable]
    unlabeled: ray.ObjectRef[PersonTable]
    val: ray.ObjectRef[PersonTable]
    skeleton: Skeleton
    truth: GroundTruth | None
    split: Split
    notes: tuple[str, ...]
    test: ray.ObjectRef[PersonTable] | None
    test_truth: GroundTruth | None

    def load(self) -> Datasets:
        """Look at the tables in the node's shared memory; their columns are not copied."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        tables = {name: ray.get(fields[name]) for name in _TABLES if fields[name] is not None}
        return Datasets(**{**fields, **tables})

    def with_unlabeled(self, people: PersonTable) -> StoredDatasets:
        """The same with other unlabeled people, or with pseudo labels on them."""
        return dataclasses.replace(self, unlabeled=ray.put(people))


def store(datasets: Datasets) -> StoredDatasets:
    """Put each table into the object store."""
    fields = {field.name: getattr(datasets, field.name) for field in dataclasses.fields(datasets)}
    tables = {name: ray.put(fields[name]) for name in _TABLES if fields[name] is not None}
    return StoredDatasets(**{**fields, **tables})
