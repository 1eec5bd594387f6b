import Logging
import TableServer
import NIOCore
import NIOEmbedded
import TestSupport
import Testing

/// A channel may call its handlers back from within any call that they make. These tests do it at every place.
@Suite(.timeLimit(.minutes(5))) struct CallbackTests {
    private static let names = (0..<6).map { "d\($0).example" }

    private static func request(_ name: String) -> String { "\(name.utf8.count + 2):x \(name)," }

    private static func reply(_ name: String) -> String {
        let words = "OK secure match=mx.\(name) servername=hostname"
        return "\(words.utf8.count):\(words),"
    }

    /// A connection whose six domains are known, and whose replies are ready unless each lookup is logged.
    private func connect(_ fixture: TableFixture, settings: LookupSettings) async throws -> NIOAsyncTestingChannel {
        for name in Self.names { fixture.publish(name, policy: policyText(mx: ["mx.\(name)"])) }
        let channel = try await fixture.connect(.socketmap, settings: settings)
        for name in Self.names {
            try await channel.send(Self.request(name))
            #expect(try await channel.nextWrite() == Self.reply(name))
            try await channel.send(Self.request(name))
            #expect(try await channel.written() == Self.reply(name))
        }
        return channel
    }

    @Test(arguments: [1, 2, 100], [Logger.Level.debug, .info])
    func `each reply is written once, in order, if the channel calls back from within writes, flushes and reads`(
        maximumPending: Int, logLevel: Logger.Level
    ) async throws {
        let fixture = TableFixture(logLevel: logLevel)
        try await fixture.run {
            let channel = try await connect(fixture, settings: LookupSettings(maximumPending: maximumPending))
            let eager = EagerChannel(requests: Self.names[3...].map(Self.request))
            try await channel.pipeline.addHandler(eager, position: .first).get()
            try await channel.send(Self.names[..<3].map(Self.request).joined())
            let written = try await channel.written()
            #expect(written == Self.names.map(Self.reply).joined())
        }
    }

    /// With ready replies, one write has the replies to all known requests.
    @Test(arguments: [(Logger.Level.debug, 1), (.info, 6)] as [(Logger.Level, Int64)])
    func `after a channel closes within a write, no further request is taken`(
        logLevel: Logger.Level, counts: Int64
    ) async throws {
        let fixture = TableFixture(logLevel: logLevel)
        try await fixture.run {
            let channel = try await connect(fixture, settings: LookupSettings(maximumPending: 1))
            try await channel.pipeline.addHandler(ClosingChannel(), position: .first).get()
            let counted = try fixture.lookups
            try await channel.send(Self.names.map(Self.request).joined() + Self.request("cold.example"))
            #expect(try await channel.written() == "")
            #expect(!channel.isActive)
            #expect(try fixture.lookups == counted + counts)
            #expect(!fixture.resolver.asked.contains { "\($0)".contains("cold.example") })
        }
    }
}

extension TableFixture {
    /// Replies that were rendered.
    fileprivate var lookups: Int64 {
        get throws {
            try metrics.expectCounter(
                "sts_bridge_lookups_total",
                [
                    ("table", "socketmap"), ("rule", "enforce"), ("reply", "secure"),
                ]
            ).totalValue
        }
    }
}

/// Reports a change of writability before and after each write, flush and read, and reads one more request in each write.
private final class EagerChannel: ChannelDuplexHandler, @unchecked Sendable {
    // `@unchecked`: only touched on the channel's event loop.
    typealias InboundIn = ByteBuffer
    typealias OutboundIn = ByteBuffer
    private var requests: [String]
    /// A limit, so that a handler that writes again in each call fails the test and does not end the process.
    private var calls = 0

    init(requests: [String]) {
        self.requests = requests
    }

    private func callBack(_ context: ChannelHandlerContext) {
        calls += 1
        if calls < 100 { context.fireChannelWritabilityChanged() }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        callBack(context)
        if !requests.isEmpty {
            context.fireChannelRead(NIOAny(ByteBuffer(string: requests.removeFirst())))
            context.fireChannelReadComplete()
        }
        context.write(data, promise: promise)
        callBack(context)
    }

    func flush(context: ChannelHandlerContext) {
        callBack(context)
        context.flush()
        callBack(context)
    }

    func read(context: ChannelHandlerContext) {
        callBack(context)
        context.read()
        callBack(context)
    }
}

/// Closes before it writes.
private final class ClosingChannel: ChannelOutboundHandler, @unchecked Sendable {
    // `@unchecked`: only touched on the channel's event loop.
    typealias OutboundIn = ByteBuffer

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        context.close(promise: nil)
        context.fireChannelWritabilityChanged()
        promise?.fail(ChannelError.ioOnClosedChannel)
    }
}
