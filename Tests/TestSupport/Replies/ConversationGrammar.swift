/// All that a connection said, judged reply by reply: what every test does with every reply that it reads.
package enum ConversationGrammar {
    /// Reads socketmap and tcp_table alike. A reply that is cut off at the end is not judged: the peer closed.
    ///
    /// - Returns: what is wrong, each with the reply that it is wrong with.
    package static func faults(in octets: some Sequence<UInt8>) -> [String] {
        var rest = Array(octets)[...]
        var faults: [String] = []
        while let first = rest.first {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else {
                return faults + ["no reply begins so: \(text(rest.prefix(80)))"]
            }
            let end = isNetstring(rest) ? endOfNetstring(rest) : rest.firstIndex(of: UInt8(ascii: "\n")).map { $0 + 1 }
            guard let end, end <= rest.endIndex else { return faults }
            faults += judge(Array(rest[..<end]))
            rest = rest[end...]
        }
        return faults
    }

    /// The payload of a whole netstring, as `socketmap_table(5)` frames it.
    package static func faults(inPayload payload: String) -> [String] {
        faults(in: Array("\(payload.utf8.count):\(payload),".utf8))
    }

    private static func judge(_ reply: [UInt8]) -> [String] {
        generations(of: reply).flatMap { generation in
            let grammar = TableReplyGrammar(generation)
            let violations =
                isNetstring(reply[...]) ? grammar.violations(ofSocketmap: reply) : grammar.violations(ofTCPTable: reply)
            return violations.map { "\(generation): \($0) in \(text(reply.prefix(400)))" }
        }
    }

    /// The oldest Postfix that may receive such a reply, and the newest.
    private static func generations(of reply: [UInt8]) -> [TLSPolicyEntryGrammar.Generation] {
        if reply.firstRange(of: Array("policy_type".utf8)) != nil { return [.postfix3_10, .postfix3_12] }
        let knowsServername = reply.firstRange(of: Array("servername".utf8)) != nil
        return [knowsServername ? .postfix3_7 : .postfix3_3, .postfix3_12]
    }

    private static func isNetstring(_ octets: ArraySlice<UInt8>) -> Bool {
        let digits = octets.prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        return octets.dropFirst(digits.count).first == UInt8(ascii: ":")
    }

    private static func endOfNetstring(_ octets: ArraySlice<UInt8>) -> Int? {
        guard let colon = octets.firstIndex(of: UInt8(ascii: ":")),
            let length = Int(text(octets[..<colon]))
        else { return nil }
        return colon + 1 + length + 1
    }

    private static func text(_ octets: some Sequence<UInt8>) -> String {
        String(decoding: Array(octets), as: UTF8.self)
    }
}
