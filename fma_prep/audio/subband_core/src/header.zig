//! The frame header (ISO 11172-3 and 13818-3, clause 2.4.1.3; MPEG-2.5 as it became custom).

pub const Version = enum(u2) { mpeg2_5 = 0, reserved = 1, mpeg2 = 2, mpeg1 = 3 };

/// The longest frame: 320 kbit/s at 32 kHz, or 160 at 8, with padding.
pub const max_frame_bytes = 1441;

const bit_rates_kbps = [2][15]u16{
    .{ 0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160 }, // MPEG-2 and 2.5
    .{ 0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320 }, // MPEG-1
};

pub const Header = struct {
    version: Version,
    has_crc: bool,
    bit_rate_index: u4,
    sampling_frequency: u2,
    padding: u1,
    mode: u2,
    mode_extension: u2,

    pub const bytes = 4;

    /// The header of a Layer III frame of known size, if these bytes are one: free format is none.
    pub fn parse(b: *const [bytes]u8) ?Header {
        if (b[0] != 0xff or b[1] & 0xe0 != 0xe0) return null; // syncword
        const h: Header = .{
            .version = @enumFromInt(b[1] >> 3 & 3),
            .has_crc = b[1] & 1 == 0,
            .bit_rate_index = @intCast(b[2] >> 4),
            .sampling_frequency = @intCast(b[2] >> 2 & 3),
            .padding = @intCast(b[2] >> 1 & 1),
            .mode = @intCast(b[3] >> 6),
            .mode_extension = @intCast(b[3] >> 4 & 3),
        };
        const layer = b[1] >> 1 & 3;
        if (layer != 1 or h.version == .reserved or h.sampling_frequency == 3) return null;
        if (h.bit_rate_index == 0 or h.bit_rate_index == 15) return null;
        return h;
    }

    /// Whether both can be of one stream: what may not change is the same.
    pub fn like(self: Header, other: Header) bool {
        return self.version == other.version and self.sampling_frequency == other.sampling_frequency and
            self.channels() == other.channels();
    }

    /// "Low sampling frequency": MPEG-2 and 2.5 have one granule a frame.
    pub fn lsf(self: Header) bool {
        return self.version != .mpeg1;
    }

    pub fn channels(self: Header) usize {
        return if (self.mode == 3) 1 else 2;
    }

    pub fn granules(self: Header) usize {
        return if (self.lsf()) 1 else 2;
    }

    pub fn bitRate(self: Header) u32 {
        return @as(u32, bit_rates_kbps[@intFromBool(!self.lsf())][self.bit_rate_index]) * 1000;
    }

    pub fn rate(self: Header) u32 {
        const mpeg1: u32 = switch (self.sampling_frequency) {
            0 => 44_100,
            1 => 48_000,
            else => 32_000,
        };
        return switch (self.version) {
            .mpeg1 => mpeg1,
            .mpeg2 => mpeg1 / 2,
            else => mpeg1 / 4,
        };
    }

    /// Which row of the tables of scale factor bands: 44.1, 48, 32, 22.05, 24, 16, 11.025, 12, 8 kHz.
    pub fn bandTable(self: Header) usize {
        const first: usize = switch (self.version) {
            .mpeg1 => 0,
            .mpeg2 => 3,
            else => 6,
        };
        return first + self.sampling_frequency;
    }

    pub fn frameBytes(self: Header) usize {
        const slots: u32 = if (self.lsf()) 72 else 144;
        return slots * self.bitRate() / self.rate() + self.padding;
    }

    pub fn sideInfoBytes(self: Header) usize {
        if (self.lsf()) return if (self.channels() == 1) 9 else 17;
        return if (self.channels() == 1) 17 else 32;
    }

    /// Where the main data begin in the frame.
    pub fn mainDataOffset(self: Header) usize {
        return bytes + @as(usize, if (self.has_crc) 2 else 0) + self.sideInfoBytes();
    }

    pub fn intensityStereo(self: Header) bool {
        return self.mode == 1 and self.mode_extension & 1 != 0;
    }

    pub fn msStereo(self: Header) bool {
        return self.mode == 1 and self.mode_extension & 2 != 0;
    }
};
