import Discovery
import Testing

@testable import DNSClient

@Suite struct DNSReplyTests {
    private let query = DNSQuery(name: WireName(text: "a.test") ?? WireName(), type: 16)

    /// A response to the query; flags as in RFC 1035 §4.1.1.
    private func response(
        id: UInt16 = 7, flags: UInt16 = 0x8180, questions: UInt8 = 1, authority: [UInt8] = []
    ) -> [UInt8] {
        var octets = query.octets(id: id)[..<query.questionEnd] + authority
        octets[2] = UInt8(flags >> 8)
        octets[3] = UInt8(flags & 0xFF)
        octets.replaceSubrange(4..<12, with: [0, questions, 0, 0, 0, authority.isEmpty ? 0 : 1, 0, 0])
        return Array(octets)
    }

    private func classify(_ packet: [UInt8], overTCP: Bool = false) -> DNSReply {
        DNSReply.classify(packet, query: query, id: 7, overTCP: overTCP)
    }

    @Test func `RFC 5452 section 9.1: what does not match the query is unrelated`() {
        #expect(classify(response(id: 8)) == .unrelated)
        #expect(classify(response(flags: 0x0180)) == .unrelated)
        var otherName = response()
        otherName[13] = UInt8(ascii: "b")
        var otherType = response()
        otherType[query.questionEnd - 3] = 1
        for packet in [otherName, otherType, [], [0, 7], response(questions: 0)] {
            #expect(classify(packet) == .unrelated)
        }
    }

    @Test func `a name in other letters is the same name`() {
        var packet = response()
        packet[13] = UInt8(ascii: "A")
        guard case .answer = classify(packet) else { return #expect(Bool(false), "\(classify(packet))") }
    }

    @Test func `TC leads to TCP, and is malformed there`() {
        #expect(classify(response(flags: 0x8380)) == .truncated)
        #expect(classify(response(flags: 0x8380), overTCP: true) == .malformed("truncated, over TCP"))
    }

    @Test func `a server that does not recurse and has no records is no proof that there are none`() {
        let referral = DNSReply.error(
            .malformedAnswer("a referral, this server does not resolve recursively"))
        #expect(classify(response(flags: 0x8100)) == referral)
        // An NS record of the root.
        let authority: [UInt8] = [0, 0, 2, 0, 1, 0, 0, 0, 60, 0, 1, 0]
        #expect(classify(response(flags: 0x8100, authority: authority)) == referral)
        // With RA, or with AA, it is an answer.
        for flags in [0x8180, 0x8500] as [UInt16] {
            guard case .answer = classify(response(flags: flags)) else { return #expect(Bool(false), "\(flags)") }
        }
    }

    @Test func `FORMERR may come without the question`() {
        #expect(classify(response(flags: 0x8181, questions: 0)) == .error(.responseCode(1)))
    }
}
