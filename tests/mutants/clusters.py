"""Clusters that would not start: what the doctor finds before the bill."""

from __future__ import annotations

from tests.mutants.mutant import in_file

MUTANTS = [
    *in_file("jobs/cluster/node.py", "tests/jobs/cluster/test_node.py",
        ("CUDA 13 wants driver 580", "13: 580", "13: 525", "test_a_driver_that_torch_cannot_use_is_told"),
        ("a driver of now takes older CUDA", "major <= there.cuda:", "major == there.cuda:",
         "test_a_driver_that_torch_cannot_use_is_told"),
        ("a node without weights is told", "    if there.weights is not None:\n", "    if False:\n",
         "test_weights_that_a_node_does_not_have_are_told"),
        ("Python's patches change nothing", 'if package == "Python" and version else version',
         'if False else version', "test_a_patch_of_python_is_none_of_them"),
        ("a store larger than shared memory lies on disk", "store <= there.shared_memory:", "True:",
         "test_an_object_store_on_disk_is_told")),
    *in_file("jobs/cluster/checks.py", "tests/jobs/cluster/test_node.py",
        ("each training costs the head", "+ concurrent * HEAD_BYTES_OF_TRAINING", "+ HEAD_BYTES_OF_TRAINING",
         "test_a_head_that_is_too_small_for_what_runs_is_told")),
    *in_file("tune/place.py", "tests/tune/test_place.py",
        ("a cut line is taken away", 'if journal.read() != b"\\n":', "if False:",
         "test_a_line_that_a_full_disk_has_cut_is_taken_away_by_who_writes_next"))]
