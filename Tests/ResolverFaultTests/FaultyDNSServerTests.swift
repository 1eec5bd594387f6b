import Glibc
import Testing

@testable import TestSupport

/// The server itself, asked by plain sockets.
@Suite(.timeLimit(.minutes(5)))
struct FaultyDNSServerTests {
    @Test func `the behaviour sees the question, and its answer comes back`() async throws {
        let server = try FaultyDNSServer(behavior: DNSBehavior.byName)
        let socket = try QuerySocket(to: server)
        try socket.send(query(id: 0x1234, name: "Fine.Test"))
        let response = try #require(socket.receive())
        #expect(Array(response[..<12]) == [0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0])
        #expect(response.suffix(10) == [9] + Array("fine.test".utf8))
        let received = try #require(server.queries.first)
        #expect(received.name == "fine.test" && received.type == 16 && received.id == 0x1234 && !received.overTCP)
        #expect(received.sourcePort == socket.port && received.transmission == 1)
    }

    @Test func `delays keep their order, and copies are sent`() throws {
        let server = try FaultyDNSServer(behavior: { DNSBehavior.byName($0).duplicated() })
        let socket = try QuerySocket(to: server)
        for (id, name) in ["a.after150.test", "a.after50.test", "a.fine.test"].enumerated() {
            try socket.send(query(id: UInt16(id), name: name))
        }
        #expect((0..<6).map { _ in socket.receive()?[1] } == [2, 2, 1, 1, 0, 0])
    }

    @Test func `no answer and loss send nothing, and are recorded`() async throws {
        let server = try FaultyDNSServer(loss: DNSLoss(1), behavior: DNSBehavior.byName)
        let socket = try QuerySocket(to: server)
        try socket.send(query(name: "a.fine.test"))
        await server.received(name: "a.fine.test")
        server.setLoss(.none)
        try socket.send(query(name: "a.silent.test"))
        try socket.send(query(id: 7, name: "b.fine.test"))
        #expect(socket.receive()?[1] == 7)
        #expect(server.queries.map(\.wasLost) == [true, false, false])
    }

    @Test func `30 % loss loses 30 % in each direction, the same ones in each run`() throws {
        let loss = DNSLoss(0.3)
        let queries = try (0..<2_000).map {
            try #require(DNSQuery(query(name: "n\($0).test"), sourcePort: 1, overTCP: false))
        }
        let lost = queries.map { loss.losesQuery($0) }
        #expect((540...660).contains(lost.count { $0 }))
        #expect((540...660).contains(queries.count { loss.losesResponse(to: $0) }))
        #expect(lost == queries.map { DNSLoss(0.3).losesQuery($0) })
        #expect(lost != queries.map { DNSLoss(0.3, seed: 2).losesQuery($0) })
    }

    @Test func `forged datagrams come first, each with its fault`() throws {
        let server = try FaultyDNSServer { .echo($0).forged(DNSForgery.impostors).delayed(by: .milliseconds(20)) }
        let socket = try QuerySocket(to: server, isConnected: false)
        let question = query(name: "a.test")
        try socket.send(question)
        var sources: [(port: UInt16, address: UInt32)] = []
        let messages = try (0..<6).map { _ in
            let (bytes, source) = try #require(socket.receiveWithSource())
            sources.append(source)
            return bytes
        }
        #expect(messages.map { $0[1] != question[1] } == [true, false, false, false, false, false])
        #expect(messages.map { $0[12..<19] != question[12..<19] } == [false, true, false, false, false, false])
        #expect(messages.map { $0[19..<23] != question[19..<23] } == [false, false, true, false, false, false])
        #expect(sources.map { $0.port != server.port } == [false, false, false, true, false, false])
        #expect(sources.map { $0.address != 0x7F00_0001 } == [false, false, false, false, true, false])
        #expect(messages.map { $0[3] & 15 } == [3, 3, 3, 3, 3, 0])
    }

    @Test(arguments: DNSCorruption.allCases)
    func `a corrupted message differs from the sound one`(corruption: DNSCorruption) throws {
        let query = try #require(DNSQuery(query(name: "a.test"), sourcePort: 1, overTCP: false))
        let sound = try #require(query.response(DNSBehavior.echo(query).content))
        #expect(corruption.apply(to: sound, for: query) != sound)
    }

