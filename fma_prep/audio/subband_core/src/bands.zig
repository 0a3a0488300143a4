//! The scale factor bands (annex B, table B.8): which lines of a granule share a scale factor.

/// Frequency lines of a granule and channel: 18 for each of 32 subbands.
pub const lines = 576;

/// A granule and channel: its lines, and room for the last quadruple to reach beyond what is wanted.
pub const Lines = [lines + 4]f32;

pub const Kind = enum { long, short, mixed };

/// A band as the bit stream has it. Short blocks come window by window within each band.
pub const Band = struct {
    start: u16,
    end: u16,
    window: ?u2, // of a short block
};

/// The bands of a granule, in the order of the bit stream.
pub const Layout = struct {
    all: [39]Band = undefined,
    count: usize = 0,
    long_count: usize = 0, // the first of `all`

    pub fn slice(self: *const Layout) []const Band {
        return self.all[0..self.count];
    }

    fn add(self: *Layout, width: u16, window: ?u2) void {
        const start = if (self.count == 0) 0 else self.all[self.count - 1].end;
        self.all[self.count] = .{ .start = start, .end = start + width, .window = window };
        self.count += 1;
    }
};

const long_widths = [9][22]u8{
    .{ 4, 4, 4, 4, 4, 4, 6, 6, 8, 8, 10, 12, 16, 20, 24, 28, 34, 42, 50, 54, 76, 158 }, // 44.1 kHz
    .{ 4, 4, 4, 4, 4, 4, 6, 6, 6, 8, 10, 12, 16, 18, 22, 28, 34, 40, 46, 54, 54, 192 }, // 48
    .{ 4, 4, 4, 4, 4, 4, 6, 6, 8, 10, 12, 16, 20, 24, 30, 38, 46, 56, 68, 84, 102, 26 }, // 32
    .{ 6, 6, 6, 6, 6, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 38, 46, 52, 60, 68, 58, 54 }, // 22.05
    .{ 6, 6, 6, 6, 6, 6, 8, 10, 12, 14, 16, 18, 22, 26, 32, 38, 46, 54, 62, 70, 76, 36 }, // 24
    .{ 6, 6, 6, 6, 6, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 38, 46, 52, 60, 68, 58, 54 }, // 16
    .{ 6, 6, 6, 6, 6, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 38, 46, 52, 60, 68, 58, 54 }, // 11.025
    .{ 6, 6, 6, 6, 6, 6, 8, 10, 12, 14, 16, 20, 24, 28, 32, 38, 46, 52, 60, 68, 58, 54 }, // 12
    .{ 12, 12, 12, 12, 12, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 76, 90, 2, 2, 2, 2, 2 }, // 8
};

const short_widths = [9][13]u8{
    .{ 4, 4, 4, 4, 6, 8, 10, 12, 14, 18, 22, 30, 56 },
    .{ 4, 4, 4, 4, 6, 6, 10, 12, 14, 16, 20, 26, 66 },
    .{ 4, 4, 4, 4, 6, 8, 12, 16, 20, 26, 34, 42, 12 },
    .{ 4, 4, 4, 6, 6, 8, 10, 14, 18, 26, 32, 42, 18 },
    .{ 4, 4, 4, 6, 8, 10, 12, 14, 18, 24, 32, 44, 12 },
    .{ 4, 4, 4, 6, 8, 10, 12, 14, 18, 24, 30, 40, 18 },
    .{ 4, 4, 4, 6, 8, 10, 12, 14, 18, 24, 30, 40, 18 },
    .{ 4, 4, 4, 6, 8, 10, 12, 14, 18, 24, 30, 40, 18 },
    .{ 8, 8, 8, 12, 16, 20, 24, 28, 36, 2, 2, 2, 26 },
};

/// Where each long band begins, by sampling frequency; the 23rd is the end.
pub const long: [9][23]u16 = blk: {
    var edges: [9][23]u16 = undefined;
    for (long_widths, &edges) |widths, *e| {
        e[0] = 0;
        for (widths, 0..) |w, i| e[i + 1] = e[i] + w;
        if (e[22] != lines) unreachable;
    }
    break :blk edges;
};

pub const layouts: [9][3]Layout = blk: {
    @setEvalBranchQuota(10_000);
    var all: [9][3]Layout = undefined;
    for (long_widths, short_widths, &all, 0..) |widths, short, *kinds, row| {
        // the long bands below a mixed block's short ones fill two subbands
        const below = [3]usize{ 22, 0, if (row < 3) 8 else 6 };
        for (kinds, below) |*l, n| {
            l.* = .{};
            for (widths[0..n]) |w| l.add(w, null);
            l.long_count = n;
            if (n == 22) continue;
            for (short[if (n == 0) 0 else 3..]) |w| {
                for (0..3) |window| l.add(w, window);
            }
        }
    }
    break :blk all;
};

pub fn layout(row: usize, kind: Kind) *const Layout {
    return &layouts[row][@intFromEnum(kind)];
}

/// Where the first Huffman region ends when the block type is not normal.
pub fn switchedRegion(row: usize, short: bool) usize {
    return if (short) 3 * @as(usize, short_widths[row][0] + short_widths[row][1] + short_widths[row][2]) else long[row][8];
}

/// How many lines of the bit stream must be read so that the first `wanted` (in order of frequency) are there.
pub fn linesToRead(row: usize, kind: Kind, wanted: usize) usize {
    if (kind == .long) return wanted;
    for (layout(row, kind).slice()) |band| {
        if (band.window == 2 and band.end >= wanted) return band.end;
    }
    return lines;
}
