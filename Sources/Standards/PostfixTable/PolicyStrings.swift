import MTASTS
import TextFormats

/// The `policy_string` attributes for TLS reports (RFC 8460 §4.4): the lines of a policy as published.
///
/// Security: the domain owner wrote the lines, and Postfix's braces have no escape. A line with a brace could end the
/// attribute and begin another one. So a line is written unchanged or left out.
struct PolicyStrings: Equatable, Sendable {
    /// The octets as published. They may be anything; the written text is safe.
    let text: [UInt8]
    /// The mode and maximum age for generated lines, if no published line is safe.
    let mode: STSPolicy.Mode
    let maxAge: Int

    /// Writes ` { policy_string = … }` for each line, and at least one: Postfix 3.10.0 to 3.10.5 crashes without.
    ///
    /// - Parameter patterns: the patterns of the policy, for generated lines.
    func put(patterns: [MXPattern], into writer: inout some EntryWriter) {
        let hasAny = text.withUnsafeBufferPointer { octets in
            var rest = octets[...]
            var hasAny = false
            while !rest.isEmpty {
                let line = Self.takeLine(from: &rest)
                guard Self.isSafe(line) else { continue }
                if Self.put(fieldsOf: line, into: &writer) { hasAny = true }
            }
            return hasAny
        }
        if !hasAny { putGenerated(patterns: patterns, into: &writer) }
    }

    private func putGenerated(patterns: [MXPattern], into writer: inout some EntryWriter) {
        writer.put(" { policy_string = version: STSv1 } { policy_string = mode: ")
        writer.put(mode.rawValue)
        for pattern in patterns {
            writer.put(" } { policy_string = mx: ")
            pattern.put(wildcard: "*.", into: &writer)
        }
        writer.put(" } { policy_string = max_age: ")
        writer.put(String(maxAge))
        writer.put(" }")
    }

    private typealias Line = Slice<UnsafeBufferPointer<UInt8>>

    private static func takeLine(from rest: inout Line) -> Line {
        guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else {
            defer { rest = rest[rest.endIndex...] }
            return rest
        }
        let line = rest[..<end]
        rest = rest[(end + 1)...]
        return line.last == UInt8(ascii: "\r") ? line.dropLast() : line
    }

    /// Whether the line is UTF-8 without control characters, the 8-bit ones included, and without braces. Postfix defers
    /// mail on a reply that is not UTF-8, and ignores the text after a NUL.
    private static func isSafe(_ line: Line) -> Bool {
        var isASCII = true
        for octet in line {
            switch octet {
            case UInt8(ascii: "{"), UInt8(ascii: "}"), 0x7F: return false
            case 0x20..., UInt8(ascii: "\t"): if octet >= 0x80 { isASCII = false }
            default: return false
            }
        }
        return isASCII || isUTF8WithoutControls(line)
    }

    private static func isUTF8WithoutControls(_ line: Line) -> Bool {
        var decoder = UTF8()
        var octets = line.makeIterator()
        while true {
            switch decoder.decode(&octets) {
            case .scalarValue(let scalar): if (0x80...0x9F).contains(scalar.value) { return false }
            case .emptyInput: return true
            case .error: return false
            }
        }
    }

    /// Writes the line with one space for each run of blanks, and none at its ends, as Postfix would.
    ///
    /// - Returns: `false` for a blank line, which is left out.
    private static func put(fieldsOf line: Line, into writer: inout some EntryWriter) -> Bool {
        var isFirst = true
        var rest = line
        while let start = rest.firstIndex(where: { !$0.isBlank }) {
            let end = rest[start...].firstIndex(where: \.isBlank) ?? rest.endIndex
            writer.put(isFirst ? " { policy_string = " : " ")
            writer.put(rest[start..<end])
            isFirst = false
            rest = rest[end...]
        }
        if !isFirst { writer.put(" }") }
        return !isFirst
    }
}

extension MXPattern {
    /// Writes the pattern.
    ///
    /// - Parameter wildcard: the text for the wildcard label.
    func put(wildcard: StaticString, into writer: inout some EntryWriter) {
        if case .anyLabel = self { writer.put(wildcard) }
        writer.put(name.text)
    }
}
