//! The hybrid filterbank backwards (clauses 2.4.3.4.8, .10): lines become samples of subbands.

const std = @import("std");
const Granule = @import("side_info.zig").Granule;
const bands = @import("bands.zig");
const Lines = bands.Lines;

/// Samples of a subband in a granule, and lines.
pub const slots = 18;

/// Short blocks: from window by window within a band to the order of frequency, where windows alternate.
pub fn reorder(row: usize, g: *const Granule, count: usize, lines: *Lines) void {
    const layout = bands.layout(row, g.kind());
    var i = layout.long_count;
    while (i < layout.count and layout.all[i].start < count) : (i += 3) {
        const start = layout.all[i].start;
        const width = layout.all[i].end - start;
        var ordered: [3 * 66]f32 = undefined;
        for (0..width) |k| {
            for (0..3) |w| ordered[3 * k + w] = lines[start + w * width + k];
        }
        @memcpy(lines[start..][0 .. 3 * width], ordered[0 .. 3 * width]);
    }
}

/// Table B.9: cosine and sine of the butterflies between neighbouring subbands.
const butterflies: [8][2]f32 = blk: {
    var t: [8][2]f32 = undefined;
    for ([8]f64{ -0.6, -0.535, -0.33, -0.185, -0.095, -0.041, -0.0142, -0.0037 }, &t) |c, *b| {
        const norm = @sqrt(1 + c * c);
        b.* = .{ @floatCast(1 / norm), @floatCast(c / norm) };
    }
    break :blk t;
};

/// Undo the aliasing between the lower `subbands`, where blocks are long.
pub fn reduceAlias(g: *const Granule, subbands: usize, lines: *Lines) void {
    const long = switch (g.kind()) {
        .long => subbands,
        .short => 0,
        .mixed => @min(2, subbands),
    };
    if (long < 2) return;
    for (1..long) |sb| {
        const below = lines[slots * sb - 8 ..][0..8];
        const above = lines[slots * sb ..][0..8];
        for (butterflies, 0..) |b, i| {
            const lower = below[7 - i];
            const upper = above[i];
            below[7 - i] = lower * b[0] - upper * b[1];
            above[i] = upper * b[0] + lower * b[1];
        }
    }
}

const V = @Vector(8, f32);
const columns = 5; // vectors that 36 values fill

/// Inverse MDCT and window in one: what each of 18 lines adds to 36 samples. The three short transforms are one of these.
const imdct: [4][slots][columns]V = blk: {
    @setEvalBranchQuota(100_000);
    var all: [4][slots][columns * 8]f32 = @splat(@splat(@splat(0)));
    for (&all, 0..) |*matrix, block_type| {
        for (matrix, 0..) |*row, k| {
            if (block_type == 2) {
                const first = 6 + 6 * (k % 3);
                for (row[first..][0..12], 0..) |*v, i| {
                    v.* = @floatCast(sine(i, 12) * @cos(std.math.pi / 24.0 * @as(f64, (2 * i + 7) * (2 * (k / 3) + 1))));
                }
            } else for (row[0..36], 0..) |*v, i| {
                v.* = @floatCast(window(block_type, i) * @cos(std.math.pi / 72.0 * @as(f64, (2 * i + 19) * (2 * k + 1))));
            }
        }
    }
    break :blk @bitCast(all);
};

fn sine(comptime i: usize, comptime length: usize) f64 {
    return @sin(std.math.pi * (@as(f64, i) + 0.5) / @as(f64, length));
}

fn window(comptime block_type: usize, comptime i: usize) f64 {
    const from = if (block_type == 3) 35 - i else i; // stop is start backwards
    if (block_type == 0 or from < 18) return sine(i, 36);
    if (from < 24) return 1;
    return if (from < 30) sine(from - 18, 12) else 0;
}

/// The second halves of a channel's last transforms.
pub const Overlap = [32][slots]f32;

/// Transform the lower `subbands`, and add the samples, times `weight`, to `output`, [slots][subbands].
pub fn synthesize(g: *const Granule, subbands: usize, lines: *const Lines, overlap: *Overlap, weight: f32, output: []f32) void {
    for (overlap[0..subbands], 0..) |*tail, sb| {
        const long = g.mixed and sb < 2;
        const matrix = &imdct[if (long) 0 else @intFromEnum(g.block_type)];
        var sum: [columns]V = @splat(@splat(0));
        for (lines[slots * sb ..][0..slots], matrix) |line, *row| {
            const x: V = @splat(line);
            inline for (&sum, row) |*s, v| s.* = @mulAdd(V, x, v, s.*);
        }
        const samples: [columns * 8]f32 = @bitCast(sum);
        for (samples[0..slots], tail, 0..) |s, t, i| {
            const inverted = sb & i & 1 == 1; // frequency inversion
            output[i * subbands + sb] += weight * (if (inverted) -(s + t) else s + t);
        }
        @memcpy(tail, samples[slots..][0..slots]);
    }
}
