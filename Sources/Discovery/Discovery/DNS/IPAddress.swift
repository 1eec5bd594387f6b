import TextFormats

/// An IPv4 or IPv6 address without port and scope.
package struct IPAddress: Hashable, Sendable {
    /// 4 or 16 octets in network order.
    package let octets: [UInt8]

    /// Returns `nil` unless there are 4 or 16 octets, the length of the RDATA of an A or AAAA record.
    package init?(octets: [UInt8]) {
        guard octets.count == 4 || octets.count == 16 else { return nil }
        self.octets = octets
    }

    package var isIPv6: Bool { octets.count == 16 }

    /// Parses `192.0.2.1` or `2001:db8::1` (RFC 4291 §2.2). Rejects leading zeros in IPv4, scopes and brackets.
    package init?(_ text: some StringProtocol) {
        let octets = text.utf8.contains(UInt8(ascii: ":")) ? Self.parseIPv6(text) : Self.parseIPv4(text)
        guard let octets else { return nil }
        self.octets = octets
    }

    private static func parseIPv4(_ text: some StringProtocol) -> [UInt8]? {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var octets: [UInt8] = []
        for part in parts {
            guard (1...3).contains(part.utf8.count), part.utf8.allSatisfy(\.isDigit),
                part.utf8.count == 1 || part.utf8.first != UInt8(ascii: "0"), let octet = UInt8(part)
            else { return nil }
            octets.append(octet)
        }
        return octets
    }

    private static func parseIPv6(_ text: some StringProtocol) -> [UInt8]? {
        var halves: [[UInt8]] = []
        var rest = text[...]
        // At most one `::` splits the address; each half is a list of groups.
        while true {
            let gap = rest.firstDoubleColon
            guard let groups = parseGroups(rest[..<(gap ?? rest.endIndex)]) else { return nil }
            halves.append(groups)
            guard let gap else { break }
            guard halves.count == 1 else { return nil }
            rest = rest[rest.index(gap, offsetBy: 2)...]
        }
        let given = halves.reduce(0) { $0 + $1.count }
        if halves.count == 1 { return given == 16 ? halves[0] : nil }
        guard given <= 14 else { return nil }
        return halves[0] + [UInt8](repeating: 0, count: 16 - given) + halves[1]
    }

    private static func parseGroups(_ text: some StringProtocol) -> [UInt8]? {
        if text.isEmpty { return [] }
        let groups = text.split(separator: ":", omittingEmptySubsequences: false)
        var octets: [UInt8] = []
        for (index, group) in groups.enumerated() {
            if index == groups.count - 1, group.contains("."), let tail = parseIPv4(group) {
                octets += tail
                continue
            }
            guard (1...4).contains(group.utf8.count), group.utf8.allSatisfy(\.isHexDigit),
                let value = UInt16(group, radix: 16)
            else { return nil }
            octets += [UInt8(value >> 8), UInt8(value & 0xff)]
        }
        return octets
    }
}

extension IPAddress: CustomStringConvertible {
    /// IPv4 in dotted form; IPv6 in the form of RFC 5952.
    package var description: String {
        guard isIPv6 else { return octets.map { "\($0)" }.joined(separator: ".") }
        let groups = stride(from: 0, to: 16, by: 2).map { UInt16(octets[$0]) << 8 | UInt16(octets[$0 + 1]) }
        let zeros = Self.longestZeroRun(in: groups)
        let text = { (part: ArraySlice<UInt16>) in part.map { String($0, radix: 16) }.joined(separator: ":") }
        guard let zeros else { return text(groups[...]) }
        return text(groups[..<zeros.lowerBound]) + "::" + text(groups[zeros.upperBound...])
    }

    /// `::` replaces the longest run of at least two zero groups, the first of equal runs (RFC 5952 §4.2).
    private static func longestZeroRun(in groups: [UInt16]) -> Range<Int>? {
        var best: Range<Int>?
        var start = 0
        while start < groups.count {
            let end = groups[start...].firstIndex { $0 != 0 } ?? groups.count
            if end - start >= 2, end - start > best?.count ?? 0 { best = start..<end }
            start = max(end, start) + 1
        }
        return best
    }
}

extension StringProtocol {
    fileprivate var firstDoubleColon: Index? {
        var previous: Index?
        for index in indices {
            if self[index] == ":", let previous, self[previous] == ":" { return previous }
            previous = index
        }
        return nil
    }
}

extension UInt8 {
    fileprivate var isHexDigit: Bool {
        switch self {
        case 0x30...0x39, 0x41...0x46, 0x61...0x66: true
        default: false
        }
    }
}
