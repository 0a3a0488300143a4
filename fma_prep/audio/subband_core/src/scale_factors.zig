//! Scale factors (clause 2.4.3.4.5 of 11172-3, 2.4.3.2 of 13818-3), and what they do to the lines.

const BitReader = @import("bits.zig").BitReader;
const Granule = @import("side_info.zig").Granule;
const bands = @import("bands.zig");
const Lines = bands.Lines;

/// One for each band of the granule's layout, in its order; those never sent are zero.
pub const ScaleFactors = struct {
    values: [39]u8 = @splat(0),
    /// Intensity stereo reads the right channel's as positions: from here on they mean that the band has none.
    no_position: [39]u8 = @splat(7),
};

/// MPEG-1: bits of a scale factor of the lower and upper bands, by scalefac_compress.
const slen = [2][16]u5{
    .{ 0, 0, 0, 0, 3, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4 },
    .{ 0, 1, 2, 3, 0, 1, 2, 3, 1, 2, 3, 1, 2, 3, 2, 3 },
};

/// What long blocks add to scale factors when `preflag` is set (table B.6).
const pretab = [22]i32{ 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 3, 2, 0 };

/// A run of scale factors of equal size.
fn take(r: *BitReader, bits: u5, into: []u8) void {
    for (into) |*s| s.* = @intCast(r.take(bits));
}

/// MPEG-1. `first` holds those of the frame's first granule; `scfsi` says which of them are meant again.
pub fn readMpeg1(r: *BitReader, g: *const Granule, scfsi: u4, first: *const ScaleFactors) ScaleFactors {
    var s: ScaleFactors = .{};
    const low = slen[0][g.scalefac_compress];
    const high = slen[1][g.scalefac_compress];
    if (g.block_type == .short) {
        const n: usize = if (g.mixed) 17 else 18;
        take(r, low, s.values[0..n]);
        take(r, high, s.values[n..][0..18]);
        return s;
    }
    for ([_]usize{ 0, 6, 11, 16 }, [_]usize{ 6, 11, 16, 21 }, 0..) |from, to, group| {
        if (scfsi & @as(u4, 8) >> @intCast(group) != 0) {
            @memcpy(s.values[from..to], first.values[from..to]);
        } else {
            take(r, if (group < 2) low else high, s.values[from..to]);
        }
    }
    return s;
}

/// MPEG-2: how many scale factors each of four runs has, by range of scalefac_compress and block kind (table 2.4.3.2).
const run_lengths = [6][3][4]u8{
    .{ .{ 6, 5, 5, 5 }, .{ 9, 9, 9, 9 }, .{ 6, 9, 9, 9 } },
    .{ .{ 6, 5, 7, 3 }, .{ 9, 9, 12, 6 }, .{ 6, 9, 12, 6 } },
    .{ .{ 11, 10, 0, 0 }, .{ 18, 18, 0, 0 }, .{ 15, 18, 0, 0 } },
    .{ .{ 7, 7, 7, 0 }, .{ 12, 12, 12, 0 }, .{ 6, 15, 12, 0 } },
    .{ .{ 6, 6, 6, 3 }, .{ 12, 9, 9, 6 }, .{ 6, 12, 9, 6 } },
    .{ .{ 8, 8, 5, 0 }, .{ 15, 12, 9, 0 }, .{ 6, 18, 9, 0 } },
};

/// MPEG-2. `intensity`: this is the right channel of a frame with intensity stereo. May set the granule's preflag.
pub fn readMpeg2(r: *BitReader, g: *Granule, intensity: bool) ScaleFactors {
    const c = if (intensity) g.scalefac_compress >> 1 else g.scalefac_compress;
    const range: usize, const sizes: [4]u32 = if (intensity) //
        if (c < 180) .{ 3, .{ c / 36, c % 36 / 6, c % 6, 0 } } //
        else if (c < 244) .{ 4, .{ (c - 180) >> 4, (c - 180) >> 2 & 3, (c - 180) & 3, 0 } } //
        else .{ 5, .{ (c - 244) / 3, (c - 244) % 3, 0, 0 } } //
    else if (c < 400) .{ 0, .{ c / 80, c / 16 % 5, c / 4 & 3, c & 3 } } //
    else if (c < 500) .{ 1, .{ (c - 400) / 20, (c - 400) / 4 % 5, (c - 400) & 3, 0 } } //
    else .{ 2, .{ (c - 500) / 3, (c - 500) % 3, 0, 0 } };
    if (range == 2) g.preflag = true;
    var s: ScaleFactors = .{};
    var at: usize = 0;
    for (run_lengths[range][@intFromEnum(g.kind())], sizes) |count, bits| {
        take(r, @intCast(bits), s.values[at..][0..count]);
        // the highest that fits; without bits, 0 is a position
        @memset(s.no_position[at..][0..count], if (bits == 0) 1 else (@as(u8, 1) << @intCast(bits)) - 1);
        at += count;
    }
    return s;
}

/// 2^(i/4) for every i that gains can add up to.
const quarter_powers = struct {
    const lowest = -400;
    const table: [512]f32 = blk: {
        var t: [512]f32 = undefined;
        for (&t, 0..) |*v, i| v.* = @floatCast(@exp2(@as(f64, lowest + @as(i32, i)) / 4.0));
        break :blk t;
    };
};

/// Scale lines `0` to `count` by their bands' gains (clause 2.4.3.4.7.1): from here on they are a spectrum.
pub fn requantize(g: *const Granule, row: usize, s: *const ScaleFactors, count: usize, lines: *Lines) void {
    const layout = bands.layout(row, g.kind());
    const shift: u5 = 1 + @as(u5, g.scalefac_scale);
    for (layout.slice(), s.values[0..layout.count], 0..) |band, factor, i| {
        if (band.start >= count) break;
        var exponent = g.global_gain - 210;
        if (band.window) |w| {
            exponent -= 8 * g.subblock_gain[w] + (@as(i32, factor) << shift);
        } else {
            exponent -= (@as(i32, factor) + if (g.preflag) pretab[i] else 0) << shift;
        }
        const gain = quarter_powers.table[@intCast(exponent - quarter_powers.lowest)];
        for (lines[band.start..@min(band.end, count)]) |*line| line.* *= gain;
    }
}
