"""Cascade Mask R-CNN with a PeLK in PyTorch: the rival of `pelk train --preset coco-pelk-t`.

The network and its training are those of MMDetection with the settings of ConvNeXt's recipe. One image at a
time, because that is what `detection.py` measures. Boxes are x1, y1, x2, y2 in pixels of the image, and a
`size` is height and width.
"""

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.ops import batched_nms, roi_align

from pelk_torch import MODELS, LayerNorm, Merged, Pelk

CHANNELS = 256
CLASSES = 80
HIDDEN = 1024  # features of the box heads
LEVELS = 4  # maps that boxes are read from; the proposals use one more
RATIOS = (0.5, 1.0, 2.0)  # height over width of the anchors
LARGEST = abs(math.log(16 / 1000))  # of the logarithms of scale in deltas
UNIT = (1.0, 1.0, 1.0, 1.0)
BACKGROUND, UNKNOWN = -1, -2  # of a box's truth


@dataclass(frozen=True)
class Stage:
    """The settings of one stage of the cascade."""

    iou: float
    stds: tuple[float, float, float, float]
    weight: float


STAGES = (
    Stage(0.5, (0.1, 0.1, 0.2, 0.2), 1.0),
    Stage(0.6, (0.05, 0.05, 0.1, 0.1), 0.5),
    Stage(0.7, (0.033, 0.033, 0.067, 0.067), 0.25),
)


@dataclass(frozen=True)
class Truth:
    """The objects of an image: boxes `[G, 4]`, labels `[G]` and masks of 0 and 1 `[G, height, width]`."""

    boxes: Tensor
    labels: Tensor
    masks: Tensor


@dataclass(frozen=True)
class Detections:
    """What was found in an image, best first."""

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    masks: list[Tensor]  # of the pixels of each box


def encode(truths: Tensor, boxes: Tensor, stds: tuple[float, ...]) -> Tensor:
    """The deltas that turn `boxes` into `truths`."""
    size, size_to = boxes[:, 2:] - boxes[:, :2], truths[:, 2:] - truths[:, :2]
    shift = (truths[:, :2] + truths[:, 2:] - boxes[:, :2] - boxes[:, 2:]) / 2 / size
    return torch.cat((shift, (size_to / size).log()), 1) / boxes.new_tensor(stds)


def decode(deltas: Tensor, boxes: Tensor, stds: tuple[float, ...], size: tuple[int, int] | None) -> Tensor:
    """Boxes of deltas `[..., 4]`, clamped to an image of `size` if there is one."""
    deltas = deltas * deltas.new_tensor(stds)
    sides = boxes[..., 2:] - boxes[..., :2]
    center = (boxes[..., :2] + boxes[..., 2:]) / 2 + sides * deltas[..., :2]
    half = sides * deltas[..., 2:].clamp(-LARGEST, LARGEST).exp() / 2
    decoded = torch.cat((center - half, center + half), -1)
    if size is None:
        return decoded
    height, width = size
    return decoded.clamp(min=0).minimum(decoded.new_tensor([width, height, width, height]))


def area(boxes: Tensor) -> Tensor:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def common(a: Tensor, b: Tensor) -> Tensor:
    """The area where boxes overlap."""
    sides = torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])
    return sides.clamp(min=0).prod(-1)


def giou(a: Tensor, b: Tensor) -> Tensor:
    """The generalized IoU of pairs of boxes."""
    inter = common(a, b)
    union = (area(a) + area(b) - inter).clamp(min=1e-7)
    hull = torch.cat((torch.minimum(a[:, :2], b[:, :2]), torch.maximum(a[:, 2:], b[:, 2:])), 1)
    hull = area(hull).clamp(min=1e-7)
    return inter / union - (hull - union) / hull


def assign(boxes: Tensor, truths: Tensor, negative: float, positive: float, least: float | None) -> Tensor:
    """The truth of each box, or `BACKGROUND`, or `UNKNOWN`.

    With `least`, each truth also gets the boxes that overlap it best, if their IoU is at least this.
    """
    if not len(truths):
        return torch.full((len(boxes),), BACKGROUND)
    inter = common(boxes[:, None], truths)
    iou = inter / (area(boxes)[:, None] + area(truths) - inter).clamp(min=1e-6)
    best, which = iou.max(1)
    found = torch.where(best < negative, BACKGROUND, UNKNOWN)
    found = torch.where(best >= positive, which, found)
    if least is not None and len(boxes):
        most = iou.amax(0)
        hits = (iou == most) & (most >= least)
        # Of several truths, the last one keeps the box.
        last = (hits * torch.arange(1, len(truths) + 1)).amax(1) - 1
        found = torch.where(last >= 0, last, found)
    return found


