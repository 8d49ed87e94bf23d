"""The report: what it says, what it shows, and how it behaves in a real browser."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from optuna.trial import TrialState
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from jobs.config import Job
from jobs.run_folder.layout import METRICS_FILE
from trs.config import Config, EvalConfig
from trs.data.synthetic import draw_dataset
from trs.evaluation.oks import keypoint_scores, oks, similarities
from trs.evaluation.protocol import protocol
from trs.evaluation.results import predicted_people, read_results, stack_poses
from tune import compare
from tune.leaderboard import Leaderboard, read_leaderboard
from tune.plan import TRIALS
from tune.report.charts import importance, parallel_coordinates
from tune.report.gallery import Gallery, Validation, make_gallery
from tune.report.page import REPORT_FILE

MakeSearch = Callable[..., Path]


def test_axes_are_true_to_the_searched_ranges(search: Path) -> None:
    figure = parallel_coordinates(read_leaderboard(search))
    momentum, weight, count, ap = figure.data[0].dimensions
    assert momentum.ticktext == ("0.9", "0.97", "0.99", "0.999") and momentum["values"][:3] == (1, 1, 3)
    assert weight.range == (-1, 1) and weight.ticktext == ("0.1", "1", "10")
    assert weight["values"][:3] == pytest.approx(np.log10([1, 0.7, 0.5]))
    assert count.range == (0, 9) and count["values"][:3] == (4, 7, 5)
    assert ap["values"] == (0.47, 0.43, 0.4, 0.25, 0.05), "without the reference and those that failed"


def test_importance_is_not_made_up(make_search: MakeSearch) -> None:
    alike = [((0.9, 1.0, count), TrialState.COMPLETE, 1, count / 20) for count in range(10)]
    figure, sentence = importance(read_leaderboard(make_search("alike", alike)))
    assert figure is None and "fewer than two of them differ" in sentence
    level = [((0.9, 1.0 + count / 2, count), TrialState.COMPLETE, 1, 0.2) for count in range(10)]
    figure, sentence = importance(read_leaderboard(make_search("level", level)))
    assert figure is None and "different scores; so far 10 are complete" in sentence
    few = [((0.9, 1.0 + count / 2, count), TrialState.COMPLETE, 1, count / 20) for count in range(9)]
    figure, sentence = importance(read_leaderboard(make_search("few", few)))
    assert figure is None and "at least 10 complete trials with different scores; so far 9" in sentence
    enough = [*few, ((0.9, 6.0, 9), TrialState.COMPLETE, 1, 0.45)]
    figure, sentence = importance(read_leaderboard(make_search("enough", enough)))
    assert sum(figure.data[0].x) == pytest.approx(1) and "so few trials this is a hint" in sentence


def test_confidence_that_collapsed_or_blew_up_is_told(make_search: MakeSearch) -> None:
    rows = [((0.999, 0.5, 5), TrialState.COMPLETE, 8, 0.40), ((0.9, 3.0, 2), TrialState.PRUNED, 1, 0.05),
            ((0.97, 1.0, 4), TrialState.COMPLETE, 8, 0.47)]
    folder = make_search("sick", rows, reference=False)
    for name, confidence in (("0000", 1.5), ("0001", 0.05), ("0002", 0.05)):
        path = folder / TRIALS / name / METRICS_FILE
        lines = [json.loads(line) | {"peak_confidence": confidence} for line in path.read_text().splitlines()]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    compare.main([str(folder)])
    page = (folder / REPORT_FILE).read_text()
    assert "0000: the mean peak confidence has risen to 1.50" in page
    assert "0002: the mean peak confidence has fallen to 0.05" in page
    assert "0001: the mean peak confidence" not in page, "after one epoch it is low in every healthy run"


def test_the_gallery_spreads_from_best_to_worst_and_shows_every_run_the_same_people(search: Path) -> None:
    gallery = _gallery(read_leaderboard(search))
    scores = gallery.predictions["0002"].oks
    assert len(gallery.people) == len(scores) == 8 and gallery.count == 24
    assert scores == sorted(scores, reverse=True) and scores[0] == 1.0 and scores[-1] < 0.4
    assert all(person.source.startswith("data:image/jpeg;base64,") for person in gallery.people)
    assert sorted(gallery.predictions) == ["0000", "0001", "0002", "0003", "0004", "0005"], "0006 has no epoch yet"
    first, drawn = gallery.people[0].truth, gallery.predictions["0005"].poses[0]
    np.testing.assert_allclose([point[:2] for point in first], [point[:2] for point in drawn], atol=0.02)  # OKS 1


@pytest.mark.parametrize(("lost", "reason"), [("val", "there is no folder"), ("annotations", "there is no file"),
                                              ("predictions", "no predictions lie in")])
def test_missing_images_are_told_in_a_sentence(search: Path, people: Path, tmp_path: Path, lost: str, reason: str
                                               ) -> None:
    shutil.copytree(people, tmp_path / "people")
    folder = Path(shutil.copytree(search, tmp_path / "demo"))
    shutil.rmtree((folder / TRIALS / "0002" if lost == "predictions" else tmp_path / "people") / lost)
    gallery = _gallery(_with_root(read_leaderboard(folder), tmp_path / "people"))
    assert gallery.people == [] and reason in gallery.sentence


def _with_root(board: Leaderboard, root: Path) -> Leaderboard:
    config = dataclasses.replace(board.config, data=dataclasses.replace(board.config.data, root=str(root)))
    return dataclasses.replace(board, job=Job(config))


def _gallery(board: Leaderboard) -> Gallery:
    return make_gallery(board, Validation(board.folder, board.config.data))


def test_predictions_of_other_people_are_refused(search: Path, tmp_path: Path) -> None:
    draw_dataset(tmp_path / "fewer", train_count=1, val_count=3)
    board = _with_root(read_leaderboard(search), tmp_path / "fewer")
    assert "the predictions are not of the people" in _gallery(board).sentence


def test_similarities_are_those_of_pycocotools(search: Path) -> None:
    board = read_leaderboard(search)
    run = board.folder / TRIALS / "0002"
    validation = Validation(search, board.config.data)
    _, results = read_results(run)
    people = predicted_people(validation.people, results)
    similarity = similarities(stack_poses(results, people), people, np.array(validation.skeleton.sigmas))
    truth = COCO(str(Path(board.config.data.root, board.config.data.val_annotations)))
    evaluation = COCOeval(truth, truth.loadRes(results), "keypoints")
    evaluation.evaluate()
    expected = [evaluation.ious[result["image_id"], 1].item() for result in results]
    np.testing.assert_allclose(oks(similarity), expected, atol=1e-6)


def test_a_keypoints_score_is_its_share_at_the_ten_thresholds() -> None:
    similarity = np.array([[1.0, 0.72, np.nan], [0.96, 0.4, np.nan]])
    np.testing.assert_allclose(keypoint_scores(similarity), [1.0, 0.25, 0.0])  # 0.72 passes 0.50 to 0.70, half of all


@pytest.mark.parametrize(("flip_test", "decoder", "words"), [
    (False, "quarter", "ground-truth boxes, no flip test, quarter-cell decoding"),
    (True, "dark", "ground-truth boxes, flip test, DARK decoding")])
def test_the_protocol_is_named(flip_test: bool, decoder: Any, words: str) -> None:
    sentence = protocol(Config(eval=EvalConfig(flip_test=flip_test, decoder=decoder)), 6352)
    assert "COCO OKS-AP on 6,352 validation people" in sentence and words in sentence


@pytest.mark.parametrize(("scheme", "width"), [("light", 1200), ("dark", 390)])
def test_the_report_in_a_browser(search: Path, browser: Any, scheme: str, width: int) -> None:
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia",
                            {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride",
                            {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600})
    browser.get(f"file://{search / REPORT_FILE}")
    assert "Importance needs at least 10 complete trials" in browser.page_source
    for chart in ("curves", "coordinates", "slices", "budget", "pick-curves", "pick-keypoints"):
        assert browser.execute_script(f"return document.querySelectorAll('#{chart} svg').length") > 0, chart
    lines = browser.execute_script("return document.querySelectorAll('#curves .scatterlayer .trace').length")
    assert lines == 7  # one has no epoch yet, and there is the reference
    assert browser.execute_script("return document.querySelectorAll('#people svg image').length") == 2 * 8
    background = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, background[4:-1].split(","))) < 200) == (scheme == "dark")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    requested = browser.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert not [name for name in requested if name.startswith("http")]
    assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def test_a_click_on_a_header_sorts(search: Path, browser: Any) -> None:
    browser.get(f"file://{search / REPORT_FILE}")

    def column(index: int) -> list[str]:
        cells = browser.find_elements("css selector", f"#leaderboard td:nth-child({index})")
        return [cell.get_attribute("data-value") for cell in cells]

    header = browser.find_element("xpath", "//th[normalize-space()='AP']")
    best_first = ["0.47", "0.43", "0.4", "0.31", "0.25", "0.05", "", ""]
    assert column(4) == best_first
    header.click()
    assert column(4) == [*best_first[-3::-1], "", ""], "unknown APs stay last"
    header.click()
    assert column(4) == best_first
    browser.find_element("xpath", "//th[normalize-space()='status']").click()
    assert column(2) == sorted(column(2))


def test_a_trial_that_has_just_begun_and_one_that_diverged_are_shown(make_search: MakeSearch, browser: Any) -> None:
    rows = [((0.999, 0.5, 5), TrialState.COMPLETE, 8, 0.40), ((0.9, 3.0, 2), TrialState.FAIL, 2, 0.1),
            ((0.97, 1.0, 4), TrialState.RUNNING, 0, None)]
    folder = make_search("young", rows)
    shutil.rmtree(folder / TRIALS / "0002")  # asked for, its process has not begun
    path = folder / TRIALS / "0001" / "predictions" / "ensemble.json"
    results = json.loads(path.read_text())
    results[0]["keypoints"][:3] = [float("nan")] * 3
    path.write_text(json.dumps(results))
    compare.main([str(folder)])
    browser.get(f"file://{folder / REPORT_FILE}")
    browser.find_element("css selector", "#leaderboard input[value='0001']").click()
    browser.find_element("css selector", "#leaderboard input[value='0002']").click()
    assert len(browser.find_elements("css selector", "#settings th")) == 5
    assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


def test_two_trials_are_picked_and_compared(search: Path, browser: Any) -> None:
    browser.get(f"file://{search / REPORT_FILE}")

    def shown(selector: str) -> list[str]:
        return [found.text for found in browser.find_elements("css selector", selector)]

    assert shown("#settings th") == ["", "0002", "0000"], "the best and the paper's defaults at first"
    for name in ("0000", "0005", "supervised"):
        browser.find_element("css selector", f"#leaderboard input[value='{name}']").click()
    assert shown("#settings th") == ["", "0002", "0005", "supervised"]
    differences = {row[0]: row[1:] for row in (text.split() for text in shown("#settings tr")[1:])}
    assert differences["ap"] == ["0.470", "0.430", "0.310"]
    assert differences["method.mix_count"] == ["4", "7", "–"] and differences["method.name"][2] == "supervised"
    assert "data.root" not in differences, "what is alike is left out"
    names = browser.execute_script("return document.getElementById('pick-curves').data.map(line => line.name)")
    assert names == ["0002", "0005", "supervised"]
    assert shown("#pick-people > div:first-child figcaption") == ["annotated", "0002: OKS 1.00", "0005: OKS 1.00"]
    for name in ("0002", "0005", "supervised"):
        browser.find_element("css selector", f"#leaderboard input[value='{name}']").click()
    assert not browser.find_element("id", "picks").is_displayed()


def test_the_leaderboard_is_filtered_by_words(search: Path, browser: Any) -> None:
    browser.get(f"file://{search / REPORT_FILE}")
    field = browser.find_element("id", "filter")
    rows = browser.find_elements("css selector", "#leaderboard tbody tr")
    field.send_keys("complete 0.97")
    assert [row.text.split()[0] for row in rows if row.is_displayed()] == ["0002", "0005"]
    field.clear()
    field.send_keys("x")
    field.send_keys("\b")
    assert all(row.is_displayed() for row in rows)


def test_names_cannot_break_out_of_the_page(make_search: MakeSearch) -> None:
    folder = make_search("<b>&'name", [((0.999, 0.5, 5), TrialState.COMPLETE, 8, 0.40)])
    compare.main([str(folder)])
    page = (folder / REPORT_FILE).read_text()
    assert "<b>&'name" not in page and "&lt;b&gt;&amp;" in page
    assert os.path.getsize(folder / REPORT_FILE) < 8_000_000
