"""One number of each preset."""

from __future__ import annotations

from tests.mutants.mutant import in_file

_PRESETS = "tests/trs/test_presets.py"
_NUMBERS = "test_a_preset_has_its_published_numbers"

MUTANTS = in_file(
    "trs/presets.py", _PRESETS,
    ("demo: labels", "labeled_count=300, sigma=1.0", "labeled_count=400, sigma=1.0", _NUMBERS),
    ("coco-1k: epochs", "epochs=70, lr_drops=(50 / 70, 60 / 70)", "epochs=100, lr_drops=(50 / 70, 60 / 70)", _NUMBERS),
    ("coco-1k: where the rate drops", "epochs=70, lr_drops=(50 / 70, 60 / 70)", "epochs=70, lr_drops=(0.7, 0.9)", _NUMBERS),
    ("coco-1k: pretrained weights", 'return Config(model=ModelConfig(pretrained="imagenet"),', "return Config(", _NUMBERS),
    ("coco-5k: labels", "_with_labels(coco_1k(), 5000, epochs=100", "_with_labels(coco_1k(), 500, epochs=100", _NUMBERS),
    ("coco-10k: where the rate drops", "10_000, epochs=100, lr_drops=(0.7, 0.9))", "10_000, epochs=100, lr_drops=(0.5, 0.9))",
     _NUMBERS),
    ("coco-1k-resnet50: labels", 'return _with_backbones(coco_1k(), "resnet50", "resnet50")',
     'return _with_backbones(coco_5k(), "resnet50", "resnet50")', _NUMBERS),
    ("coco-5k-resnet50: labels", 'return _with_backbones(coco_5k(), "resnet50", "resnet50")',
     'return _with_backbones(coco_10k(), "resnet50", "resnet50")', _NUMBERS),
    ("coco-10k-resnet50: a backbone", 'return _with_backbones(coco_10k(), "resnet50", "resnet50")',
     'return _with_backbones(coco_10k(), "resnet50", "resnet18")', _NUMBERS),
    ("coco-5k-mixed: the backbones' order", '"resnet50", "resnet18")', '"resnet18", "resnet50")', _NUMBERS),
    ("coco-wild: epochs", "train=TrainConfig(epochs=400, lr_drops=(0.75, 0.875))", "train=TrainConfig(epochs=300, lr_drops=(0.75, 0.875))", _NUMBERS),
    ("coco-wild: who is labeled", "data=DataConfig(labeled_count=None, unlabeled_annotations", "data=DataConfig(unlabeled_annotations",
     _NUMBERS),
    ("coco-wild-resnet101: backbones", '"resnet101", "resnet101")', '"resnet101", "resnet50")', _NUMBERS),
    ("coco-wild-hrnet-w48: sigma", "input_size=(384, 288), sigma=3.0)", "input_size=(384, 288))", _NUMBERS),
    ("coco-wild-hrnet-w48: lambda", "TRSConfig(paths=2, unsup_weight=0.25)", "TRSConfig(paths=2)", _NUMBERS),
    ("mpii-1k: where the rate drops", "TrainConfig(epochs=100, lr_drops=(0.5, 0.7))", "TrainConfig(epochs=100, lr_drops=(0.7, 0.9))",
     _NUMBERS),
    ("mpii-1k: input size", "input_size=(256, 256), labeled_count=1000, unlabeled_count=10_000",
     "labeled_count=1000, unlabeled_count=10_000", _NUMBERS),
    ("mpii-aic: unlabeled people", "labeled_count=10_000, unlabeled_count=100_000", "labeled_count=10_000, unlabeled_count=10_000",
     _NUMBERS),
    ("lspet: labels", "input_size=(128, 128), labeled_count=500", "input_size=(128, 128), labeled_count=1000", _NUMBERS),
    ("lspet-small: rotation", "view=ViewConfig(rotation=40)", "view=ViewConfig()", _NUMBERS))
