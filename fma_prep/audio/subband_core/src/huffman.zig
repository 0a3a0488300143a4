//! Huffman decoding (clause 2.4.3.4.6), up to the last line that is wanted.

const std = @import("std");
const BitReader = @import("bits.zig").BitReader;
const Granule = @import("side_info.zig").Granule;
const Lines = @import("bands.zig").Lines;
const tables = @import("huffman_tables.zig");

/// Bits that select from a code's first table. Longer words are found in a second one.
const root_bits = 9;

const Entry = packed struct(u32) {
    length: u8, // bits of the code word
    more: u8 = 0, // not 0: look at as many bits after the root, in the second table at `value`
    value: u16, // x and y, or v, w, x, y
};

const Code = struct {
    entries: []const Entry,
    linbits: u5 = 0,

    inline fn lookup(self: *const Code, word: u64) Entry {
        const entry = self.entries[word >> (64 - root_bits)];
        if (entry.more == 0) return entry;
        const rest = (word << root_bits) >> @intCast(64 - @as(u7, @intCast(entry.more)));
        return self.entries[entry.value + rest];
    }
};

/// Where a word of length `w >> 8` ends, in units of 2^-32, if it begins at `start`.
fn after(start: u64, w: u16) u64 {
    return start + (@as(u64, 1) << (32 - (w >> 8)));
}

/// The bits beyond the root of the longest word of each root.
fn beyondRoot(words: []const u16) [1 << root_bits]u8 {
    var more: [1 << root_bits]u8 = @splat(0);
    var start: u64 = 0;
    for (words) |w| {
        const root = start >> (32 - root_bits);
        more[root] = @max(more[root], (w >> 8) -| root_bits);
        start = after(start, w);
    }
    return more;
}

fn tableSize(words: []const u16) usize {
    var size: usize = 1 << root_bits;
    for (beyondRoot(words)) |more| {
        if (more > 0) size += @as(usize, 1) << more;
    }
    return size;
}

fn build(comptime words: []const u16) []const Entry {
    const entries = comptime blk: {
        @setEvalBranchQuota(200_000);
        var e: [tableSize(words)]Entry = undefined;
        var next: u16 = 1 << root_bits;
        for (beyondRoot(words), 0..) |more, root| {
            if (more == 0) continue;
            e[root] = .{ .length = root_bits, .more = more, .value = next };
            next += 1 << more;
        }
        var start: u64 = 0;
        for (words) |w| {
            const root = start >> (32 - root_bits);
            const length = w >> 8;
            const leaf: Entry = .{ .length = length, .value = w & 0xff };
            if (length <= root_bits) {
                @memset(e[root..][0 .. 1 << (root_bits - length)], leaf);
            } else {
                const link = e[root];
                const within = (start & ((1 << (32 - root_bits)) - 1)) >> (32 - root_bits - link.more);
                @memset(e[link.value + within ..][0 .. 1 << (root_bits + link.more - length)], leaf);
            }
            start = after(start, w);
        }
        if (start != 1 << 32) @compileError("not a complete code");
        break :blk e;
    };
    return &entries;
}

const pair_codes: [32]?Code = blk: {
    var all: [32]?Code = undefined;
    for (tables.pairs, &all) |table, *code| {
        code.* = if (table) |t| .{ .entries = build(t.words), .linbits = t.linbits } else null;
    }
    break :blk all;
};

const quad_codes = [2]Code{ .{ .entries = build(&tables.quads_a) }, .{ .entries = build(&tables.quads_b) } };

/// q^(4/3) for every q that 15 and 13 linbits can make.
const power: [15 + (1 << 13)]f32 = blk: {
    @setEvalBranchQuota(20_000);
    var p: [15 + (1 << 13)]f32 = undefined;
    p[0] = 0;
    for (p[1..], 1..) |*v, q| v.* = @floatCast(@exp2(@log2(@as(f64, q)) * 4.0 / 3.0));
    break :blk p;
};

/// Decode a granule's lines, to the power of 4/3 but not yet scaled, until `limit`; the rest of `lines` is left alone.
///
/// Returns how many were decoded. Never reads beyond bit `end` by more than a code word.
pub fn decode(g: *const Granule, r: *BitReader, end: usize, limit: usize, lines: *Lines) usize {
    const big = @min(2 * g.big_values, limit);
    const ends = [3]usize{ @min(g.region_end[0], big), @min(g.region_end[1], big), big };
    var i: usize = 0;
    for (ends, g.table_select) |region_end, select| {
        if (pair_codes[select]) |*code| {
            const stopped = if (code.linbits == 0)
                decodePairs(false, code, r, end, i, region_end, lines)
            else
                decodePairs(true, code, r, end, i, region_end, lines);
            if (stopped < region_end) return stopped;
        } else if (region_end > i) {
            @memset(lines[i..region_end], 0);
        }
        i = @max(i, region_end);
    }
    return decodeQuads(&quad_codes[g.count1table_select], r, end, i, limit, lines);
}

/// Decode pairs into lines `from` to `to`; return where they stop: earlier if the bits end.
fn decodePairs(
    comptime escapes: bool,
    code: *const Code,
    r: *BitReader,
    end: usize,
    from: usize,
    to: usize,
    lines: *Lines,
) usize {
    var i = from;
    while (i < to) : (i += 2) {
        if (r.position >= end) return i;
        var word = r.peek(); // 57 bits: a word of 19, twice 13 linbits and a sign
        const entry = code.lookup(word);
        word <<= @intCast(entry.length);
        var used: usize = entry.length;
        for (lines[i..][0..2], [2]u16{ entry.value >> 4, entry.value & 15 }) |*line, low| {
            var q: usize = low;
            if (escapes and low == 15 and code.linbits > 0) {
                q += word >> @intCast(@as(u7, 64) - code.linbits);
                word <<= code.linbits;
                used += code.linbits;
            }
            const sign: u32 = @intCast(word >> 63);
            line.* = @bitCast(@as(u32, @bitCast(power[q])) ^ sign << 31);
            const signed = @intFromBool(q != 0);
            word <<= signed;
            used += signed;
        }
        r.position += used;
    }
    return i;
}

/// Decode quadruples of -1, 0 and 1 from line `from`; return where they stop.
fn decodeQuads(code: *const Code, r: *BitReader, end: usize, from: usize, limit: usize, lines: *Lines) usize {
    var i = from;
    while (i < limit and i + 4 <= 576) : (i += 4) {
        if (r.position >= end) break;
        var word = r.peek();
        const entry = code.lookup(word);
        word <<= @intCast(entry.length);
        r.position += entry.length;
        for (lines[i..][0..4], 0..) |*line, k| {
            const one: u1 = @intCast(entry.value >> @intCast(3 - k) & 1);
            const sign: u32 = @intCast(word >> 63);
            line.* = if (one == 0) 0 else @bitCast(@as(u32, @bitCast(@as(f32, 1))) ^ sign << 31);
            word <<= one;
            r.position += one;
        }
        if (r.position > end) break; // some encoders stop within a quadruple: it is not meant
    }
    return @min(i, limit);
}
