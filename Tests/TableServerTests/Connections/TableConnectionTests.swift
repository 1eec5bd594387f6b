import Discovery
import TableServer
import NIOCore
import NIOEmbedded
import PolicyCaching
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(5))) struct TableConnectionTests {
    @Test func `a first lookup is answered after its discovery, the next one at once`() async throws {
        let fixture = TableFixture()
        fixture.publish("example.com")
        try await fixture.run {
            let channel = try await fixture.connect(.socketmap)
            try await channel.send("19:postfix example.com,")
            #expect(try await channel.nextWrite() == "50:OK secure match=mx.example.com servername=hostname,")
            try await channel.send("19:postfix EXAMPLE.com,")
            #expect(try await channel.written() == "50:OK secure match=mx.example.com servername=hostname,")
            try await channel.send("18:legacy example.com,")
            #expect(try await channel.written() == "30:OK secure match=mx.example.com,")
        }
    }

    @Test func `map names choose the dialect of each request; other names get the configured one`() async throws {
        let fixture = TableFixture()
        fixture.publish("example.com", policy: policyText() + "\nx-note:  two   words\nx-b: {y}")
        let strings = ["version: STSv1", "mode: enforce", "mx: mx.example.com", "max_age: 604800", "x-note: two words"]
        let words =
            "secure match=mx.example.com servername=hostname policy_type=sts policy_domain=example.com"
            + strings.map { " { policy_string = \($0) }" }.joined() + " mx_host_pattern=mx.example.com"
        let sts = "\(words.utf8.count + 3):OK \(words),"
        let classic = "50:OK secure match=mx.example.com servername=hostname,"
        try await fixture.run {
            let channel = try await fixture.connect(.socketmap, settings: LookupSettings(dialect: .sts))
            try await channel.send("27:QUERYwithTLSRPT example.com,")
            #expect(try await channel.nextWrite() == sts)
            for (request, reply) in [
                ("15:sts example.com,", sts), ("17:other example.com,", sts), ("17:QUERY example.com,", classic),
                ("19:classic example.com,", classic), ("17:query example.com,", sts),
            ] {
                try await channel.send(request)
                #expect(try await channel.written() == reply)
            }
            #expect(TableReplyGrammar(.postfix3_12).violations(ofSocketmap: Array(sts.utf8)).isEmpty)
            let table = try await fixture.connect(.tcpTable, settings: LookupSettings(dialect: .sts))
            try await table.send("get example.com\n")
            #expect(try await table.written() == "200 \(words.replacing(" ", with: "%20"))\n")
        }
    }

    @Test func `both protocols have the same replies`() async throws {
        let fixture = TableFixture()
        fixture.publish("example.com")
        try await fixture.run {
            let channel = try await fixture.connect(.tcpTable)
            try await channel.send("get example.com\n")
            #expect(try await channel.nextWrite() == "200 secure%20match=mx.example.com%20servername=hostname\n")
            try await channel.send("get .example.com\nget absent.example\n")
            #expect(try await channel.nextWrite() == "500 NOTFOUND\n")
            #expect(try await channel.nextWrite() == "500 NOTFOUND\n")
        }
    }

    @Test func `keys that can have no policy are answered without DNS queries`() async throws {
        let fixture = TableFixture(decisions: DecisionSettings(onUnknown: .defer))
        let channel = try await fixture.connect(.socketmap)
        for key in [".example.com", "[192.0.2.1]", "localhost", "", "a_b.example"] {
            try await channel.send("\(key.utf8.count + 2):x \(key),")
            #expect(try await channel.written() == "9:NOTFOUND ,")
        }
        #expect(fixture.resolver.asked.isEmpty)
    }

    @Test func `pipelined requests are answered in their order, even if the first takes longest`() async throws {
        let fixture = TableFixture()
        fixture.publish("slow.example")
        let gate = fixture.resolver.hold("_mta-sts.slow.example", type: .txt)
        try await fixture.run {
            let channel = try await fixture.connect(.socketmap)
            try await channel.send("14:x slow.example,2:x ,14:x fast.example,14:x slow.example,")
            await gate.arrivals()
            #expect(try await channel.written() == "")
            gate.open()
            var text = ""
            while text.components(",") < 4 { text += try await channel.nextWrite() }
            let slow = "50:OK secure match=mx.example.com servername=hostname,"
            #expect(text == slow + "9:NOTFOUND ,9:NOTFOUND ," + slow)
        }
    }

    @Test func `STS-3.3-s at the deadline the reply is that the policy is unknown; the discovery goes on`()
        async throws
    {
        let fixture = TableFixture(decisions: DecisionSettings(onUnknown: .defer))
        fixture.publish("example.com")
        let gate = fixture.fetcher.hold("mta-sts.example.com")
        try await fixture.run {
            let channel = try await fixture.connect(.socketmap)
            try await channel.send("13:x example.com,")
            await gate.arrivals()
            await channel.testingEventLoop.advanceTime(by: .milliseconds(19_999))
            #expect(try await channel.written() == "")
            await channel.testingEventLoop.advanceTime(by: .milliseconds(1))
            #expect(
                try await channel.written()
                    == "66:TEMP policy of example.com unknown: discovery not finished in time,")
            gate.open()
            try await channel.send("13:x example.com,")
            #expect(try await channel.nextWrite().contains("OK secure match=mx.example.com"))
        }
    }

    @Test func `a temporary error is logged with its reason`() async throws {
        let fixture = TableFixture(decisions: DecisionSettings(onUnknown: .defer))
        fixture.resolver.script("_mta-sts.example.com", type: .txt, reply: .failure(.responseCode(2)))
        try await fixture.run {
            let channel = try await fixture.connect(.tcpTable)
            try await channel.send("get example.com\n")
            #expect(try await channel.nextWrite().hasPrefix("400 policy%20of%20example.com%20unknown:"))
        }
        let line = try #require(fixture.log.entries.first { $0.message == "mail deferred by temporary answer" })
        #expect(line.facts["reason"]?.contains("SERVFAIL (servers 192.0.2.53)") == true)
    }

    @Test func `a policy that names no host is a temporary error, never an empty match`() async throws {
        let fixture = TableFixture()
        fixture.publish("example.com", policy: policyText(mx: ["hostname"]))
        try await fixture.run {
            let channel = try await fixture.connect(.socketmap)
            try await channel.send("13:x example.com,")
            #expect(try await channel.nextWrite() == "45:TEMP policy of example.com lists no usable mx,")
        }
    }

    @Test(arguments: ["1048576:x", "x", "3:abc,", "\u{0}\u{1}\u{2}", "3:a b;3:a b,"])
    func `a malformed request gets an error, and no reply follows before the connection ends`(
        input: String
    ) async throws {
        let fixture = TableFixture()
        let channel = try await fixture.connect(.socketmap)
        try await channel.send("2:x ," + input)
        let text = try await channel.written()
        #expect(text.hasPrefix("9:NOTFOUND ,"))
        #expect(text.contains(":PERM "))
        // Later input is discarded until the peer closes or the lingering time is over.
        try await channel.send("2:x ,")
        #expect(try await channel.written() == "")
        await channel.testingEventLoop.advanceTime(by: .seconds(5))
        #expect(!channel.isActive)
    }

    @Test func `the server never closes an idle connection`() async throws {
        let fixture = TableFixture()
        let channel = try await fixture.connect(.socketmap)
        await channel.testingEventLoop.advanceTime(by: .hours(24))
        #expect(channel.isActive)
        try await channel.send("2:x ,")
        #expect(try await channel.written() == "9:NOTFOUND ,")
    }

    @Test func `a drained connection answers pending requests, then closes`() async throws {
        let fixture = TableFixture()
        fixture.publish("example.com")
        let gate = fixture.resolver.hold("_mta-sts.example.com", type: .txt)
        try await fixture.run {
            let channel = try await fixture.connect(.socketmap)
            try await channel.send("13:x example.com,")
            await gate.arrivals()
            channel.pipeline.fireUserInboundEventTriggered(ConnectionMessage.drain)
            #expect(channel.isActive)
            gate.open()
            #expect(try await channel.nextWrite().contains("OK secure"))
            // A request that comes before the peer can know of the end is answered.
            try await channel.send("2:x ,")
            #expect(try await channel.written() == "9:NOTFOUND ,")
            await channel.testingEventLoop.advanceTime(by: .milliseconds(50))
            #expect(channel.isActive)
            await channel.testingEventLoop.advanceTime(by: .milliseconds(50))
            try await channel.closeFuture.get()
        }
    }

    @Test func `a drained connection ends even if it is never quiet`() async throws {
        let fixture = TableFixture()
        try await fixture.run {
            let channel = try await fixture.connect(.socketmap)
            channel.pipeline.fireUserInboundEventTriggered(ConnectionMessage.drain)
            var rounds = 0
            while channel.isActive, rounds < 100 {
                try await channel.send("2:x ,")
                await channel.testingEventLoop.advanceTime(by: .milliseconds(50))
                rounds += 1
            }
            #expect((15...30).contains(rounds), "\(rounds)")
        }
    }

    @Test func `one read takes no more requests than replies may be pending`() async throws {
        let fixture = TableFixture()
        let names = (0..<50).map { "n\($0).example" }
        let gates = names.map { fixture.resolver.hold("_mta-sts.\($0)", type: .txt) }
        try await fixture.run {
            let channel = try await fixture.connect(.socketmap, settings: LookupSettings(maximumPending: 3))
            try await channel.send(names.map { "\($0.utf8.count + 2):x \($0)," }.joined())
            for gate in gates[..<3] { await gate.arrivals() }
            #expect(fixture.resolver.asked.count == 3)
            for gate in gates { gate.open() }
            var text = ""
            while text.count(where: { $0 == "," }) < 50 { text += try await channel.nextWrite() }
            #expect(text == String(repeating: "9:NOTFOUND ,", count: 50))
        }
    }

    @Test func `a peer that has stopped sending still gets all its replies, then the end`() async throws {
        let fixture = TableFixture()
        fixture.publish("example.com")
        let gate = fixture.resolver.hold("_mta-sts.example.com", type: .txt)
        try await fixture.run {
            let channel = try await fixture.connect(.socketmap, settings: LookupSettings(maximumPending: 1))
            try await channel.send("13:x example.com,2:x ,3:x a,")
            channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
            await gate.arrivals()
            gate.open()
            var text = ""
            while text.count(where: { $0 == "," }) < 3 { text += try await channel.nextWrite() }
            #expect(text.hasSuffix("servername=hostname,9:NOTFOUND ,9:NOTFOUND ,"))
            try await channel.closeFuture.get()
        }
    }

    @Test func `with too many pending replies the connection is not read`() async throws {
        let fixture = TableFixture()
        let gate = fixture.resolver.hold("_mta-sts.slow.example", type: .txt)
        try await fixture.run {
            let channel = try await fixture.connect(.socketmap, settings: LookupSettings(maximumPending: 3))
            for _ in 1...3 { try await channel.send("14:x slow.example,") }
            await gate.arrivals()
            let reads = ReadCounter()
            try await channel.pipeline.addHandler(reads, position: .first).get()
            channel.read()
            #expect(try await channel.eventLoop.submit { reads.count }.get() == 0)
            gate.open()
            while try await channel.eventLoop.submit({ reads.count }).get() == 0 { _ = try await channel.nextWrite() }
        }
    }
}

/// Counts the reads that reach the socket.
private final class ReadCounter: ChannelOutboundHandler, @unchecked Sendable {
    // `@unchecked`: only touched on the channel's event loop.
    typealias OutboundIn = ByteBuffer
    var count = 0

    func read(context: ChannelHandlerContext) {
        count += 1
        context.read()
    }
}

extension String {
    /// The number of occurrences of `text`.
    fileprivate func components(_ text: Character) -> Int { count { $0 == text } }
}
