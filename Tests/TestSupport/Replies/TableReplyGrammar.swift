/// Postfix's side of a whole reply: the frame, and for an entry what stands in it.
///
/// Facts: what Postfix did with replies of a misbehaving server. Shares nothing with the encoders.
package struct TableReplyGrammar: Sendable {
    package enum Violation: Hashable, Sendable {
        /// Not the protocol's frame; after that a connection cannot be used.
        case frame(String)
        case tooLong(Int)
        case unknownWord(String)
        /// "should return NO RESULT in case of NOT FOUND".
        case emptyResult
        case reason(String)
        case entry(TLSPolicyEntryGrammar.Violation)
    }

    package enum Reply: Equatable, Sendable {
        case notFound
        case entry([UInt8])
        case failed(String)
    }

    private let grammar: TLSPolicyEntryGrammar

    package init(_ generation: TLSPolicyEntryGrammar.Generation) {
        grammar = TLSPolicyEntryGrammar(generation)
    }

    /// One netstring, the whole of `octets`.
    package func violations(ofSocketmap octets: [UInt8]) -> [Violation] {
        violations(Self.socketmap(octets))
    }

    /// One line, the whole of `octets`.
    package func violations(ofTCPTable octets: [UInt8]) -> [Violation] {
        violations(Self.tcpTable(octets))
    }

    private func violations(_ outcome: Result<Reply, ReplySyntaxError>) -> [Violation] {
        switch outcome {
        case .failure(let fault): [fault.violation]
        case .success(.notFound): []
        case .success(.entry([])): [.emptyResult]
        case .success(.entry(let entry)): grammar.violations(of: entry).map { .entry($0) }
        case .success(.failed(let reason)): Self.isGood(reason: reason) ? [] : [.reason(reason)]
        }
    }

    package struct ReplySyntaxError: Error, Equatable {
        package let violation: Violation
    }

    /// socketmap_table(5): a netstring of at most 100,000 octets, a word, a space, the data.
    package static func socketmap(_ octets: [UInt8]) -> Result<Reply, ReplySyntaxError> {
        guard let colon = octets.firstIndex(of: UInt8(ascii: ":")), (1...6).contains(colon),
            let length = Int(String(decoding: octets[..<colon], as: UTF8.self)), String(length).utf8.count == colon,
            octets.count == colon + 1 + length + 1, octets.last == UInt8(ascii: ",")
        else { return fault(.frame("netstring")) }
        guard length <= 100_000 else { return fault(.tooLong(length)) }
        let payload = octets[(colon + 1)..<(octets.count - 1)]
        guard let space = payload.firstIndex(of: UInt8(ascii: " ")) else { return fault(.frame("word and space")) }
        let data = payload[(space + 1)...]
        switch String(decoding: payload[..<space], as: UTF8.self) {
        case "OK": return .success(.entry(Array(data)))
        case "NOTFOUND": return data.isEmpty ? .success(.notFound) : fault(.frame("data after NOTFOUND"))
        case "TEMP", "PERM", "TIMEOUT": return .success(.failed(String(decoding: data, as: UTF8.self)))
        case let word: return fault(.unknownWord(word))
        }
    }

    /// tcp_table(5): a line of at most 4,095 octets, three digits, a space, quoted text.
    package static func tcpTable(_ octets: [UInt8]) -> Result<Reply, ReplySyntaxError> {
        guard octets.last == UInt8(ascii: "\n"), !octets.dropLast().contains(where: { !(0x20...0x7E).contains($0) })
        else { return fault(.frame("line")) }
        guard octets.count <= 4_096 else { return fault(.tooLong(octets.count - 1)) }
        guard octets.count > 5, octets[3] == UInt8(ascii: " ") else { return fault(.frame("status and space")) }
        guard let text = unquoted(octets[4...].dropLast()) else { return fault(.frame("%XX")) }
        switch String(decoding: octets[..<3], as: UTF8.self) {
        case "200": return .success(.entry(text))
        case "500": return .success(.notFound)
        case "400": return .success(.failed(String(decoding: text, as: UTF8.self)))
        case let word: return fault(.unknownWord(word))
        }
    }

    private static func fault(_ violation: Violation) -> Result<Reply, ReplySyntaxError> {
        .failure(ReplySyntaxError(violation: violation))
    }

    private static func unquoted(_ quoted: ArraySlice<UInt8>) -> [UInt8]? {
        var text: [UInt8] = []
        text.reserveCapacity(quoted.count)
        var index = quoted.startIndex
        while index < quoted.endIndex {
            let octet = quoted[index]
            index += 1
            guard octet == UInt8(ascii: "%") else {
                // Ours are quoted throughout.
                guard octet > 0x20 else { return nil }
                text.append(octet)
                continue
            }
            let digits = String(decoding: quoted[index...].prefix(2), as: UTF8.self)
            guard digits.utf8.count == 2, !digits.hasPrefix("+"), let value = UInt8(digits, radix: 16) else {
                return nil
            }
            text.append(value)
            index += 2
        }
        return text
    }

    /// Postfix logs 200 octets; an empty one would be a reply without data.
    private static func isGood(reason: String) -> Bool {
        (1...200).contains(reason.utf8.count) && reason.utf8.allSatisfy { (0x20...0x7E).contains($0) }
    }
}
