"""Golden images of pelk-data's augmentations: PIL's resizing, and timm's RandAugment operations with their strengths.

    pip install pillow numpy safetensors; pip install --no-deps timm
    python golden_augmentation.py crates/pelk-data/tests/golden/augmentation.safetensors

Bytes, height x width x channels. `rgb` and `gray` are the inputs, `large` the one that is resized. The other names say what made them:
`resize/TOP,LEFT,HEIGHT,WIDTH/SIDE` is a part, cut out and resized to a square; `evaluation/SIDE/RATIO/IMAGE` torchvision's Resize and
CenterCrop; `INPUT/OPERATION/LEVEL/SIGN/ORDER` an operation of RandAugment at a level, with the sign that it draws, of timm's set of
increasing operations (`inc`) or of the other (`all`).
"""

import importlib.util
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.numpy import save_file

MEAN = (124, 116, 104)


def load_timm():
    """timm's module alone, since its package imports PyTorch."""
    package = Path(importlib.util.find_spec("timm").origin).parent
    spec = importlib.util.spec_from_file_location("auto_augment", package / "data/auto_augment.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def picture(height: int, width: int, seed: int) -> np.ndarray:
    """Ramps, an edge, a flat square and noise, in a range that leaves room above and below."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    value = np.stack([40 + 150 * x / width, 200 - 140 * y / height, 90 + 60 * np.sin(x / 3 + y / 4)], axis=-1)
    value[height // 3 :, : width // 3] *= 0.5
    value += rng.normal(0, 12, value.shape)
    value[height // 2 : height // 2 + 4, width // 2 : width // 2 + 5] = [200, 30, 120]
    return value.clip(5, 240).round().astype(np.uint8)


def operations(timm, name: str, image: Image.Image, fill: tuple, out: dict):
    hparams = {"img_mean": fill, "interpolation": Image.Resampling.BICUBIC}
    for order, kinds in [("inc", timm._RAND_INCREASING_TRANSFORMS), ("all", timm._RAND_TRANSFORMS)]:
        for kind in kinds:
            if order == "all" and kind in timm._RAND_INCREASING_TRANSFORMS:
                continue
            for level in (4.0, 9.3):
                arguments = None
                for sign, draw in (("+", 0.0), ("-", 1.0)):
                    timm.random.random = lambda: draw
                    op = timm.AugmentOp(kind, hparams=hparams)
                    before, arguments = arguments, op.level_fn(level, hparams) if op.level_fn else ()
                    if sign == "-" and arguments == before:
                        continue  # It has no sign.
                    result = np.asarray(op.aug_fn(image, *arguments, **op.kwargs))
                    out[f"{name}/{kind.removesuffix('Increasing')}/{level}/{sign}/{order}"] = result.reshape(*result.shape[:2], -1)


def evaluation(image: Image.Image, side: int, ratio: float) -> Image.Image:
    """torchvision.transforms: Resize(int(side / ratio), BICUBIC) and CenterCrop(side); with ratio 1 Resize((side, side), BICUBIC)."""
    if ratio == 1.0:
        return image.resize((side, side), Image.Resampling.BICUBIC)
    short = int(side / ratio)
    width, height = image.size
    if width <= height:
        size = (short, int(short * height / width))
    else:
        size = (int(short * width / height), short)
    image = image.resize(size, Image.Resampling.BICUBIC)
    left, top = (int(round((length - side) / 2.0)) for length in size)
    return image.crop((left, top, left + side, top + side))


def main(path: str):
    timm = load_timm()
    out = {"rgb": picture(14, 18, 1), "large": picture(37, 61, 2)}
    out["gray"] = np.ascontiguousarray(out["rgb"][:, :, 1:2])
    operations(timm, "rgb", Image.fromarray(out["rgb"]), MEAN, out)
    operations(timm, "gray", Image.fromarray(out["gray"][:, :, 0]), MEAN[:1], out)
    large = Image.fromarray(out["large"])
    for (top, left, height, width), side in [
        ((0, 0, 37, 61), 16),
        ((3, 7, 30, 22), 12),
        ((5, 2, 9, 13), 24),
        ((10, 20, 16, 16), 16),
        ((36, 60, 1, 1), 5),
    ]:
        cut = large.crop((left, top, left + width, top + height))
        resized = cut.resize((side, side), Image.Resampling.BICUBIC)
        out[f"resize/{top},{left},{height},{width}/{side}"] = np.asarray(resized)
    for side, ratio in [(24, 0.875), (14, 0.875), (32, 0.9), (20, 1.0), (40, 0.875)]:
        for name in ("large", "rgb"):
            out[f"evaluation/{side}/{ratio}/{name}"] = np.asarray(evaluation(Image.fromarray(out[name]), side, ratio))
    save_file({name: np.ascontiguousarray(value) for name, value in out.items()}, path)
    print(f"{len(out)} images, {Path(path).stat().st_size} bytes")


if __name__ == "__main__":
    main(sys.argv[1])
