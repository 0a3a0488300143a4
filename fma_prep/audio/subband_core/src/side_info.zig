//! The side information of a frame (clauses 2.4.1.7 and 2.4.2.7): how its granules are coded.

const std = @import("std");
const BitReader = @import("bits.zig").BitReader;
const Header = @import("header.zig").Header;
const bands = @import("bands.zig");

pub const BlockType = enum(u2) { normal = 0, start = 1, short = 2, stop = 3 };

pub const Granule = struct {
    part2_3_length: usize = 0, // bits of scale factors and Huffman codes
    big_values: usize = 0, // pairs
    global_gain: i32 = 0,
    scalefac_compress: u32 = 0,
    block_type: BlockType = .normal,
    mixed: bool = false,
    table_select: [3]u5 = @splat(0),
    region_end: [2]usize = @splat(0), // lines
    subblock_gain: [3]i32 = @splat(0),
    preflag: bool = false,
    scalefac_scale: u1 = 0,
    count1table_select: u1 = 0,

    pub fn kind(self: *const Granule) bands.Kind {
        if (self.block_type != .short) return .long;
        return if (self.mixed) .mixed else .short;
    }

    fn parse(r: *BitReader, h: Header) error{Corrupt}!Granule {
        var g: Granule = .{
            .part2_3_length = r.take(12),
            .big_values = r.take(9),
            .global_gain = @intCast(r.take(8)),
            .scalefac_compress = r.take(if (h.lsf()) 9 else 4),
        };
        if (g.big_values > 288) return error.Corrupt;
        if (r.flag()) { // window_switching_flag
            g.block_type = @enumFromInt(r.take(2));
            if (g.block_type == .normal) return error.Corrupt;
            g.mixed = r.flag();
            for (g.table_select[0..2]) |*t| t.* = @intCast(r.take(5));
            for (&g.subblock_gain) |*s| s.* = @intCast(r.take(3));
            g.region_end = .{ bands.switchedRegion(h.bandTable(), g.block_type == .short), bands.lines };
        } else {
            for (&g.table_select) |*t| t.* = @intCast(r.take(5));
            const region0_count = r.take(4);
            const region1_count = r.take(3);
            const long = &bands.long[h.bandTable()];
            g.region_end = .{ long[region0_count + 1], long[@min(region0_count + region1_count + 2, 22)] };
        }
        g.preflag = !h.lsf() and r.flag();
        g.scalefac_scale = @intCast(r.take(1));
        g.count1table_select = @intCast(r.take(1));
        return g;
    }
};

pub const SideInfo = struct {
    main_data_begin: usize = 0, // bytes before this frame's main data
    scfsi: [2]u4 = @splat(0), // which scale factors the second granule takes from the first
    granules: [2][2]Granule = @splat(@splat(.{})), // [granule][channel]

    /// `bytes` begins with the side information and goes on for `BitReader.slack` at least.
    pub fn parse(bytes: []const u8, h: Header) error{Corrupt}!SideInfo {
        var r: BitReader = .{ .bytes = bytes, .position = 0 };
        const channels = h.channels();
        var s: SideInfo = .{ .main_data_begin = r.take(if (h.lsf()) 8 else 9) };
        const private_bits: u5 = if (h.lsf()) (if (channels == 1) 1 else 2) else (if (channels == 1) 5 else 3);
        _ = r.take(private_bits);
        if (!h.lsf()) {
            for (s.scfsi[0..channels]) |*f| f.* = @intCast(r.take(4));
        }
        for (s.granules[0..h.granules()]) |*granule| {
            for (granule[0..channels]) |*g| g.* = try .parse(&r, h);
        }
        std.debug.assert(r.position == 8 * h.sideInfoBytes());
        return s;
    }
};
