"""Checks `cascade_torch.py`: the golden cases of pelk's detector, and a training step in a small image.

    detection.py --check

The tests of pelk-models run the same golden cases, so agreement with them is agreement with the Rust network.
"""

import json
import math
from collections.abc import Callable

import torch
from safetensors import safe_open
from torch import Tensor, nn

import cascade_torch
from cascade_torch import UNIT, UNKNOWN, Detector, Truth, anchors, assign, decode, encode, giou
from check import GOLDEN

Case = tuple[dict[str, Tensor], dict]


def case(name: str) -> Case:
    """The tensors and attributes of a golden case."""
    with safe_open(GOLDEN.with_name(f"{name}.safetensors"), "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, json.loads(file.metadata()["attrs"])


def boxes() -> None:
    """Assignment, coding, losses and anchors."""
    for number in range(5):
        tensors, attrs = case(f"assign_{number}")
        least = attrs["least"] if attrs["low_quality"] else None
        truths = tensors.get("in.truths", torch.zeros(0, 4))
        found = assign(tensors["in.boxes"], truths, attrs["negative"], attrs["positive"], least)
        # Golden cases write -1 for boxes that do not count, and 0 for background.
        found = torch.where(found == UNKNOWN, -1, found + 1)
        assert torch.equal(found, tensors["out.assigned"].long()), f"assign_{number}"
    for number in range(3):
        tensors, attrs = case(f"delta_encode_{number}")
        deltas = encode(tensors["in.targets"], tensors["in.boxes"], tuple(attrs["stds"]))
        torch.testing.assert_close(deltas, tensors["out.y"], rtol=1e-5, atol=1e-4)
        tensors, attrs = case(f"delta_decode_{number}")
        deltas, size = tensors["in.deltas"], attrs["image"] and tuple(attrs["image"])
        decoded = decode(
            deltas.view(len(deltas), -1, 4), tensors["in.boxes"][:, None], tuple(attrs["stds"]), size
        )
        torch.testing.assert_close(decoded.flatten(1), tensors["out.y"], rtol=1e-5, atol=1e-4)
    for number in range(2):
        tensors, attrs = case(f"giou_loss_{number}")
        loss = (1 - giou(tensors["in.boxes"], tensors["in.targets"])) * tensors["in.weights"]
        loss = attrs["loss_weight"] * loss.sum() / attrs["avg_factor"]
        torch.testing.assert_close(loss, tensors["out.y"][0])
        tensors, attrs = case(f"anchors_{number}")
        made = anchors([torch.empty(1, 1, *size) for size in attrs["sizes"]])
        for level, one in enumerate(made):
            torch.testing.assert_close(one, tensors[f"out.y{level}"])


class Given(nn.Module):
    """Stands for the network of proposals, and returns those of a golden case."""

    def __init__(self, found: Tensor):
        super().__init__()
        self.found = found

    def forward(self, _: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        return [], []

    def proposals(self, *_: object) -> Tensor:
        return self.found


def cascade() -> None:
    """Detection from maps and proposals: boxes, scores, classes, and masks in an image of half the size."""
    tensors, attrs = case("cascade_test")
    sizes = {"CHANNELS": 4, "CLASSES": attrs["classes"], "HIDDEN": 8}
    before = {name: getattr(cascade_torch, name) for name in (*sizes, "paste")}
    paste, original = cascade_torch.paste, tuple(attrs["original"])
    # The case pastes masks into the image before it was enlarged.
    changed = {"paste": lambda mask, box, _: paste(mask, box / 2, original)}
    for name, value in (sizes | changed).items():
        setattr(cascade_torch, name, value)
    try:
        detector = Detector("pelk_atto", tuple(attrs["padded"]), torch.contiguous_format, False).eval()
        for stage, (box, mask) in enumerate(zip(detector.box_heads, detector.mask_heads)):
            layers = {"hidden": "shared_fcs.0", "classify": "fc_cls", "shift": "fc_reg"}
            for j in range(4):
                layers |= {f"convs.{j}": f"shared_convs.{j}.conv", f"norms.{j}": f"shared_convs.{j}.bn"}
            load(box, layers, f"in.roi_head.bbox_head.{stage}", tensors)
            layers = {"upsample": "upsample", "logits": "conv_logits"}
            layers |= {f"convs.{j}": f"convs.{j}.conv" for j in range(4)}
            load(mask, layers, f"in.roi_head.mask_head.{stage}", tensors)
        maps = [tensors[f"in.x{level}"] for level in range(4)]
        detector.maps = lambda _: [*maps, maps[-1][:, :, ::2, ::2]]
        detector.rpn = Given(tensors["in.rois"][:, 1:])
        for fused in (False, True):
            if fused:
                for head in detector.box_heads:
                    head.fuse()
            found = detector.detect(torch.zeros(1, 3, *attrs["image"]), attrs["score_threshold"])
            count = attrs["max_per_image"]
            torch.testing.assert_close(found.boxes[:count] / 2, tensors["out.boxes"], rtol=1e-5, atol=1e-4)
            torch.testing.assert_close(found.scores[:count], tensors["out.scores"], rtol=1e-5, atol=1e-5)
            assert torch.equal(found.labels[:count], tensors["out.labels"].long())
            for box, mask, expected in zip(found.boxes / 2, found.masks, tensors["out.masks"]):
                image = torch.zeros(original, dtype=torch.bool)
                x, y = (max(math.floor(corner), 0) for corner in box[:2])
                image[y : y + mask.shape[0], x : x + mask.shape[1]] = mask
                assert torch.equal(image, expected.bool())
    finally:
        for name, value in before.items():
            setattr(cascade_torch, name, value)


def load(head: nn.Module, layers: dict[str, str], prefix: str, tensors: dict[str, Tensor]) -> None:
    """Gives a head the weights of a golden case; `layers` maps our names to those of the case."""
    weights = {}
    for name in head.state_dict():
        layer, part = name.rsplit(".", 1)
        if part != "num_batches_tracked":
            weights[name] = tensors[f"{prefix}.{layers[layer]}.{part}"]
    missing, unknown = head.load_state_dict(weights, strict=False)
    assert not unknown and all(name.endswith("num_batches_tracked") for name in missing), (missing, unknown)


def small(setup: tuple[Detector, Tensor, Truth, Callable[[], float]], parameters: int) -> float:
    """A training step and a detection in an image of 64 x 96: nothing is missing or not finite."""
    detector, image, truth, step = setup
    count = sum(parameter.numel() for parameter in detector.parameters())
    assert count == parameters, f"{count} parameters, expected {parameters}"
    loss = step()
    assert math.isfinite(loss), loss
    for name, parameter in detector.named_parameters():
        gradient = parameter.grad
        assert gradient is not None and gradient.isfinite().all(), f"no finite gradient of {name}"
        assert parameter.isfinite().all(), f"{name} is not finite after a step"
    with torch.no_grad():
        assert detector.loss(image, Truth(truth.boxes[:0], truth.labels[:0], truth.masks[:0])).isfinite()
        detector.eval()
        before = detector.maps(image)
        detector.merge()
        after = detector.maps(image)
    sides = [tuple(level.shape[1:]) for level in after]
    assert sides == [(256, 16, 24), (256, 8, 12), (256, 4, 6), (256, 2, 3), (256, 1, 2)], sides
    for one, other in zip(before, after):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    found = detector.detect(image, least=0.0)
    assert found.boxes.shape == (100, 4) and found.boxes.isfinite().all()
    assert found.scores.shape == (100,) and (found.scores.diff() <= 0).all()
    assert found.labels.shape == (100,) and found.labels.max() < cascade_torch.CLASSES
    assert len(found.masks) == 100 and any(mask.any() for mask in found.masks)
    assert not detector.detect(image, least=1.0).masks
    return loss
