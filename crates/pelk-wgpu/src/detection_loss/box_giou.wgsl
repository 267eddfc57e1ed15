// Sizes of union and hull below this one count as this one.
const LEAST: f32 = 1e-7;

fn place(i: u32) -> u32 {
    return u32(load_places(i));
}

// A box as seen from the center of the one that its deltas start from.
struct Decoded {
    low: vec2<f32>,
    high: vec2<f32>,
    // The derivative by a size's delta is half of this, at the upper corner; 0 where the size is limited.
    size_slope: vec2<f32>,
}

fn size_of(i: u32) -> vec2<f32> {
    return vec2<f32>(load_sizes(2u * i), load_sizes(2u * i + 1u));
}

fn decode(i: u32) -> Decoded {
    let at = place(i);
    let size = size_of(i);
    let moved = vec2<f32>(load_x(at) * p.std_x + p.mean_x, load_x(at + 1u) * p.std_y + p.mean_y);
    let center = size * moved;
    let d = vec2<f32>(load_x(at + 2u) * p.std_w + p.mean_w, load_x(at + 3u) * p.std_h + p.mean_h);
    let limited = clamp(d, vec2<f32>(-p.limit), vec2<f32>(p.limit));
    let decoded = size * exp(limited);
    let size_slope = select(vec2<f32>(), decoded, limited == d);
    return Decoded(center - 0.5 * decoded, center + 0.5 * decoded, size_slope);
}

fn target_low(i: u32) -> vec2<f32> {
    return vec2<f32>(load_targets(4u * i), load_targets(4u * i + 1u));
}

fn target_high(i: u32) -> vec2<f32> {
    return vec2<f32>(load_targets(4u * i + 2u), load_targets(4u * i + 3u));
}

// The sides of the overlap, not negative, and of the hull; the areas of both and of the union.
struct Overlap {
    inner: vec2<f32>,
    outer: vec2<f32>,
    common_area: f32,
    both: f32,
    hull: f32,
}

fn overlap(b: Decoded, low: vec2<f32>, high: vec2<f32>) -> Overlap {
    let inner = max(min(b.high, high) - max(b.low, low), vec2<f32>());
    let outer = max(b.high, high) - min(b.low, low);
    let common_area = inner.x * inner.y;
    let own = b.high - b.low;
    let target_size = high - low;
    let both = own.x * own.y + target_size.x * target_size.y - common_area;
    return Overlap(inner, outer, common_area, both, outer.x * outer.y);
}

fn loss(i: u32) -> f32 {
    let o = overlap(decode(i), target_low(i), target_high(i));
    let both = max(o.both, LEAST);
    let hull = max(o.hull, LEAST);
    return p.share * (1.0 - o.common_area / both + (hull - both) / hull);
}

// The part of the gradient that flows to the first argument of a maximum.
fn part(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
    return select(select(vec2<f32>(), vec2<f32>(0.5), a == b), vec2<f32>(1.0), a > b);
}

fn slope(i: u32) -> vec4<f32> {
    let b = decode(i);
    let low = target_low(i);
    let high = target_high(i);
    let o = overlap(b, low, high);
    let both = max(o.both, LEAST);
    let hull = max(o.hull, LEAST);
    let by_both = select(0.0, 1.0 / hull - o.common_area / (both * both), o.both > LEAST);
    let by_hull = select(0.0, -both / (hull * hull), o.hull > LEAST);
    let by_shared = 1.0 / both - by_both;
    let by_area = by_both * (b.high - b.low).yx;
    let meet = min(b.high, high) >= max(b.low, low);
    let inside = select(vec2<f32>(), by_shared * o.inner.yx, meet);
    let outside = by_hull * o.outer.yx;
    let by_high = by_area + inside * part(high, b.high) + outside * part(b.high, high);
    let by_low = -by_area - inside * part(b.low, low) - outside * part(low, b.low);
    let by_center = size_of(i) * (by_low + by_high);
    let by_size = 0.5 * b.size_slope * (by_high - by_low);
    return -p.share * vec4<f32>(by_center, by_size) * vec4<f32>(p.std_x, p.std_y, p.std_w, p.std_h);
}
