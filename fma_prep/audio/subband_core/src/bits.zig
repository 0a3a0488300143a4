//! Bits, most significant first.

const std = @import("std");

/// Reads from `bytes`, of which the last `slack` are there only to be looked at.
pub const BitReader = struct {
    bytes: []const u8,
    position: usize, // in bits

    /// More than a granule can read beyond its end before somebody looks where it is.
    pub const slack = 64;

    /// The next 57 bits or more, at the top of a word.
    pub inline fn peek(self: *const BitReader) u64 {
        const word = std.mem.readInt(u64, self.bytes[self.position >> 3 ..][0..8], .big);
        return word << @intCast(self.position & 7);
    }

    pub inline fn take(self: *BitReader, count: u5) u32 {
        if (count == 0) return 0;
        const value = self.peek() >> @intCast(@as(u7, 64) - count);
        self.position += count;
        return @intCast(value);
    }

    pub inline fn flag(self: *BitReader) bool {
        return self.take(1) != 0;
    }
};
