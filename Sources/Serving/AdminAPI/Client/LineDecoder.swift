import Foundation

/// Splits a stream of octets into its lines, without their line feeds.
struct LineDecoder {
    private var rest = Data()

    /// Octets of a line that has not ended yet.
    var pendingCount: Int { rest.count }

    mutating func append(_ octets: Data) -> [Data] {
        var lines: [Data] = []
        var octets = octets[...]
        while let end = octets.firstIndex(of: UInt8(ascii: "\n")) {
            lines.append(rest + octets[..<end])
            rest = Data()
            octets = octets[(end + 1)...]
        }
        rest += octets
        return lines
    }
}
