//! The part of a GIF's screen that its first frame does not cover.

/// The first frame, and the color of the screen around it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Surround {
    /// Left, top, width and height.
    frame: [usize; 4],
    color: [u8; 3],
}

/// Paints the screen around the first frame as Pillow does: in the transparent color of the frame, or else in
/// the first color of its palette. `image` makes it black.
pub(super) fn paint_around_frame(bytes: &[u8], width: usize, pixels: &mut [u8]) {
    let Some(Surround { frame: [left, top, frame_width, frame_height], color }) = surround(bytes) else {
        return;
    };
    for (y, row) in pixels.chunks_exact_mut(3 * width).enumerate() {
        let inside = (top..top + frame_height).contains(&y);
        for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
            if !inside || !(left..left + frame_width).contains(&x) {
                pixel.copy_from_slice(&color);
            }
        }
    }
}

/// What is around the first frame; `None` if it covers the screen, or in a damaged file.
fn surround(bytes: &[u8]) -> Option<Surround> {
    let number =
        |place: usize| Some(usize::from(u16::from_le_bytes([*bytes.get(place)?, *bytes.get(place + 1)?])));
    let palette_length = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let screen = [number(6)?, number(8)?];
    let mut palette = 13;
    let mut place = palette + palette_length(*bytes.get(10)?);
    let mut transparent = 0;
    loop {
        match *bytes.get(place)? {
            // An extension: a label, and blocks until an empty one.
            0x21 => {
                if *bytes.get(place + 1)? == 0xf9 && *bytes.get(place + 3)? & 1 == 1 {
                    transparent = usize::from(*bytes.get(place + 6)?);
                }
                place += 2;
                while let length @ 1.. = *bytes.get(place)? {
                    place += 1 + usize::from(length);
                }
                place += 1;
            }
            0x2c => break,
            _ => return None,
        }
    }
    let frame = [number(place + 1)?, number(place + 3)?, number(place + 5)?, number(place + 7)?];
    if *bytes.get(place + 9)? & 0x80 != 0 {
        palette = place + 10;
    }
    let [left, top, width, height] = frame;
    let covers = left == 0 && top == 0 && width >= screen[0] && height >= screen[1];
    let color = bytes.get(palette + 3 * transparent..)?.first_chunk::<3>()?;
    (!covers).then_some(Surround { frame, color: *color })
}
