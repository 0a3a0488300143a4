//! Joint stereo (clause 2.4.3.4.9 of 11172-3, 2.4.3.2 of 13818-3): two coded channels become left and right.

const std = @import("std");
const Granule = @import("side_info.zig").Granule;
const Header = @import("header.zig").Header;
const ScaleFactors = @import("scale_factors.zig").ScaleFactors;
const bands = @import("bands.zig");
const Lines = bands.Lines;

/// Middle and side become left and right.
pub fn middleSide(left: []f32, right: []f32) void {
    for (left, right) |*l, *r| {
        const m = l.* * std.math.sqrt1_2;
        const s = r.* * std.math.sqrt1_2;
        l.* = m + s;
        r.* = m - s;
    }
}

/// MPEG-1: tan(p·π/12) is the ratio of left to right; the share of each.
const shares: [7][2]f32 = blk: {
    var t: [7][2]f32 = undefined;
    for (t[0..6], 0..) |*both, p| {
        const ratio: f64 = @tan(@as(f64, p) * std.math.pi / 12.0);
        both.* = .{ @floatCast(ratio / (1 + ratio)), @floatCast(1 / (1 + ratio)) };
    }
    t[6] = .{ 1, 0 };
    break :blk t;
};

/// What left and right get of the one channel that was sent, at an intensity position.
fn share(h: Header, intensity_scale: u32, position: u8) [2]f32 {
    if (!h.lsf()) return shares[position];
    const step: f32 = if (intensity_scale == 1) std.math.sqrt1_2 else @exp2(-0.25);
    const lower = std.math.pow(f32, step, @floatFromInt((position + 1) >> 1));
    return if (position & 1 == 1) .{ lower, 1 } else .{ 1, lower };
}

/// By window, the first band above all lines of the right channel.
fn bounds(layout: *const bands.Layout, right: *const Lines) [3]usize {
    var bound: [3]usize = @splat(0);
    for (layout.slice(), 1..) |band, above| {
        if (std.mem.findNone(f32, right[band.start..band.end], &.{0}) == null) continue;
        if (band.window) |w| bound[w] = above else bound = @splat(above);
    }
    return bound;
}

/// Intensity stereo in bands above the right channel's lines, if they have a position; elsewhere, as without.
///
/// `right` must be there in full: only then is it known where its lines end.
pub fn intensity(h: Header, g: *const Granule, s: *const ScaleFactors, count: usize, left: *Lines, right: *Lines) void {
    const layout = bands.layout(h.bandTable(), g.kind());
    const bound = bounds(layout, right);
    for (layout.slice(), 0..) |band, i| {
        if (band.start >= count) break;
        const above = if (band.window) |w| bound[w] else @max(bound[0], bound[1], bound[2]);
        var position = s.values[i];
        var none = s.no_position[i];
        const before = i -| @as(usize, if (band.window == null) 1 else 3);
        if (i >= layout.count - (i - before)) { // the last band has none of its own: that of the one before, or the middle
            position = if (before < above) (if (h.lsf()) 0 else 3) else s.values[before];
            none = if (before < above) 7 else s.no_position[before];
        }
        const l = left[band.start..band.end];
        const r = right[band.start..band.end];
        if (i >= above and position < none) {
            const both = share(h, g.scalefac_compress & 1, position);
            for (l, r) |*to_left, *to_right| {
                const sent = to_left.*;
                to_left.* = sent * both[0];
                to_right.* = sent * both[1];
            }
        } else if (h.msStereo()) {
            middleSide(l, r);
        }
    }
}
