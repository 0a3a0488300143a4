//! MPEG-1, 2 and 2.5 Layer III to samples of the lower subbands of one channel: the core's face, called through ctypes.
//!
//! Compiled with safety checks: an index out of bounds or an overflow ends the process, and never reads or writes outside.
//! No allocation, no global state, no system call; time and memory are bounded by the input's size.

const std = @import("std");
const Channel = @import("frame.zig").Channel;
const Report = @import("stream.zig").Report;
const Stream = @import("stream.zig").Stream;

pub const panic = std.debug.simple_panic;

/// Raised when what a caller must know of this file changes.
export fn layer3_abi() u32 {
    return 1;
}

/// How many bytes the caller must hold for a stream's state, aligned to 64.
export fn layer3_state_bytes() usize {
    return @sizeOf(Stream);
}

export fn layer3_begin(state: *align(64) Stream, channel: Channel, subbands: u32, ceiling: f32) void {
    std.debug.assert(subbands >= 1 and subbands <= 32);
    state.* = .{ .decoder = .{ .channel = channel, .subbands = subbands, .ceiling = ceiling } };
}

/// Decode `input` into `output` (room for `slots` slots of all subbands); what was not consumed comes again, with more.
export fn layer3_decode(
    state: *align(64) Stream,
    input: [*]const u8,
    input_bytes: usize,
    final: bool,
    output: [*]f32,
    slots: usize,
    report: *Report,
) void {
    state.decode(input[0..input_bytes], final, output[0 .. slots * state.decoder.subbands]);
    report.* = state.report;
}