def sample(found: Tensor, count: int, positives: int) -> tuple[Tensor, Tensor]:
    """Random rows of positives, at most this many, and of negatives, `count` in all."""

    def draw(rows: Tensor, number: int) -> Tensor:
        return rows[torch.randperm(len(rows))[:number]].sort().values

    drawn = draw((found >= 0).nonzero()[:, 0], positives)
    return drawn, draw((found == BACKGROUND).nonzero()[:, 0], count - len(drawn))


class Pyramid(nn.Module):
    """The feature pyramid: five maps of the backbone's four."""

    def __init__(self, widths: tuple[int, ...]):
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(width, CHANNELS, 1) for width in widths)
        self.output = nn.ModuleList(nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1) for _ in widths)
        for conv in (*self.lateral, *self.output):
            nn.init.xavier_uniform_(conv.weight)
            nn.init.zeros_(conv.bias)

    def forward(self, maps: list[Tensor]) -> list[Tensor]:
        sums = [conv(x) for conv, x in zip(self.lateral, maps)]
        for i in range(len(sums) - 1, 0, -1):
            sums[i - 1] = sums[i - 1] + F.interpolate(sums[i], sums[i - 1].shape[2:], mode="nearest")
        outputs = [conv(x) for conv, x in zip(self.output, sums)]
        return [*outputs, outputs[-1][:, :, ::2, ::2]]


def anchors(maps: list[Tensor]) -> list[Tensor]:
    """The anchors of each map `[H W 3, 4]`: row, column, ratio. Their centers are the cells' corners."""
    levels = []
    for i, x in enumerate(maps):
        stride = 4 << i
        root = torch.tensor(RATIOS).sqrt()
        half = 4 * stride * torch.stack((-1 / root, -root, 1 / root, root), 1)
        rows, columns = torch.meshgrid(torch.arange(x.shape[2]), torch.arange(x.shape[3]), indexing="ij")
        centers = stride * torch.stack((columns, rows, columns, rows), -1)
        levels.append((centers[:, :, None] + half).reshape(-1, 4))
    return levels


