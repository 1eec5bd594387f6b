import Glibc
import NIOPosix
import TestSupport

/// A client over a real socket that reads at its own pace and compares each octet with the expected reply.
///
/// Concurrency: each conversation blocks one thread of NIO's thread pool; poll(2) waits for the socket.
/// Errors: `ConversationError`. A server that stays quiet for ten seconds is an error.
struct SlowClient: Sendable {
    enum Address: Sendable {
        case tcp(port: Int)
        case unix(path: String)
    }

    struct Pace: Sendable {
        /// The largest number of requests without a reply; 1 is lockstep.
        var depth = 1
        /// Octets of one read.
        var pieces = 1...65_536
        /// SO_RCVBUF in octets; the kernel doubles it and has a minimum.
        var receiveBuffer: Int32 = 4_096
        /// Microseconds before a read, for one read of 32.
        var pauses: ClosedRange<UInt32> = 0...0
        /// Whether the client stops sending right after the last request, or after the last reply.
        var halfClosesEarly = false
        /// Closes the socket after so many octets, though more are expected.
        var leavesAfter: Int?
    }

    let address: Address
    let pace: Pace
    /// For the sizes of the pieces and the pauses.
    let seed: UInt64

    /// Sends all requests, and returns after all replies and the end of the stream.
    func talk(_ exchanges: [Exchange]) async throws {
        try await NIOThreadPool.singleton.runIfActive {
            let descriptor = try connect()
            defer { close(descriptor) }
            var conversation = Conversation(exchanges, descriptor: descriptor, pace: pace, seed: seed)
            try conversation.run()
        }
    }

    private func connect() throws -> Int32 {
        let family = if case .tcp = address { AF_INET } else { AF_UNIX }
        let descriptor = socket(family, Int32(SOCK_STREAM.rawValue), 0)
        var octets = pace.receiveBuffer
        let length = socklen_t(MemoryLayout<Int32>.size)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &octets, length)
        // On loopback a segment has 64 KiB; a window below that would cost 200 ms a read (RFC 9293 §3.8.6.2.1).
        var segment: Int32 = 1_000
        if case .tcp = address { setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_MAXSEG, &segment, length) }
        let result =
            switch address {
            case .tcp(let port): withLoopbackAddress(port) { Glibc.connect(descriptor, $0, $1) }
            case .unix(let path): withUnixAddress(path) { Glibc.connect(descriptor, $0, $1) }
            }
        guard result == 0 else {
            defer { close(descriptor) }
            throw ConversationError("connect: \(String(cString: strerror(errno)))")
        }
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) | O_NONBLOCK)
        return descriptor
    }

    private func withLoopbackAddress<Result>(
        _ port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Result
    ) -> Result {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}

struct ConversationError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// One run through a list of exchanges.
private struct Conversation {
    private let exchanges: [Exchange]
    private let requests: [UInt8]
    private let replies: [UInt8]
    /// The end of each request and of each reply in octets.
    private let requestEnds: [Int]
    private let replyEnds: [Int]
    private let descriptor: Int32
    private let pace: SlowClient.Pace
    private var generator: Seeded
    private var sent = 0
    private var received = 0
    private var answered = 0
    private var hasHalfClosed = false
    private var piece: [UInt8]

    init(_ exchanges: [Exchange], descriptor: Int32, pace: SlowClient.Pace, seed: UInt64) {
        self.exchanges = exchanges
        self.descriptor = descriptor
        self.pace = pace
        requests = exchanges.flatMap(\.request)
        replies = exchanges.flatMap(\.reply)
        requestEnds = Self.ends(of: exchanges.map(\.request))
        replyEnds = Self.ends(of: exchanges.map(\.reply))
        generator = Seeded(seed)
        piece = Array(repeating: 0, count: pace.pieces.upperBound)
    }

    private static func ends(of parts: [[UInt8]]) -> [Int] {
        var end = 0
        return parts.map { part in
            end += part.count
            return end
        }
    }

    mutating func run() throws {
        while true {
            if sent == requests.count, pace.halfClosesEarly || answered == exchanges.count { halfClose() }
            let events = mayBeSent > sent ? POLLIN | POLLOUT : POLLIN
            var state = pollfd(fd: descriptor, events: Int16(events), revents: 0)
            guard poll(&state, 1, Self.timeout) != 0 else { throw failure("nothing more came for ten seconds") }
            if Int32(state.revents) & POLLOUT != 0 { try send() }
            if Int32(state.revents) & (POLLIN | POLLHUP | POLLERR) != 0 {
                guard try receive() else { break }
            }
            if let enough = pace.leavesAfter, received >= enough { return }
        }
        guard received == replies.count else { throw failure("the connection ended") }
    }

    private static let timeout: Int32 = 10_000

    private var mayBeSent: Int {
        let index = min(exchanges.count, answered + pace.depth)
        return index == 0 ? 0 : requestEnds[index - 1]
    }

    private mutating func halfClose() {
        guard !hasHalfClosed else { return }
        hasHalfClosed = true
        shutdown(descriptor, Int32(SHUT_WR))
    }

    private mutating func send() throws {
        let rest = sent..<mayBeSent
        let count = requests.withUnsafeBytes { octets in
            Glibc.send(
                descriptor, octets.baseAddress.map { $0 + rest.lowerBound }, rest.count, Int32(MSG_NOSIGNAL))
        }
        guard count >= 0 || errno == EAGAIN else { throw failure("send: \(String(cString: strerror(errno)))") }
        sent += max(0, count)
    }

    /// - Returns: whether there may be more.
    private mutating func receive() throws -> Bool {
        if Int.random(in: 0..<32, using: &generator) == 0 { usleep(.random(in: pace.pauses, using: &generator)) }
        let wanted = Int.random(in: pace.pieces, using: &generator)
        let count = piece.withUnsafeMutableBytes { recv(descriptor, $0.baseAddress, wanted, 0) }
        guard count >= 0 else {
            if errno == EAGAIN { return true }
            throw failure("recv: \(String(cString: strerror(errno)))")
        }
        try compare(piece[..<count])
        received += count
        while answered < exchanges.count, replyEnds[answered] <= received { answered += 1 }
        return count > 0
    }

    private func compare(_ octets: ArraySlice<UInt8>) throws {
        let end = received + octets.count
        guard end <= replies.count else { throw failure("more came than was asked for: \(text(octets.prefix(60)))") }
        guard !replies[received..<end].elementsEqual(octets) else { return }
        let same = zip(replies[received..<end], octets).prefix { $0 == $1 }.count
        throw failure(
            "expected \(text(replies[(received + same)...].prefix(60))), got \(text(octets.dropFirst(same).prefix(60))),"
        )
    }

    private func failure(_ problem: String) -> ConversationError {
        let request = answered < exchanges.count ? text(exchanges[answered].request[...]) : "the end"
        return ConversationError(
            "\(problem) after \(received) of \(replies.count) octets, \(answered) of \(exchanges.count) replies; "
                + "next is the reply to \(request)")
    }

    private func text(_ octets: ArraySlice<UInt8>) -> String { String(decoding: octets, as: UTF8.self) }
}
