// Sizes of union and hull below this one count as this one.
const LEAST: f32 = 1e-7;

fn place(i: u32) -> u32 {
    return u32(load_places(i));
}

fn deltas_of(i: u32) -> vec4<f32> {
    let at = place(i);
    return vec4<f32>(load_x(at), load_x(at + 1u), load_x(at + 2u), load_x(at + 3u));
}

// By bits: a driver may assume that there is no such value, and minima and maxima may drop it.
fn not_a_number(v: vec4<f32>) -> bool {
    return any((bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u));
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

fn decode(i: u32, deltas: vec4<f32>) -> Decoded {
    let size = size_of(i);
    let d = deltas * vec4<f32>(p.std_x, p.std_y, p.std_w, p.std_h)
        + vec4<f32>(p.mean_x, p.mean_y, p.mean_w, p.mean_h);
    let center = size * d.xy;
    let limited = clamp(d.zw, vec2<f32>(-p.limit), vec2<f32>(p.limit));
    let decoded = size * exp(limited);
    let size_slope = select(vec2<f32>(), decoded, limited == d.zw);
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
    let deltas = deltas_of(i);
    if not_a_number(deltas) {
        return deltas.x + deltas.y + deltas.z + deltas.w;
    }
    let o = overlap(decode(i, deltas), target_low(i), target_high(i));
    let both = max(o.both, LEAST);
    let hull = max(o.hull, LEAST);
    return p.share * (1.0 - o.common_area / both + (hull - both) / hull);
}

// The part of the gradient that flows to the first argument of a maximum.
fn part(a: vec2<f32>, b: vec2<f32>) -> vec2<f32> {
    return select(select(vec2<f32>(), vec2<f32>(0.5), a == b), vec2<f32>(1.0), a > b);
}

fn slope(i: u32) -> vec4<f32> {
    let deltas = deltas_of(i);
    if not_a_number(deltas) {
        return vec4<f32>(deltas.x + deltas.y + deltas.z + deltas.w);
    }
    let b = decode(i, deltas);
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
