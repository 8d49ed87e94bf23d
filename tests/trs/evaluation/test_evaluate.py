import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from trs.config import Config, EvalConfig
from trs.data import geometry
from trs.data.annotations.formats import load_people
from trs.data.datasets import Datasets, load_datasets
from trs.data.heatmaps import encode
from trs.errors import InputError
from trs.evaluation.coco_eval import coco_numbers
from trs.evaluation.evaluate import evaluate, require_metric
from trs.evaluation.oks import coco_results, score_poses
from trs.evaluation.predict import predict, read_crops
from trs.evaluation.results import write_results
from trs.methods.build import build_method
from trs.models.inference import poses_in_image, read_heatmaps


def noisy_poses(people, deviation: float) -> np.ndarray:
    """Ground truth plus noise relative to the person's size, with a score."""
    generator = np.random.default_rng(0)
    size = np.sqrt(people.boxes[:, 2:].prod(1))[:, None, None]
    places = people.keypoints + generator.normal(0, deviation, people.keypoints.shape) * size
    return np.concatenate([places, generator.uniform(0.3, 1, (*places.shape[:2], 1))], axis=2)


def results_of(people, rows: np.ndarray, poses: np.ndarray, category_id: int = 1) -> list[dict]:
    return coco_results(people, score_poses(people, rows, poses), category_id)


def direct_ap(ground_truth: Path, results: Path, sigmas) -> float:
    truth = COCO(str(ground_truth))
    evaluation = COCOeval(truth, truth.loadRes(str(results)), "keypoints")
    evaluation.params.kpt_oks_sigmas = np.array(sigmas)
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats[0]


def test_perfect_poses_score_1_and_noise_lowers_it(datasets: Datasets) -> None:
    val, rows = datasets.val, np.arange(len(datasets.val))
    results = [results_of(val, rows, noisy_poses(val, noise)) for noise in (0.0, 0.03, 0.3)]
    scores = [coco_numbers(datasets.truth, found, datasets.skeleton.sigmas)["ap"] for found in results]
    assert scores[0] == pytest.approx(1.0)
    assert 0.2 < scores[1] < 0.95 and scores[2] < 0.05
    assert coco_numbers(datasets.truth, [], datasets.skeleton.sigmas)["ap"] == 0


@pytest.mark.parametrize("dataset", ["coco_small", "lspet"])
def test_ap_equals_pycocotools_on_the_written_file(dataset: str, request, tmp_path: Path) -> None:
    root = request.getfixturevalue(dataset)
    name = "val2017" if dataset == "coco_small" else "val"
    truth = root / "annotations" / f"person_keypoints_{name}.json"
    people, skeleton, cleaned, *_ = load_people(truth, root / name)
    results = results_of(people, np.arange(len(people)), noisy_poses(people, 0.05))
    written = write_results(tmp_path, "a", results)
    ours = coco_numbers(cleaned, results, skeleton.sigmas)["ap"]
    assert 0.05 < ours < 0.95
    assert ours == pytest.approx(direct_ap(truth, written, skeleton.sigmas), abs=1e-12)


def labels_of(config: Config) -> Path:
    return Path(config.data.root) / config.data.val_annotations


def test_the_category_may_have_any_number(config: Config, datasets: Datasets, tmp_path: Path) -> None:
    content = json.loads(labels_of(config).read_text())
    content["categories"][0]["id"] = 0
    for record in content["annotations"]:
        record["category_id"] = 0
        del record["num_keypoints"], record["iscrowd"]  # some datasets leave them out
    truth = tmp_path / "annotations.json"
    truth.write_text(json.dumps(content))
    people, skeleton, cleaned, *_ = load_people(truth, Path(datasets.val.root))
    rows, poses = np.arange(len(people)), noisy_poses(people, 0.03)
    found = coco_numbers(cleaned, results_of(people, rows, poses, skeleton.category_id), skeleton.sigmas)
    expected = coco_numbers(datasets.truth, results_of(datasets.val, rows, poses), datasets.skeleton.sigmas)
    assert skeleton.category_id == 0 and found == expected and 0.2 < found["ap"] < 0.95


def test_a_worker_without_images_fits_the_others(datasets: Datasets, config: Config) -> None:
    """More workers than batches: what the idle ones gather has the types of what the others do."""
    method = build_method(config, len(datasets.skeleton))

    def poses(batches):
        crops = read_crops(datasets.val, batches, config.data.input_size, [])
        return predict(method.networks, method.peers, crops, config.eval, "last", datasets.skeleton.flip_order,
                       torch.device("cpu"))["a"]

    idle, busy = poses([]), poses([np.arange(3)])
    assert (idle.rows.dtype, idle.keypoints.dtype) == (busy.rows.dtype, busy.keypoints.dtype)


def test_the_order_of_the_poses_does_not_matter(datasets: Datasets) -> None:
    rows, poses = np.arange(len(datasets.val)), noisy_poses(datasets.val, 0.03)
    shuffled = np.random.default_rng(1).permutation(len(rows))
    assert results_of(datasets.val, rows, poses) == results_of(datasets.val, rows[shuffled], poses[shuffled])