    @Test func `TC is for UDP only, and one TCP connection carries several questions`() throws {
        let server = try FaultyDNSServer { .echo($0).truncated() }
        let datagrams = try QuerySocket(to: server)
        try datagrams.send(query(name: "a.test"))
        #expect(try #require(datagrams.receive())[2] & 2 == 2)
        let stream = try QuerySocket(to: server, type: SOCK_STREAM)
        for name in ["a.test", "b.test"] { try stream.send(framed(query(name: name))) }
        for name in ["a.test", "b.test"] {
            #expect(try #require(stream.receiveFramed()).suffix(7) == [6] + Array(name.utf8))
        }
    }

    @Test func `a stopped server rejects datagrams, and its port can be used again`() throws {
        let server = try FaultyDNSServer(behavior: DNSBehavior.byName)
        server.stop()
        let socket = try QuerySocket(to: server)
        try socket.send(query(name: "a.test"))
        #expect(socket.receive() == nil)
        let next = try FaultyDNSServer(port: server.port, behavior: DNSBehavior.byName)
        try socket.send(query(name: "a.test"))
        #expect(socket.receive() != nil)
        next.stop()
    }
}

private func query(id: UInt16 = 1, name: String) -> [UInt8] {
    let labels = name.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
    return [UInt8(id >> 8), UInt8(id & 0xff), 1, 0, 0, 1, 0, 0, 0, 0, 0, 0] + labels + [0, 0, 16, 0, 1]
}

private func framed(_ message: [UInt8]) -> [UInt8] {
    [UInt8(message.count >> 8), UInt8(message.count & 0xff)] + message
}

/// A client's socket. Each receive waits at most 5 s.
private final class QuerySocket {
    private let descriptor: Int32
    private let server: sockaddr_in
    private let isConnected: Bool
    let port: UInt16

    init(to server: FaultyDNSServer, type: __socket_type = SOCK_DGRAM, isConnected: Bool = true) throws {
        let descriptor = socket(AF_INET, Int32(type.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0, let address = ServerSockets.address(server.host)
        else { throw SocketError(step: "socket", code: errno) }
        self.descriptor = descriptor
        self.server = sockaddr_in(address, port: server.port)
        self.isConnected = isConnected
        var limit = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var name = isConnected ? self.server : sockaddr_in(0, port: 0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let result = withUnsafeMutablePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                let result = isConnected ? connect(descriptor, $0, size) : bind(descriptor, $0, size)
                return result == 0 && getsockname(descriptor, $0, &size) == 0
            }
        }
        guard result else { throw SocketError(step: "connect", code: errno) }
        port = UInt16(bigEndian: name.sin_port)
    }

    deinit { close(descriptor) }

    func send(_ bytes: [UInt8]) throws {
        var name = server
        let count = withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                sendto(
                    descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL), isConnected ? nil : $0,
                    isConnected ? 0 : socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard count == bytes.count else { throw SocketError(step: "send", code: errno) }
    }

    func receive() -> [UInt8]? { receiveWithSource()?.bytes }

    func receiveWithSource() -> (bytes: [UInt8], source: (port: UInt16, address: UInt32))? {
        var bytes = [UInt8](repeating: 0, count: 65_535)
        var peer = sockaddr_in()
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let count = withUnsafeMutablePointer(to: &peer) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                recvfrom(descriptor, &bytes, bytes.count, 0, $0, &size)
            }
        }
        guard count >= 0 else { return nil }
        return (Array(bytes[..<count]), (UInt16(bigEndian: peer.sin_port), UInt32(bigEndian: peer.sin_addr.s_addr)))
    }

    func receiveFramed() -> [UInt8]? {
        var length: [UInt8] = [0, 0]
        guard recv(descriptor, &length, 2, Int32(MSG_WAITALL)) == 2 else { return nil }
        var bytes = [UInt8](repeating: 0, count: Int(length[0]) << 8 | Int(length[1]))
        return recv(descriptor, &bytes, bytes.count, Int32(MSG_WAITALL)) == bytes.count ? bytes : nil
    }
}
