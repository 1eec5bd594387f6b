import Discovery
import Glibc
import Testing

@testable import Doctor

/// The probes, with small servers on loopback.
@Suite(.timeLimit(.minutes(5))) struct ProbeTests {
    // MARK: Lookups

    @Test(arguments: [
        ("9:NOTFOUND ,", LookupProbe.Reading.complete(Array("NOTFOUND ".utf8))), ("0:,", .complete([])),
        ("9:NOT", .incomplete),
        ("", .incomplete), ("12", .incomplete), ("9:NOTFOUND x", .malformed), ("220 hello", .malformed),
        ("99999999:", .malformed), (":", .malformed),
    ])
    func `a partial netstring is incomplete`(reply: String, reading: LookupProbe.Reading) {
        #expect(LookupProbe.text(in: Array(reply.utf8), table: .socketmap) == reading)
    }

    @Test(arguments: [
        ("500 NOTFOUND\n", LookupProbe.Reading.complete(Array("500 NOTFOUND".utf8))), ("500 NOT", .incomplete),
        ("500\n", .malformed), ("hello there\n", .malformed),
    ])
    func `a partial line of tcp_table is incomplete`(reply: String, reading: LookupProbe.Reading) {
        #expect(LookupProbe.text(in: Array(reply.utf8), table: .tcp) == reading)
    }

    @Test func `a listener's reply is reported, escaped`() async throws {
        let server = try TinyServer(answering: "6:OK x\u{1B}y,")
        let probe = LookupProbe(.socketmap, address: .inet(host: "127.0.0.1", port: server.port), map: "sts")
        #expect(await Blocking.run { probe.ask("a.example") } == .answered(#"OK x\x1By"#))
        #expect(server.received() == "13:sts a.example,")
    }

    @Test func `a malformed or missing reply differs from an unreachable listener`() async throws {
        let other = try TinyServer(answering: "220 mail.example ESMTP\r\n")
        let silent = try TinyServer(answering: nil)
        func outcome(_ port: UInt16) async -> LookupProbe.Outcome {
            let probe = LookupProbe(
                .socketmap, address: .inet(host: "127.0.0.1", port: port), timeLimit: .milliseconds(300))
            return await Blocking.run { probe.ask("a.example") }
        }
        guard case .malformedReply(let why) = await outcome(other.port) else {
            Issue.record("not garbled")
            return
        }
        #expect(why.contains("220 mail.example"))
        #expect(await outcome(silent.port) == .malformedReply("it accepts the connection, then: no answer in time"))
        #expect(await outcome(1) == .unreachable("Connection refused"))
        let lost = LookupProbe(.socketmap, address: .unix(path: "/nonexistent/socket"))
        #expect(lost.ask("x") == .unreachable("No such file or directory"))
        let long = LookupProbe(.socketmap, address: .unix(path: "/" + String(repeating: "x", count: 200)))
        #expect(long.ask("x") == .unreachable("File name too long"))
    }

    // MARK: DNS

    @Test func `a question is a message with EDNS, DO and AD`() {
        let message = NameServerProbe.message(DNSQuestion(name: "org", type: .a), identifier: 0x1234)
        let expected: [UInt8] = [
            0x12, 0x34, 0x01, 0x20, 0, 1, 0, 0, 0, 0, 0, 1, 3, 0x6F, 0x72, 0x67, 0, 0, 1, 0, 1,  //
            0, 0, 41, 0x04, 0xD0, 0, 0, 0x80, 0, 0, 0,
        ]
        #expect(message == expected)
        #expect(
            NameServerProbe.message(DNSQuestion(name: String(repeating: "a", count: 64), type: .a), identifier: 1)
                == nil)
        let long = Array(repeating: "abcdefg", count: 40).joined(separator: ".")
        #expect(NameServerProbe.message(DNSQuestion(name: long, type: .a), identifier: 1) == nil)
    }

    @Test func `a server's code and AD bit are read, over TCP with its length`() async throws {
        // The server copies the identifier of the question.
        let server = try TinyServer { request in
            guard request.count > 4 else { return nil }
            return [0, 12, request[2], request[3], 0x81, 0xA5] + [UInt8](repeating: 0, count: 8)
        }
        let probe = NameServerProbe(
            NameServerAddress(host: "127.0.0.1", port: server.port), overTCP: true, timeLimit: .seconds(10))
        let outcome = await Blocking.run { probe.ask(DNSQuestion(name: "a.example", type: .a)) }
        #expect(outcome == .answered(code: 5, isAuthenticated: true))
    }

    @Test func `a missing server, or one that answers another question, gives no answer`() async throws {
        let server = try TinyServer { _ in [0, 12, 0, 0, 0x81, 0xA0] + [UInt8](repeating: 0, count: 7) + [1] }
        func outcome(_ port: UInt16, overTCP: Bool) async -> NameServerProbe.Outcome {
            let address = NameServerAddress(host: "127.0.0.1", port: port)
            let probe = NameServerProbe(address, overTCP: overTCP, timeLimit: .milliseconds(300))
            return await Blocking.run { probe.ask(DNSQuestion(name: "a.example", type: .a)) }
        }
        #expect(await outcome(1, overTCP: true) == .silent("Connection refused"))
        #expect(await outcome(1, overTCP: false) == .silent("Connection refused"))
        let foreign = await outcome(server.port, overTCP: true)
        #expect(foreign == .silent("its answer is not a DNS message"))
    }
}
