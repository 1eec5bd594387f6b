import Discovery
import Glibc
import Testing

@testable import Doctor

/// The probes, against servers of a few lines on loopback.
@Suite(.timeLimit(.minutes(5))) struct ProbeTests {
    // MARK: Lookups

    @Test(arguments: [
        ("9:NOTFOUND ,", LookupProbe.Reading.complete(Array("NOTFOUND ".utf8))), ("0:,", .complete([])),
        ("9:NOT", .incomplete),
        ("", .incomplete), ("12", .incomplete), ("9:NOTFOUND x", .malformed), ("220 hello", .malformed),
        ("99999999:", .malformed), (":", .malformed),
    ])
    func `a netstring is read as it comes`(reply: String, reading: LookupProbe.Reading) {
        #expect(LookupProbe.text(in: Array(reply.utf8), .socketmap) == reading)
    }

    @Test(arguments: [
        ("500 NOTFOUND\n", LookupProbe.Reading.complete(Array("500 NOTFOUND".utf8))), ("500 NOT", .incomplete),
        ("500\n", .malformed), ("hello there\n", .malformed),
    ])
    func `a line of tcp_table is read as it comes`(reply: String, reading: LookupProbe.Reading) {
        #expect(LookupProbe.text(in: Array(reply.utf8), .tcp) == reading)
    }

    @Test func `what a listener says is told, escaped`() async throws {
        let server = try TinyServer(answering: "6:OK x\u{1B}y,")
        let probe = LookupProbe(.socketmap, .inet(host: "127.0.0.1", port: server.port), map: "sts")
        #expect(await Blocking.run { probe.ask("a.example") } == .answered(#"OK x\x1By"#))
        #expect(server.received() == "13:sts a.example,")
    }

    @Test func `who speaks something else, or nothing, is told apart from nobody`() async throws {
        let other = try TinyServer(answering: "220 mail.example ESMTP\r\n")
        let silent = try TinyServer(answering: nil)
        func outcome(_ port: UInt16) async -> LookupProbe.Outcome {
            let probe = LookupProbe(.socketmap, .inet(host: "127.0.0.1", port: port), timeLimit: .milliseconds(300))
            return await Blocking.run { probe.ask("a.example") }
        }
        guard case .garbled(let why) = await outcome(other.port) else {
            Issue.record("not garbled")
            return
        }
        #expect(why.contains("220 mail.example"))
        #expect(await outcome(silent.port) == .garbled("it takes the connection, then: no answer in time"))
        #expect(await outcome(1) == .unreachable("Connection refused"))
        let lost = LookupProbe(.socketmap, .unix(path: "/nonexistent/socket"))
        #expect(lost.ask("x") == .unreachable("No such file or directory"))
        let long = LookupProbe(.socketmap, .unix(path: "/" + String(repeating: "x", count: 200)))
        #expect(long.ask("x") == .unreachable("File name too long"))
    }

    // MARK: DNS

    @Test func `a question is a message with EDNS, DO and AD`() {
        let message = NameServerProbe.message(DNSQuestion(name: "org", type: .a), 0x1234)
        let expected: [UInt8] = [
            0x12, 0x34, 0x01, 0x20, 0, 1, 0, 0, 0, 0, 0, 1, 3, 0x6F, 0x72, 0x67, 0, 0, 1, 0, 1,  //
            0, 0, 41, 0x04, 0xD0, 0, 0, 0x80, 0, 0, 0,
        ]
        #expect(message == expected)
        #expect(NameServerProbe.message(DNSQuestion(name: String(repeating: "a", count: 64), type: .a), 1) == nil)
        let long = Array(repeating: "abcdefg", count: 40).joined(separator: ".")
        #expect(NameServerProbe.message(DNSQuestion(name: long, type: .a), 1) == nil)
    }

    @Test func `a server's code and AD bit are read, over TCP with its length`() async throws {
        // The identifier is the asker's, so that the reply's is set by the server.
        let server = try TinyServer { request in
            guard request.count > 4 else { return nil }
            return [0, 12, request[2], request[3], 0x81, 0xA5] + [UInt8](repeating: 0, count: 8)
        }
        let probe = NameServerProbe(
            NameServerAddress(host: "127.0.0.1", port: server.port), overTCP: true, timeLimit: .seconds(10))
        let outcome = await Blocking.run { probe.ask(DNSQuestion(name: "a.example", type: .a)) }
        #expect(outcome == .answered(code: 5, isAuthenticated: true))
    }

    @Test func `a server that is not there, or answers another question, gives no answer`() async throws {
        let server = try TinyServer { _ in [0, 12, 0, 0, 0x81, 0xA0] + [UInt8](repeating: 0, count: 7) + [1] }
        func outcome(_ port: UInt16, overTCP: Bool) async -> NameServerProbe.Outcome {
            let address = NameServerAddress(host: "127.0.0.1", port: port)
            let probe = NameServerProbe(address, overTCP: overTCP, timeLimit: .milliseconds(300))
            return await Blocking.run { probe.ask(DNSQuestion(name: "a.example", type: .a)) }
        }
        #expect(await outcome(1, overTCP: true) == .silent("Connection refused"))
        #expect(await outcome(1, overTCP: false) == .silent("Connection refused"))
        let foreign = await outcome(server.port, overTCP: true)
        #expect(foreign == .silent("it answers with something that is no DNS"))
    }
}
