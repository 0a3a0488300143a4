//! From a frame to samples of subbands: the bit reservoir, and the steps of the standard in their order.

const std = @import("std");
const BitReader = @import("bits.zig").BitReader;
const Header = @import("header.zig").Header;
const SideInfo = @import("side_info.zig").SideInfo;
const Granule = @import("side_info.zig").Granule;
const bands = @import("bands.zig");
const header = @import("header.zig");
const huffman = @import("huffman.zig");
const hybrid = @import("hybrid.zig");
const scale_factors = @import("scale_factors.zig");
const stereo = @import("stereo.zig");

pub const Channel = enum(u32) { left = 0, right = 1, mix = 2 };

/// Main data of earlier frames that a frame may begin with, at most.
const reservoir_bytes = 511;

pub const FrameDecoder = struct {
    channel: Channel,
    subbands: usize,
    ceiling: f32, // a sample beyond it was never meant

    main: [reservoir_bytes + header.max_frame_bytes + BitReader.slack]u8 = @splat(0),
    kept: usize = 0, // bytes of earlier frames in `main`
    lines: [2]bands.Lines = @splat(@splat(0)),
    overlap: [2]hybrid.Overlap = @splat(@splat(@splat(0))),

    /// Forget what earlier frames left behind: the next one does not follow them.
    pub fn reset(self: *FrameDecoder) void {
        self.kept = 0;
        self.overlap = @splat(@splat(@splat(0)));
    }

    /// Decode a whole frame into `output`, [slots][subbands]. An error has left silence in what could not be decoded.
    pub fn decode(self: *FrameDecoder, frame: []const u8, h: Header, output: []f32) error{Corrupt}!void {
        @memset(output, 0);
        const available = self.append(frame, h);
        defer self.keep(available);
        // side information needs something to look at behind it: it is read from a copy
        var side_bytes: [32 + BitReader.slack]u8 = @splat(0);
        const side_size = h.sideInfoBytes();
        @memcpy(side_bytes[0..side_size], frame[h.mainDataOffset() - side_size ..][0..side_size]);
        var side = SideInfo.parse(&side_bytes, h) catch |e| {
            self.overlap = @splat(@splat(@splat(0)));
            return e;
        };
        var bit = 8 * (@as(isize, @intCast(self.kept)) - @as(isize, @intCast(side.main_data_begin)));
        var factors: [2]scale_factors.ScaleFactors = @splat(.{});
        var corrupt = false;
        for (side.granules[0..h.granules()], 0..) |*granule, index| {
            var reader: BitReader = .{ .bytes = &self.main, .position = 0 };
            const part = output[index * hybrid.slots * self.subbands ..][0 .. hybrid.slots * self.subbands];
            const begins = bit;
            for (granule[0..h.channels()]) |*g| bit += @intCast(g.part2_3_length);
            if (begins < 0) {
                self.rest(granule, h, part); // it began in a frame that is not there
            } else if (bit > 8 * available) {
                corrupt = true;
                self.overlap = @splat(@splat(@splat(0)));
            } else {
                reader.position = @intCast(begins);
                const scfsi: [2]u4 = if (index == 1) side.scfsi else @splat(0);
                self.decodeGranule(&reader, granule, h, scfsi, &factors, part);
            }
            corrupt = !self.sane(part) or corrupt;
        }
        if (corrupt) return error.Corrupt;
    }

    /// Put the frame's main data behind what is kept; return how many bytes are there now.
    fn append(self: *FrameDecoder, frame: []const u8, h: Header) usize {
        const data = frame[h.mainDataOffset()..];
        const end = self.kept + data.len;
        @memcpy(self.main[self.kept..end], data);
        @memset(self.main[end..][0..BitReader.slack], 0);
        return end;
    }

    /// Keep as much of `available` bytes as the next frame may ask for.
    fn keep(self: *FrameDecoder, available: usize) void {
        self.kept = @min(available, reservoir_bytes);
        std.mem.copyForwards(u8, self.main[0..self.kept], self.main[available - self.kept .. available]);
    }

    fn decodeGranule(
        self: *FrameDecoder,
        r: *BitReader,
        granule: *[2]Granule,
        h: Header,
        scfsi: [2]u4,
        factors: *[2]scale_factors.ScaleFactors,
        output: []f32,
    ) void {
        const row = h.bandTable();
        const wanted = hybrid.slots * self.subbands;
        const joint = h.intensityStereo() or h.msStereo();
        var count: usize = 0;
        for (granule[0..h.channels()]) |*g| count = @max(count, bands.linesToRead(row, g.kind(), wanted));
        for (granule[0..h.channels()], 0..) |*g, ch| {
            const end = r.position + g.part2_3_length;
            if (joint or self.wants(ch, h)) {
                const limit = if (h.intensityStereo() and ch == 1) bands.lines else count;
                const first = factors[ch];
                factors[ch] = if (h.lsf())
                    scale_factors.readMpeg2(r, g, h.intensityStereo() and ch == 1)
                else
                    scale_factors.readMpeg1(r, g, scfsi[ch], &first);
                const decoded = huffman.decode(g, r, end, limit, &self.lines[ch]);
                @memset(self.lines[ch][decoded..limit], 0);
                scale_factors.requantize(g, row, &factors[ch], decoded, &self.lines[ch]);
            }
            r.position = end;
        }
        if (h.intensityStereo()) {
            stereo.intensity(h, &granule[1], &factors[1], count, &self.lines[0], &self.lines[1]);
        } else if (h.msStereo()) {
            stereo.middleSide(self.lines[0][0..count], self.lines[1][0..count]);
        }
        self.transform(granule, h, output);
    }

    /// Nothing new: what the granule before left in the overlap sounds, and fades.
    fn rest(self: *FrameDecoder, granule: *[2]Granule, h: Header, output: []f32) void {
        self.lines = @splat(@splat(0));
        self.transform(granule, h, output);
    }

    fn transform(self: *FrameDecoder, granule: *[2]Granule, h: Header, output: []f32) void {
        const row = h.bandTable();
        const weight: f32 = if (self.channel == .mix and h.channels() == 2) 0.5 else 1;
        for (granule[0..h.channels()], 0..) |*g, ch| {
            const lines = &self.lines[ch];
            if (!self.wants(ch, h)) continue;
            hybrid.reorder(row, g, hybrid.slots * self.subbands, lines);
            hybrid.reduceAlias(g, self.subbands, lines);
            hybrid.synthesize(g, self.subbands, lines, &self.overlap[ch], weight, output);
        }
    }

    fn wants(self: *const FrameDecoder, ch: usize, h: Header) bool {
        return h.channels() == 1 or self.channel == .mix or ch == @intFromEnum(self.channel);
    }

    /// Silence samples that no sound can have; return whether there were none.
    fn sane(self: *FrameDecoder, output: []f32) bool {
        var peak: f32 = 0;
        for (output) |sample| peak = @max(peak, @abs(sample));
        if (peak <= self.ceiling) return true;
        @memset(output, 0);
        self.overlap = @splat(@splat(@splat(0)));
        return false;
    }
};
