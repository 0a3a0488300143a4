//! What `scripts/fuzz.py` calls: a whole stream from hostile bytes, and which branches it took.
//!
//! Built with `-ffuzz`, so that every edge counts how often it was taken.

const std = @import("std");
const Channel = @import("frame.zig").Channel;
const Stream = @import("stream.zig").Stream;
const hybrid = @import("hybrid.zig");

pub const panic = std.debug.simple_panic;
pub const std_options: std.Options = .{ .signal_stack_size = null }; // a thread-local one would be too large to load late

extern var __start___sancov_cntrs: u8;
extern var __stop___sancov_cntrs: u8;

export fn fuzz_counters() [*]u8 {
    return @ptrCast(&__start___sancov_cntrs);
}

export fn fuzz_counters_count() usize {
    return @intFromPtr(&__stop___sancov_cntrs) - @intFromPtr(&__start___sancov_cntrs);
}

const ceiling = 64;

/// Decode `data` cut into pieces. The first three bytes say how: channel, subbands, size of pieces.
export fn fuzz_one(data: [*]const u8, size: usize) void {
    if (size < 3) return;
    const subbands = 1 + @as(usize, data[1]) % 32;
    const piece = 1 + 37 * @as(usize, data[2]);
    var state: Stream align(64) = .{ .decoder = .{
        .channel = @enumFromInt(data[0] % 3),
        .subbands = subbands,
        .ceiling = ceiling,
    } };
    var output: [2 * hybrid.slots * 32 * 3]f32 = undefined;
    const input = data[3..size];
    var at: usize = 0;
    var end: usize = 0;
    while (at < input.len and state.report.status == .more) {
        const final = end == input.len;
        state.decode(input[at..end], final, output[0 .. 2 * hybrid.slots * subbands * 3]);
        const report = state.report;
        check(report.consumed <= end - at);
        for (output[0 .. report.produced * subbands]) |sample| check(@abs(sample) <= ceiling);
        if (report.consumed == 0 and report.produced == 0) {
            check(!final or report.status == .changed); // what is there in full is used up
            end = @min(input.len, end + piece);
        }
        at += report.consumed;
    }
    check(state.report.silenced_frames <= state.report.frames);
    check(state.report.junk_bytes + state.report.sound_bytes <= input.len);
}

fn check(holds: bool) void {
    if (!holds) @panic("a promise of the core does not hold");
}