def test_keypoints_survive_the_way_into_the_crop_and_back(datasets: Datasets, config: Config) -> None:
    """Ground truth -> heatmaps of the crop -> decoded -> image -> file: within a tenth of a pixel of the input."""
    crops = next(read_crops(datasets.val, [np.arange(len(datasets.val))], config.data.input_size, []))
    forward = np.stack([geometry.crop_matrix(box, config.data.input_size) for box in datasets.val.boxes])
    keypoints = np.stack([geometry.transform(k, m) for k, m in zip(datasets.val.keypoints, forward, strict=True)])
    heatmaps, weights = encode(torch.tensor(keypoints, dtype=torch.float32),
                               torch.tensor(datasets.val.keypoint_weights), (16, 16))
    poses = poses_in_image(heatmaps, torch.as_tensor(crops.matrices), "axes").numpy()
    labeled = weights.numpy() > 0
    pixels = 1 / np.linalg.norm(forward[:, 0, :2], axis=1)  # image pixels in a pixel of the input
    error = np.linalg.norm(poses[..., :2] - datasets.val.keypoints, axis=-1) / pixels[:, None]
    assert error[labeled].max() < 0.1
    written = results_of(datasets.val, crops.rows, poses)
    truth = {a["image_id"]: a for a in json.loads(labels_of(config).read_text())["annotations"]}
    for result in written:
        expected = np.array(truth[result["image_id"]]["keypoints"]).reshape(-1, 3)
        found = np.array(result["keypoints"]).reshape(-1, 3)
        seen = expected[:, 2] > 0
        assert np.abs(found[seen, :2] - expected[seen, :2]).max() < 0.3


def test_an_unreadable_image_is_a_missed_person(datasets: Datasets, config: Config, tmp_path: Path) -> None:
    sentences: list[str] = []
    broken = datasets.val.take(np.arange(4))
    broken.files[2] = "gone.jpg"
    found = list(read_crops(broken, [np.array([0, 1]), np.array([2]), np.array([3])], (64, 64), sentences))
    assert [crops.rows.tolist() for crops in found] == [[0, 1], [3]]
    assert len(sentences) == 1 and "gone.jpg" in sentences[0]


def test_the_ensemble_is_the_mean_heatmap(datasets: Datasets, config: Config) -> None:
    method = build_method(config, 17)
    crops = list(read_crops(datasets.val, [np.arange(5)], config.data.input_size, []))
    found = predict(method.networks, ("a", "b"), crops, EvalConfig(), "last", datasets.skeleton.flip_order,
                    torch.device("cpu"))
    same = predict(method.networks, ("a", "a"), crops, EvalConfig(), "last", datasets.skeleton.flip_order,
                   torch.device("cpu"))
    torch.testing.assert_close(same["ensemble"].keypoints, found["a"].keypoints)
    assert not torch.equal(found["ensemble"].keypoints, found["a"].keypoints)


def test_flip_test_is_symmetric() -> None:
    def network(images):
        return images[None, :, :2, ::4, ::4] ** 2

    images = torch.randn(3, 3, 16, 32)
    heatmaps = read_heatmaps(network, images, "last", [1, 0])
    mirrored = read_heatmaps(network, images.flip(-1), "last", [1, 0])
    torch.testing.assert_close(mirrored, heatmaps.flip(-1)[:, [1, 0]])


def test_fuse_takes_the_last_level_or_the_mean() -> None:
    levels = torch.randn(2, 3, 4, 8, 8)
    last, mean = (read_heatmaps(lambda _: levels, torch.zeros(3), fuse, None) for fuse in ("last", "mean"))
    assert torch.equal(last, levels[0])
    torch.testing.assert_close(mean, levels.mean(0))


def test_evaluate_names_every_network_and_hands_out_the_results(datasets: Datasets, config: Config) -> None:
    kept = {}
    metrics = evaluate(build_method(config, 17), datasets, config, torch.device("cpu"), [],
                       lambda name, results: kept.update({name: results}))
    assert kept.keys() == {"a", "b", "reviewer_a", "reviewer_b", "ensemble"}
    assert all(len(results) == len(datasets.val) for results in kept.values())
    assert metrics["ap"] == pytest.approx((metrics["ap_a"] + metrics["ap_b"]) / 2)
    assert metrics["ap"] < 0.05  # nobody has learned anything yet


def test_of_two_boxes_around_one_person_one_pose_stays(config: Config, tmp_path: Path) -> None:
    boxes = [{"image_id": record["image_id"], "category_id": 1, "bbox": record["bbox"], "score": score}
             for record in json.loads(labels_of(config).read_text())["annotations"] for score in (0.9, 0.8)]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    config = dataclasses.replace(config, data=dataclasses.replace(config.data,
                                                                  val_detections=str(tmp_path / "boxes.json")))
    datasets, kept = load_datasets(config.data), {}
    evaluate(build_method(config, 17), datasets, config, torch.device("cpu"), [],
             lambda name, results: kept.update({name: results}))
    for results in kept.values():
        images = [result["image_id"] for result in results]
        assert len(images) == len(set(images)) == len(boxes) // 2 == len(datasets.val) // 2


def test_a_metric_that_the_validation_set_does_not_allow_is_refused(datasets: Datasets) -> None:
    for metric in ("ap", "pck"):
        require_metric(datasets, metric)
    with pytest.raises(InputError, match=r"^this validation set has no pckh, only ap and pck; set eval\.metric to ap"):
        require_metric(datasets, "pckh")
    with pytest.raises(InputError, match=r"^this validation set has no ap, only pck; set eval\.metric to pck"):
        require_metric(dataclasses.replace(datasets, truth=None), "ap")
