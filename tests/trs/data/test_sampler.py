"""The order of the samples."""

from trs.data.sampler import batch_rows, person_at


def test_each_person_comes_once_a_pass_in_another_order() -> None:
    passes = [[person_at(row, 8, seed=3) for row in range(8 * p, 8 * p + 8)] for p in range(3)]
    for number, rows in enumerate(passes):
        assert [p for p, _ in rows] == [number] * 8
        assert sorted(person for _, person in rows) == list(range(8))
    assert passes[0] != [(0, person) for _, person in passes[1]]


def test_the_rows_of_a_step_follow_from_the_step_and_are_dealt_to_its_shares() -> None:
    assert list(batch_rows(3, 4)) == [12, 13, 14, 15]
    assert [*batch_rows(3, 2, 0, shares=2), *batch_rows(3, 2, 1, shares=2)] == list(batch_rows(3, 4))