class RegionProposals(nn.Module):
    """The network that proposes boxes: three anchors at each pixel of all five maps."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1)
        self.objectness = nn.Conv2d(CHANNELS, len(RATIOS), 1)
        self.deltas = nn.Conv2d(CHANNELS, 4 * len(RATIOS), 1)
        for conv in self.children():
            nn.init.normal_(conv.weight, std=0.01)
            nn.init.zeros_(conv.bias)

    def forward(self, maps: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """For each level the logits `[A]` and deltas `[A, 4]` of its anchors."""
        hidden = [F.relu(self.conv(x)) for x in maps]
        logits = [self.objectness(x).permute(0, 2, 3, 1).reshape(-1) for x in hidden]
        return logits, [self.deltas(x).permute(0, 2, 3, 1).reshape(-1, 4) for x in hidden]

    @staticmethod
    def losses(logits: Tensor, deltas: Tensor, boxes: Tensor, truth: Truth, size: tuple[int, int]) -> Tensor:
        """The sum of both losses, for the anchors of all levels."""
        height, width = size
        usable = (boxes[:, :2] >= 0).all(1) & (boxes[:, 2] < width) & (boxes[:, 3] < height)
        usable = usable.nonzero()[:, 0]
        found = assign(boxes[usable], truth.boxes, 0.3, 0.7, 0.3)
        positives, negatives = sample(found, 256, 128)
        matched = truth.boxes[found[positives]]
        positives, negatives = usable[positives], usable[negatives]
        rows = torch.cat((positives, negatives))
        objects = (torch.arange(len(rows)) < len(positives)).float()
        classes = F.binary_cross_entropy_with_logits(logits[rows], objects, reduction="sum")
        target = encode(matched, boxes[positives], UNIT)
        shift = F.smooth_l1_loss(deltas[positives], target, beta=1 / 9, reduction="sum")
        return (classes + shift) / (max(len(positives), 1) + max(len(negatives), 1))

    @staticmethod
    @torch.no_grad()
    def proposals(
        logits: list[Tensor], deltas: list[Tensor], boxes: list[Tensor], size: tuple[int, int], count: int
    ) -> Tensor:
        """At most `count` boxes after NMS in each level."""
        scores, best, levels = [], [], []
        for level, (one, shift, anchor) in enumerate(zip(logits, deltas, boxes)):
            score, rows = one.sigmoid().topk(min(count, len(one)))
            decoded = decode(shift[rows], anchor[rows], UNIT, size)
            full = ((decoded[:, 2:] - decoded[:, :2]) > 0).all(1)
            scores.append(score[full])
            best.append(decoded[full])
            levels.append(torch.full((len(best[-1]),), level))
        joined = torch.cat(best)
        return joined[batched_nms(joined, torch.cat(scores), torch.cat(levels), 0.7)[:count]]


class BoxHead(nn.Module):
    """Class logits `[R, K + 1]` and deltas `[R, K, 4]` of features `[R, 256, 7, 7]`."""

    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False) for _ in range(4)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(CHANNELS) for _ in range(4))
        self.hidden = nn.Linear(CHANNELS * 7 * 7, HIDDEN)
        self.classify = nn.Linear(HIDDEN, CLASSES + 1)
        self.shift = nn.Linear(HIDDEN, 4 * CLASSES)
        for conv in self.convs:
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        nn.init.xavier_uniform_(self.hidden.weight)
        nn.init.normal_(self.classify.weight, std=0.01)
        nn.init.normal_(self.shift.weight, std=0.001)
        for layer in (self.hidden, self.classify, self.shift):
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        for conv, norm in zip(self.convs, self.norms):
            x = F.relu(norm(conv(x)), inplace=True)
        x = F.relu(self.hidden(x.flatten(1)))
        return self.classify(x), self.shift(x).view(-1, CLASSES, 4)

    def fuse(self) -> None:
        """Merges the normalization into the convolutions, for inference."""
        self.convs = nn.ModuleList(map(fuse_conv_bn_eval, self.convs, self.norms))
        self.norms = nn.ModuleList(nn.Identity() for _ in self.norms)


class MaskHead(nn.Module):
    """Mask logits `[R, K, 28, 28]` of features `[R, 256, 14, 14]`."""

    def __init__(self):
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1) for _ in range(4))
        self.upsample = nn.ConvTranspose2d(CHANNELS, CHANNELS, 2, 2)
        self.logits = nn.Conv2d(CHANNELS, CLASSES, 1)
        for conv in (*self.convs, self.upsample, self.logits):
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
            nn.init.zeros_(conv.bias)

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.convs:
            x = F.relu(conv(x), inplace=True)
        return self.logits(F.relu(self.upsample(x), inplace=True))


def paste(mask: Tensor, box: Tensor, size: tuple[int, int]) -> Tensor:
    """The pixels of an image of `size`, within `box`, where a mask of probabilities is at least a half.

    Bilinear and zero outside the mask. The rule for rows and the one for columns are two matrices.
    """

    def matrix(low: float, high: float, limit: int) -> Tensor:
        first, last = max(math.floor(low), 0), min(math.ceil(high), limit)
        at = (torch.arange(first, last) + 0.5 - low) / max(high - low, 1e-6) * len(mask) - 0.5
        return (1 - (at[:, None] - torch.arange(len(mask))).abs()).clamp(min=0)

    x1, y1, x2, y2 = box.tolist()
    return matrix(y1, y2, size[0]) @ mask @ matrix(x1, x2, size[1]).T >= 0.5


class Detector(nn.Module):
    """The whole network, for images of `size`."""

    def __init__(self, model: str, size: tuple[int, int], layout: torch.memory_format, fft: bool):
        super().__init__()
        config = replace(MODELS[model], drop_path=0.4, classes=0)
        self.layout = layout
        self.backbone = Pelk(config, size, layout, fft)
        self.norms = nn.ModuleList(LayerNorm(width, layout) for width in config.widths)
        self.pyramid = Pyramid(config.widths)
        self.rpn = RegionProposals()
        self.box_heads = nn.ModuleList(BoxHead() for _ in STAGES)
        self.mask_heads = nn.ModuleList(MaskHead() for _ in STAGES)
        self.to(memory_format=layout)

    def merge(self) -> None:
        """Turns this network into its inference form."""
        self.eval()
        self.backbone = Merged(self.backbone)
        for head in self.box_heads:
            head.fuse()
        self.to(memory_format=self.layout)

    def maps(self, image: Tensor) -> list[Tensor]:
        return self.pyramid([norm(x) for norm, x in zip(self.norms, self.backbone.maps(image))])

    def features(self, maps: list[Tensor], boxes: Tensor, side: int) -> Tensor:
        """What heads read of boxes: `[R, 256, side, side]`, each from the map of its box's size."""
        level = (area(boxes).sqrt() / 56 + 1e-6).log2().floor().clamp(0, LEVELS - 1)
        rows = [(level == i).nonzero()[:, 0] for i in range(LEVELS)]
        parts = [
            roi_align(x, [boxes[of]], side, 1 / (4 << i), sampling_ratio=0, aligned=True)
            for i, (x, of) in enumerate(zip(maps, rows))
        ]
        return torch.cat(parts)[torch.cat(rows).argsort()].contiguous(memory_format=self.layout)

    def loss(self, image: Tensor, truth: Truth) -> Tensor:
        """The sum of all losses for an image `[1, 3, height, width]`."""
        size = tuple(image.shape[2:])
        maps = self.maps(image)
        logits, deltas = self.rpn(maps)
        boxes = anchors(maps)
        total = self.rpn.losses(torch.cat(logits), torch.cat(deltas), torch.cat(boxes), truth, size)
        proposals = self.rpn.proposals(logits, deltas, boxes, size, 2000)
        for stage, box_head, mask_head in zip(STAGES, self.box_heads, self.mask_heads):
            found = assign(proposals, truth.boxes, stage.iou, stage.iou, None)
            # The truths come first, as proposals of themselves.
            proposals = torch.cat((truth.boxes, proposals))
            found = torch.cat((torch.arange(len(truth.boxes)), found))
            positives, negatives = sample(found, 512, 128)
            rows = torch.cat((positives, negatives))
            sampled, matched, count = proposals[rows], found[positives], len(positives)
            labels = torch.cat((truth.labels[matched], torch.full((len(negatives),), CLASSES)))
            logits, deltas = box_head(self.features(maps, sampled, 7))
            losses = F.cross_entropy(logits, labels)
            if count:
                known, own = sampled[:count], labels[:count]
                boxes = decode(deltas[torch.arange(count), own], known, stage.stds, None)
                losses = losses + 10 * (1 - giou(boxes, truth.boxes[matched])).sum() / len(rows)
                masks = mask_head(self.features(maps, known, 14))[torch.arange(count), own]
                target = torch.cat((matched[:, None].float(), known), 1)
                target = roi_align(truth.masks[:, None], target, 28, 1.0, sampling_ratio=0, aligned=True)
                losses = losses + F.binary_cross_entropy_with_logits(masks, (target[:, 0] >= 0.5).float())
            total = total + stage.weight * losses
            # Negatives move as the most probable object; the truths that were added are dropped.
            classes = torch.where(labels < CLASSES, labels, logits[:, :CLASSES].argmax(1))
            refined = decode(deltas.detach()[torch.arange(len(rows)), classes], sampled, stage.stds, size)
            proposals = refined[rows >= len(truth.boxes)]
        return total

    @torch.inference_mode()
    def detect(self, image: Tensor, least: float = 0.05) -> Detections:
        """At most 100 objects in an image `[1, 3, height, width]`, each with a probability above `least`."""
        size = tuple(image.shape[2:])
        maps = self.maps(image)
        boxes = self.rpn.proposals(*self.rpn(maps), anchors(maps), size, 1000)
        sums = boxes.new_zeros(len(boxes), CLASSES + 1)
        for number, (stage, head) in enumerate(zip(STAGES, self.box_heads), 1):
            logits, deltas = head(self.features(maps, boxes, 7))
            sums += logits
            if number < len(STAGES):
                own = deltas[torch.arange(len(boxes)), logits[:, :CLASSES].argmax(1)]
                boxes = decode(own, boxes, stage.stds, size)
        boxes = decode(deltas, boxes[:, None], STAGES[-1].stds, size)
        scores = (sums / len(STAGES)).softmax(1)[:, :CLASSES]
        rows, labels = (scores > least).nonzero(as_tuple=True)
        boxes, scores = boxes[rows, labels], scores[rows, labels]
        kept = batched_nms(boxes, scores, labels, 0.5)[:100]
        boxes, scores, labels = boxes[kept], scores[kept], labels[kept]
        features = self.features(maps, boxes, 14)
        sigmoids = [head(features)[torch.arange(len(kept)), labels].sigmoid() for head in self.mask_heads]
        masks = [paste(mask, box, size) for mask, box in zip(sum(sigmoids) / len(STAGES), boxes)]
        return Detections(boxes, scores, labels, masks)
