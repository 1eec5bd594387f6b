import Foundation
import TableServer
import NIOCore
import NIOPosix
import Testing
import TestSupport

@Suite(.timeLimit(.minutes(5))) struct LookupServerTests {
    private static let secure = "50:OK secure match=mx.example.com servername=hostname,"

    @Test func `several listeners on TCP and unix sockets serve the same answers`() async throws {
        let fixture = TableFixture()
        fixture.publish("example.com")
        let path = NSTemporaryDirectory() + "sts-\(UUID().uuidString.prefix(8)).sock"
        let addresses = [
            ListenAddress.tcp(host: "127.0.0.1", port: 0), .tcp(host: "::1", port: 0), .unix(path: path),
        ]
        try await fixture.serve(socketmap: addresses) { ports in
            let request = "19:postfix example.com,"
            try await TableClient.with(port: ports[0]) { client in
                let reply = try await client.ask(request, until: ",")
                #expect(reply == Self.secure)
            }
            try await TableClient.with(port: ports[1], host: "::1") { client in
                let reply = try await client.ask(request, until: ",")
                #expect(reply == Self.secure)
            }
            try await TableClient.with(path: path) { client in
                let reply = try await client.ask(request, until: ",")
                #expect(reply == Self.secure)
            }
            try await TableClient.with(port: ports[2]) { client in
                let reply = try await client.ask("get example.com\n", until: "\n")
                #expect(reply == "200 secure%20match=mx.example.com%20servername=hostname\n")
            }
        }
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test func `a unix socket has its mode from the start, and replaces a dead one`() async throws {
        let path = NSTemporaryDirectory() + "sts-\(UUID().uuidString.prefix(8)).sock"
        let fixture = TableFixture()
        // A socket that no process serves any more.
        try leaveDeadSocket(at: path)
        #expect(FileManager.default.fileExists(atPath: path))
        try await fixture.serve(
            socketmap: [.unix(path: path)], settings: LookupSettings(socketMode: 0o644, socketGroup: nil)
        ) { _ in
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o644)
            let reply = try await TableClient.with(path: path) { try await $0.ask("2:x ,", until: ",") }
            #expect(reply == "9:NOTFOUND ,")
        }
    }

    @Test func `a group that does not exist is a warning, and only the owner may connect`() async throws {
        let path = NSTemporaryDirectory() + "sts-\(UUID().uuidString.prefix(8)).sock"
        let fixture = TableFixture()
        let settings = LookupSettings(socketGroup: "no-such-group-here")
        try await fixture.serve(socketmap: [.unix(path: path)], settings: settings) { _ in
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            #expect((attributes[.posixPermissions] as? NSNumber)?.intValue == 0o600)
        }
        let line = fixture.log.entries.first {
            $0.message == "unix socket group does not exist, no group gets rights: set listen.socket-group"
        }
        #expect(line?.facts["mode"] == "0600")
    }

    /// Only root may give a file to another user; `Tests/in-namespace` runs the tests as root.
    @Test func `a socket that a process of another user serves is not taken from it`() async throws {
        let path = NSTemporaryDirectory() + "sts-\(UUID().uuidString.prefix(8)).sock"
        let first = TableFixture()
        try await first.serve(socketmap: [.unix(path: path)]) { _ in
            try #require(chown(path, 65_534, 65_534) == 0)
            let second = TableFixture()
            let failure = await #expect(throws: ListenError.self) {
                try await second.serve(socketmap: [.unix(path: path)]) { _ in }
            }
            #expect(failure?.description.contains("a process of another user listens on this socket") == true)
        }
    }

    @Test func `a file that is not a socket is named and not replaced`() async throws {
        let path = NSTemporaryDirectory() + "sts-\(UUID().uuidString.prefix(8)).conf"
        try "precious".write(toFile: path, atomically: false, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let fixture = TableFixture()
        let failure = await #expect(throws: ListenError.self) {
            try await fixture.serve(socketmap: [.unix(path: path)]) { _ in }
        }
        #expect(failure?.description.contains("the file \(path) is not a socket;") == true)
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "precious")
    }

    @Test func `a host that cannot be resolved is reported with what to do`() async throws {
        let fixture = TableFixture()
        let failure = await #expect(throws: ListenError.self) {
            try await fixture.serve(socketmap: [.tcp(host: "x..invalid", port: 0)]) { _ in }
        }
        let words = failure?.description ?? ""
        #expect(words.hasPrefix("cannot listen on x..invalid:0: "), "\(words)")
        #expect(words.contains("; write an IP address"), "\(words)")
        #expect(!words.contains("SocketAddressError"))
    }

    @Test func `0.0.0.0 and [::] stand side by side on one port`() async throws {
        let fixture = TableFixture()
        try await fixture.serve { ports in
            let second = TableFixture()
            try await second.serve(socketmap: [.tcp(host: "::", port: ports[0])], tcpTable: []) { other in
                #expect(other == [ports[0]])
            }
        }
    }

    @Test func `stopping does not wait for ever for a peer that does not read`() async throws {
        let fixture = TableFixture()
        fixture.publish("example.com", policy: policyText(mx: (0..<3_000).map { "mx\($0).example.com" }))
        let settings = LookupSettings(deadline: .milliseconds(200), lingering: .milliseconds(200))
        let (ports, continuation) = AsyncStream<Int>.makeStream()
        let gate = Gate()
        async let deaf: Void = {
            for await port in ports.prefix(1) {
                try await TableClient.with(port: port) { client in
                    // Some 60 KB for each: more than any socket buffer takes.
                    let request = String(repeating: "19:postfix example.com,", count: 2_000)
                    try await client.outbound.write(ByteBuffer(string: request))
                    await gate.pass()
                }
            }
        }()
        try await fixture.serve(settings: settings) { ports in
            continuation.yield(ports[0])
            await gate.arrivals()
        }
        gate.open()
        try await deaf
    }

    /// A program that does not share its port stands for another user's daemon: for both bind(2) fails.
    @Test func `a port in use by another program is named`() async throws {
        let other = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(other.localAddress?.port)
        let error = await #expect(throws: ListenError.self) {
            try await TableFixture().serve(socketmap: [.tcp(host: "127.0.0.1", port: port)]) { _ in }
        }
        #expect(
            error?.description
                == "cannot listen on 127.0.0.1:\(port): Address already in use; stop the other process or choose another "
                + "port under listen")
        try await other.close()
    }

    @Test func `at the connection limit a new connection replaces the oldest idle one`() async throws {
        let fixture = TableFixture()
        try await fixture.serve(settings: LookupSettings(maximumConnections: 2)) { ports in
            try await TableClient.with(port: ports[0]) { oldest in
                let reply = try await oldest.ask("2:x ,", until: ",")
                #expect(reply == "9:NOTFOUND ,")
                try await TableClient.with(port: ports[0]) { second in
                    let reply = try await second.ask("2:x ,", until: ",")
                    #expect(reply == "9:NOTFOUND ,")
                    try await TableClient.with(port: ports[0]) { third in
                        let newest = try await third.ask("2:x ,", until: ",")
                        #expect(newest == "9:NOTFOUND ,")
                        let kept = try await second.ask("2:x ,", until: ",")
                        #expect(kept == "9:NOTFOUND ,")
                    }
                }
                let last = try await oldest.receive(until: ",")
                #expect(last == "")
                #expect(oldest.isClosed)
            }
        }
    }

    @Test func `a connection with a pending lookup is never replaced`() async throws {
        let fixture = TableFixture()
        fixture.publish("example.com")
        let gate = fixture.resolver.hold("_mta-sts.example.com", type: .txt)
        try await fixture.serve(settings: LookupSettings(maximumConnections: 1)) { ports in
            try await TableClient.with(port: ports[0]) { busy in
                try await busy.outbound.write(ByteBuffer(string: "19:postfix example.com,"))
                await gate.arrivals()
                try await TableClient.with(port: ports[0]) { refused in
                    let reply = try await refused.receive(until: ",")
                    #expect(reply == "")
                }
                gate.open()
                let reply = try await busy.receive(until: ",")
                #expect(reply == Self.secure)
            }
        }
    }

    @Test func `stopping answers what is pending`() async throws {
        let fixture = TableFixture()
        fixture.publish("example.com")
        let gate = fixture.resolver.hold("_mta-sts.example.com", type: .txt)
        let (ports, continuation) = AsyncStream<Int>.makeStream()
        async let answer = {
            for await port in ports.prefix(1) {
                return try await TableClient.with(port: port) { client in
                    try await client.ask("19:postfix example.com,", until: ",")
                }
            }
            return ""
        }()
        // Opened when the server has begun to stop, which it does as soon as the lookup is pending.
        async let opening: Void = {
            await fixture.log.appearance(of: "stopping, answering pending lookups")
            gate.open()
        }()
        try await fixture.serve { ports in
            continuation.yield(ports[0])
            await gate.arrivals()
        }
        let reply = try await answer
        #expect(reply == Self.secure)
        await opening
    }

    @Test func `1 MiB of anything gets an error and an end`() async throws {
        let fixture = TableFixture()
        try await fixture.serve { ports in
            for (port, end) in [(ports[0], ","), (ports[1], "\n")] {
                for filler in [
                    "1048576:x " + String(repeating: "k", count: 1_048_576), String(repeating: "9", count: 1 << 20),
                ] {
                    try await TableClient.with(port: port) { client in
                        let reply = try await client.ask(filler, until: end)
                        #expect(reply.contains("request") || client.isClosed, "\(reply)")
                    }
                }
            }
            try await TableClient.with(port: ports[0]) { client in
                let reply = try await client.ask("2:x ,", until: ",")
                #expect(reply == "9:NOTFOUND ,")
            }
        }
    }
}
