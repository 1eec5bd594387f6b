/// `sts-policy-record` of RFC 8461 §3.2, line by line; the first fault ends it.
///
/// More tolerant than the ABNF in one thing: lines of nothing but blanks (STS-3.2-g).
struct PolicyParser {
    private(set) var notices: [PolicyNotice] = []
    private var hasVersion = false
    private var mode: STSPolicy.Mode?
    private var maxAge: Int?
    private var mx: [MXPattern] = []

    mutating func parse(_ octets: [UInt8]) throws(PolicyError) {
        if octets.starts(with: [0xEF, 0xBB, 0xBF]) { throw PolicyError(line: 1, reason: .byteOrderMark) }
        var rest = octets[...]
        var number = 1
        while !rest.isEmpty {
            let line = Self.takeLine(from: &rest)
            do throws(PolicyError.Reason) {
                try read(line, number: number)
            } catch {
                throw PolicyError(line: number, reason: error)
            }
            number += 1
        }
    }

    /// The ABNF's comments: what is required, and that `mx` is unless the mode is `none`.
    func finish() throws(PolicyError) -> (STSPolicy.Mode, maxAge: Int, mx: [MXPattern]) {
        guard hasVersion else { throw PolicyError(line: nil, reason: .missingVersion) }
        guard let mode else { throw PolicyError(line: nil, reason: .missingMode) }
        guard let maxAge else { throw PolicyError(line: nil, reason: .missingMaxAge) }
        guard !mx.isEmpty || mode == .none else { throw PolicyError(line: nil, reason: .missingMX) }
        return (mode, maxAge, mx)
    }

    /// `sts-policy-term = LF / CRLF`, optional after the last line. A CR elsewhere stays in the line, where it is a
    /// fault (erratum 6253; STS-3.2-e).
    private static func takeLine(from rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else {
            defer { rest = [] }
            return rest
        }
        let line = rest[..<end]
        rest = rest[(end + 1)...]
        return line.last == UInt8(ascii: "\r") ? line.dropLast() : line
    }

    private mutating func read(_ octets: ArraySlice<UInt8>, number: Int) throws(PolicyError.Reason) {
        guard !octets.allSatisfy(\.isBlank) else { return note(.blankLine, number) }
        let line = try PolicyLine(octets)
        // Literals are case-sensitive: `Mode` is an extension (STS-3.2-k).
        if line.key.equals("version") {
            try readVersion(line.value, number)
        } else if line.key.equals("mode") {
            try readMode(line.value, number)
        } else if line.key.equals("max_age") {
            try readMaxAge(line.value, number)
        } else if line.key.equals("mx") {
            // The ABNF could take a bad one for an extension named mx; it is a broken policy (STS-3.2-v, D7).
            guard let pattern = MXPattern(line.value) else { throw .badMX }
            mx.append(pattern)
        } else {
            try line.checkExtensionValue()
        }
    }

    private mutating func readVersion(_ value: ArraySlice<UInt8>, _ number: Int) throws(PolicyError.Reason) {
        guard !hasVersion else { return note(.duplicateKey, number) }
        guard value.equals("STSv1") else { throw .unsupportedVersion }
        hasVersion = true
    }

    private mutating func readMode(_ value: ArraySlice<UInt8>, _ number: Int) throws(PolicyError.Reason) {
        guard mode == nil else { return note(.duplicateKey, number) }
        mode = STSPolicy.Mode.allCases.first { value.elementsEqual($0.rawValue.utf8) }
        guard mode != nil else { throw .unknownMode }
    }

    /// `1*10(DIGIT)`
    private mutating func readMaxAge(_ value: ArraySlice<UInt8>, _ number: Int) throws(PolicyError.Reason) {
        guard maxAge == nil else { return note(.duplicateKey, number) }
        guard (1...10).contains(value.count), value.allSatisfy(\.isDigit) else { throw .badMaxAge }
        let seconds = value.reduce(UInt64(0)) { $0 * 10 + UInt64($1 - UInt8(ascii: "0")) }
        let limit = STSPolicy.maximumMaxAge
        if seconds > limit { note(.maxAgeClamped, number) }
        maxAge = seconds > limit ? limit : Int(seconds)
    }

    private mutating func note(_ oddity: PolicyNotice.Oddity, _ line: Int) {
        guard notices.count < STSPolicy.maximumNotices else { return }
        notices.append(PolicyNotice(line: line, oddity: oddity))
    }
}
