//! Frames in a stream of bytes, among tags and junk.

const std = @import("std");
const Header = @import("header.zig").Header;
const FrameDecoder = @import("frame.zig").FrameDecoder;
const hybrid = @import("hybrid.zig");
const header = @import("header.zig");

pub const Status = enum(u32) {
    more = 0, // wants more input, or more room
    changed = 1, // another rate or number of channels from here on
};

/// What was found until now. Read from Python: `ctypes.Structure` there has the same fields.
pub const Report = extern struct {
    status: Status = .more,
    rate_hz: u32 = 0, // 0: no frame yet
    channels: u32 = 0,
    bit_rate_min: u32 = 0,
    bit_rate_max: u32 = 0,
    slots_per_frame: u32 = 0,
    tag_frames: u64 = 0, // Xing, Info or VBRI: not sound
    frames: u64 = 0, // of sound
    silenced_frames: u64 = 0, // that could not be decoded, in full or to sane samples
    lost_frames: u64 = 0, // that may have been where junk is, between two frames
    junk_bytes: u64 = 0,
    bad_checksums: u64 = 0,
    sound_bytes: u64 = 0, // of frames
    consumed: u64 = 0, // bytes by this call
    produced: u64 = 0, // slots by this call
};

/// Frames of one kind in a row that make a stream.
const proof = 3;

const Step = union(enum) {
    wait, // what comes next is not yet there in full
    skip: usize, // bytes that are no frame
    junk: usize, // bytes that should have been one
    frame: Header,
    changed,
};

pub const Stream = struct {
    decoder: FrameDecoder,
    report: Report = .{},
    stream: ?Header = null, // what its headers look like
    synced: bool = false, // a frame ends where we are
    boundary: bool = true, // something ends where we are: a tag may follow
    skipping: u64 = 0, // bytes of a tag still to come
    lost: u64 = 0, // bytes of junk since the last frame

    /// Decode what `input` holds, as far as `output` (whole slots) has room.
    pub fn decode(self: *Stream, input: []const u8, final: bool, output: []f32) void {
        const width = self.decoder.subbands;
        var at: usize = 0;
        var filled: usize = 0;
        while (output.len - filled >= 2 * hybrid.slots * width) {
            const rest = input[at..];
            switch (self.next(rest, final)) {
                .wait => break,
                .skip => |n| at += n,
                .junk => |n| {
                    at += n;
                    self.lose(n);
                },
                .frame => |h| {
                    at += h.frameBytes();
                    filled += self.take(rest[0..h.frameBytes()], h, output[filled..]);
                },
                .changed => {
                    self.report.status = .changed;
                    break;
                },
            }
        }
        self.report.consumed = at;
        self.report.produced = filled / width;
    }

    fn next(self: *Stream, input: []const u8, final: bool) Step {
        if (self.skipping > 0 and input.len > 0) {
            const n: usize = @intCast(@min(self.skipping, input.len));
            self.skipping -= n;
            return .{ .skip = n };
        }
        if (input.len < tag_header_bytes and !final) return .wait;
        if (input.len < Header.bytes) return if (input.len == 0) .wait else .{ .junk = input.len };
        if (self.boundary) {
            self.skipping = tagBytes(input);
            if (self.skipping > 0) return self.next(input, final);
        }
        const h = Header.parse(input[0..Header.bytes]) orelse return .{ .junk = untilSync(input) };
        if (self.synced and h.like(self.stream.?)) return self.whole(input, h, final);
        return switch (chain(input, h, final)) {
            .unknown => .wait,
            .no => .{ .junk = untilSync(input) },
            .yes => if (self.stream == null or h.like(self.stream.?)) self.whole(input, h, final) else .changed,
        };
    }

    /// The frame, or the wait for its end. The last one of a cut file never ends.
    fn whole(_: *const Stream, input: []const u8, h: Header, final: bool) Step {
        if (h.frameBytes() <= input.len) return .{ .frame = h };
        return if (final) .{ .junk = input.len } else .wait;
    }

    fn lose(self: *Stream, bytes: usize) void {
        if (self.synced) self.decoder.reset();
        self.synced = false;
        self.boundary = false;
        self.lost += bytes;
        self.report.junk_bytes += bytes;
    }

    /// Decode a frame, and count it; return how many samples were written.
    fn take(self: *Stream, frame: []const u8, h: Header, output: []f32) usize {
        const first = self.stream == null;
        if (first) self.begin(h);
        self.synced = true;
        self.boundary = true;
        if (!first) self.report.lost_frames += (self.lost + frame.len - 1) / frame.len;
        self.lost = 0;
        if (first and isTag(frame, h)) {
            self.report.tag_frames += 1;
            return 0;
        }
        const samples = h.granules() * hybrid.slots * self.decoder.subbands;
        if (h.has_crc and !checks(frame, h)) self.report.bad_checksums += 1;
        self.count(h);
        self.decoder.decode(frame, h, output[0..samples]) catch {
            self.report.silenced_frames += 1;
        };
        return samples;
    }

    fn begin(self: *Stream, h: Header) void {
        self.stream = h;
        self.report.rate_hz = h.rate();
        self.report.channels = @intCast(h.channels());
        self.report.slots_per_frame = @intCast(h.granules() * hybrid.slots);
    }

    fn count(self: *Stream, h: Header) void {
        const rate = h.bitRate();
        self.report.bit_rate_min = if (self.report.frames == 0) rate else @min(self.report.bit_rate_min, rate);
        self.report.bit_rate_max = @max(self.report.bit_rate_max, rate);
        self.report.frames += 1;
        self.report.sound_bytes += h.frameBytes();
    }
};

