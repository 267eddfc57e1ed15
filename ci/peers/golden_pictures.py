"""Pictures of odd kinds, and what Pillow's `convert("RGB")` makes of each: NAME and NAME.rgb (height x width x 3 bytes).

    python golden_pictures.py crates/pelk-data/tests/fixtures/pictures      # with Pillow 13.0
"""

import io
import struct
import sys
import zlib
from pathlib import Path

from PIL import Image

FOLDER = Path(sys.argv[1])
WIDTH, HEIGHT = 21, 14


def colors(shift=0):
    """A smooth picture, as photographs are: what sharp edges would add are differences between JPEG decoders."""
    image = Image.new("RGB", (WIDTH, HEIGHT))
    image.putdata(
        [(10 * x + shift, 15 * y + 2 * x, 250 - 6 * x - 6 * y) for y in range(HEIGHT) for x in range(WIDTH)]
    )
    return image


def write(name, data, reference=None):
    (FOLDER / name).write_bytes(data)
    image = reference or Image.open(io.BytesIO(data)).convert("RGB")
    assert image.size == (WIDTH, HEIGHT)
    (FOLDER / f"{name}.rgb").write_bytes(image.tobytes())


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(color, depth, rows):
    """A PNG of these rows of bytes, of kinds that Pillow does not write."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, depth, color, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def interlaced(image):
    """The picture as a PNG in Adam7's seven passes."""
    rows = []
    for x0, y0, dx, dy in [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]:
        for y in range(y0, HEIGHT, dy):
            rows.append(b"".join(bytes(image.getpixel((x, y))) for x in range(x0, WIDTH, dx)))
    data = bytearray(png(2, 8, rows))
    data[28] = 1
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    return bytes(data)


image = colors()
alpha = Image.new("L", image.size)
alpha.putdata([12 * x for _ in range(HEIGHT) for x in range(WIDTH)])
gray = image.convert("L")

# JPEG of every kind that photographs come in.
write("420.jpg", saved(image, "JPEG", quality=95, subsampling=2))
write("444.jpg", saved(image, "JPEG", quality=95, subsampling=0))
write("progressive.jpg", saved(image, "JPEG", quality=95, subsampling=2, progressive=True))
write("restarts.jpg", saved(image, "JPEG", quality=95, subsampling=2, restart_marker_blocks=1))
write("gray.jpg", saved(gray, "JPEG", quality=95))
exif = Image.Exif()
exif[0x0112] = 6
write("rotated.jpg", saved(image, "JPEG", quality=95, subsampling=0, exif=exif))
cmyk = Image.merge("CMYK", [*[band.point(lambda v: 255 - v) for band in image.split()], alpha.point(lambda v: v // 3)])
write("cmyk.jpg", saved(cmyk, "JPEG", quality=95))
# Adobe's YCCK: the bytes of the four channels as they stand (Pillow turns them over), and the transform's mark.
luma, blue, red = image.convert("YCbCr").split()
ycck = Image.merge("CMYK", [band.point(lambda v: 255 - v) for band in (luma, blue, red, alpha.point(lambda v: 255 - v // 3))])
data = bytearray(saved(ycck, "JPEG", quality=95))
data[data.index(b"Adobe") + 11] = 2
write("ycck.jpg", bytes(data))

# PNG and others.
write("alpha.png", saved(Image.merge("RGBA", [*image.split(), alpha]), "PNG"))
write("gray.png", saved(gray, "PNG"))
write("gray-alpha.png", saved(Image.merge("LA", [gray, alpha]), "PNG"))
palette = image.quantize(16)
write("palette.png", saved(palette, "PNG"))
write("palette-transparent.png", saved(palette, "PNG", transparency=bytes(range(0, 256, 16))))
write("bits.png", saved(image.convert("1"), "PNG"))
write("interlaced.png", interlaced(image))
deep = [[(257 * v + 97) % 65536 for x in range(WIDTH) for v in image.getpixel((x, y))] for y in range(HEIGHT)]
write("deep.png", png(2, 16, [struct.pack(f">{len(row)}H", *row) for row in deep]))
# Pillow cuts gray of 16 bits off at 255, which nobody wants; the upper byte, as it does for colors.
deep = [[(257 * gray.getpixel((x, y)) + 97) % 65536 for x in range(WIDTH)] for y in range(HEIGHT)]
upper = Image.new("L", image.size)
upper.putdata([value >> 8 for row in deep for value in row])
write("deep-gray.png", png(0, 16, [struct.pack(f">{WIDTH}H", *row) for row in deep]), upper.convert("RGB"))
write("colors.webp", saved(image, "WEBP", lossless=True))
write("colors.bmp", saved(image, "BMP"))
write("colors.gif", saved(palette, "GIF"))
write("colors.tif", saved(image, "TIFF"))
write("colors.ppm", saved(image, "PPM"))
# The content says what a file is, not its name.
write("png-in-truth.jpg", saved(image, "PNG"))
