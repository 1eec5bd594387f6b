import TextFormats

/// Parses the `sts-policy-record` of RFC 8461 §3.2 line by line. The first error ends the parsing.
///
/// Beyond the ABNF, it accepts lines that contain blanks only (STS-3.2-g).
struct PolicyParser {
    private(set) var warnings: [PolicyWarning] = []
    private var hasVersion = false
    private var mode: STSPolicy.Mode?
    private var maxAge: Int?
    private(set) var mx: [MXPattern] = []

    mutating func parse(_ octets: [UInt8]) throws(PolicyError) {
        if octets.starts(with: [0xEF, 0xBB, 0xBF]) { throw PolicyError(line: 1, reason: .byteOrderMark) }
        var rest = octets[...]
        var number = 1
        while !rest.isEmpty {
            let line = Self.takeLine(from: &rest)
            do throws(PolicyLineError) {
                try read(line, number: number)
            } catch {
                throw PolicyError(line: number, reason: error.reason)
            }
            number += 1
        }
    }

    /// Checks for the required keys, as the comments of the ABNF demand. `mx` is required unless the mode is `none`.
    func finish() throws(PolicyError) -> (STSPolicy.Mode, maxAge: Int) {
        guard hasVersion else { throw PolicyError(line: nil, reason: .missingVersion) }
        guard let mode else { throw PolicyError(line: nil, reason: .missingMode) }
        guard let maxAge else { throw PolicyError(line: nil, reason: .missingMaxAge) }
        guard !mx.isEmpty || mode == .none else { throw PolicyError(line: nil, reason: .missingMX) }
        return (mode, maxAge)
    }

    /// Takes a line up to its `sts-policy-term = LF / CRLF`, which is optional after the last line. A CR elsewhere stays in
    /// the line and is an error there (erratum 6253; STS-3.2-e).
    private static func takeLine(from rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else {
            defer { rest = [] }
            return rest
        }
        let line = rest[..<end]
        rest = rest[(end + 1)...]
        return line.last == UInt8(ascii: "\r") ? line.dropLast() : line
    }

    private mutating func read(_ octets: ArraySlice<UInt8>, number: Int) throws(PolicyLineError) {
        guard !octets.allSatisfy(\.isBlank) else { return warn(.blankLine, line: number) }
        let line = try PolicyLine(octets)
        // Literals are case-sensitive: `Mode` is an extension (STS-3.2-k).
        if line.key.equals("version") {
            try readVersion(line.value, line: number)
        } else if line.key.equals("mode") {
            try readMode(line.value, line: number)
        } else if line.key.equals("max_age") {
            try readMaxAge(line.value, line: number)
        } else if line.key.equals("mx") {
            // The ABNF also matches a bad mx as an extension field. We treat it as an error (STS-3.2-v, D7).
            guard let pattern = MXPattern(line.value) else { throw PolicyLineError(.badMX) }
            mx.append(pattern)
        } else {
            try line.checkExtensionValue()
        }
    }

    private mutating func readVersion(_ value: ArraySlice<UInt8>, line number: Int) throws(PolicyLineError) {
        guard !hasVersion else { return warn(.duplicateKey, line: number) }
        guard value.equals("STSv1") else { throw PolicyLineError(.unsupportedVersion) }
        hasVersion = true
    }

    private mutating func readMode(_ value: ArraySlice<UInt8>, line number: Int) throws(PolicyLineError) {
        guard mode == nil else { return warn(.duplicateKey, line: number) }
        mode =
            if value.equals("enforce") {
                .enforce
            } else if value.equals("testing") {
                .testing
            } else if value.equals("none") {
                STSPolicy.Mode.none
            } else {
                throw PolicyLineError(.unknownMode)
            }
    }

    /// `1*10(DIGIT)`
    private mutating func readMaxAge(_ value: ArraySlice<UInt8>, line number: Int) throws(PolicyLineError) {
        guard maxAge == nil else { return warn(.duplicateKey, line: number) }
        guard (1...10).contains(value.count), value.allSatisfy(\.isDigit) else { throw PolicyLineError(.badMaxAge) }
        let seconds = value.reduce(UInt64(0)) { $0 * 10 + UInt64($1 - UInt8(ascii: "0")) }
        let limit = STSPolicy.maximumMaxAge
        if seconds > limit { warn(.maxAgeClamped, line: number) }
        maxAge = seconds > limit ? limit : Int(seconds)
    }

    private mutating func warn(_ kind: PolicyWarning.Kind, line: Int) {
        guard warnings.count < STSPolicy.maximumWarnings else { return }
        warnings.append(PolicyWarning(line: line, kind: kind))
    }
}