/// Whether frames like this one follow, as many as make a proof, or as there is room for in the file.
fn chain(input: []const u8, first: Header, final: bool) enum { yes, no, unknown } {
    var at = first.frameBytes();
    for (1..proof) |_| {
        if (at + Header.bytes > input.len) return if (!final) .unknown else if (at <= input.len) .yes else .no;
        const h = Header.parse(input[at..][0..Header.bytes]) orelse return .no;
        if (!h.like(first)) return .no;
        at += h.frameBytes();
    }
    return .yes;
}

/// How far it is to the next byte that can begin a frame, at least 1.
fn untilSync(input: []const u8) usize {
    return if (std.mem.findScalarPos(u8, input, 1, 0xff)) |at| at else input.len;
}

const tag_header_bytes = 32;

/// The size of the tag that begins here, or 0.
fn tagBytes(b: []const u8) u64 {
    if (b.len >= 10 and std.mem.eql(u8, b[0..3], "ID3") and (b[6] | b[7] | b[8] | b[9]) < 0x80) {
        const size = @as(u64, b[6]) << 21 | @as(u64, b[7]) << 14 | @as(u64, b[8]) << 7 | b[9];
        return 10 + size + @as(u64, if (b[5] & 0x10 != 0) 10 else 0); // and its footer
    }
    if (std.mem.eql(u8, b[0..3], "TAG")) return 128;
    if (b.len >= 32 and std.mem.eql(u8, b[0..8], "APETAGEX")) {
        const is_header = b[23] & 0x20 != 0; // or the footer of one whose header was left out
        return 32 + if (is_header) @as(u64, std.mem.readInt(u32, b[12..16], .little)) else 0;
    }
    return 0;
}

/// Whether a stream's first frame holds a Xing, Info or VBRI tag in place of sound.
fn isTag(frame: []const u8, h: Header) bool {
    const xing = Header.bytes + h.sideInfoBytes(); // these know of no checksum
    for ([_]usize{ xing, xing, Header.bytes + 32 }, [_]*const [4]u8{ "Xing", "Info", "VBRI" }) |at, name| {
        if (frame.len >= at + 4 and std.mem.eql(u8, frame[at..][0..4], name)) return true;
    }
    return false;
}

/// Whether the frame's CRC-16 (polynomial 0x8005) fits its header and side information.
fn checks(frame: []const u8, h: Header) bool {
    var crc: u16 = 0xffff;
    for ([_][]const u8{ frame[2..4], frame[6..h.mainDataOffset()] }) |part| {
        for (part) |byte| {
            crc ^= @as(u16, byte) << 8;
            for (0..8) |_| crc = crc << 1 ^ (if (crc & 0x8000 != 0) @as(u16, 0x8005) else 0);
        }
    }
    return crc == std.mem.readInt(u16, frame[4..6], .big);
}
