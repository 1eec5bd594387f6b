import Metrics
import NIOCore
import Synchronization

/// All open connections of all listeners: bounds their number, and lets them end in order.
///
/// Concurrency: any event loop.
final class ConnectionRegistry: Sendable {
    private struct State {
        var limit: Int
        var connections: [ObjectIdentifier: Connection] = [:]
        var isDraining = false
        var whenEmpty: CheckedContinuation<Void, Never>?
    }

    private let state: Mutex<State>
    private let open: Meter
    private let limit: Meter
    private let replaced: Counter
    private let refused: Counter

    /// - Parameter limit: `listen.max-connections`.
    init(limit: Int, metrics: any MetricsFactory = MetricsSystem.factory) {
        func turnedAway(_ how: String) -> Counter {
            Counter(label: "sts_bridge_connections_turned_away_total", dimensions: [("how", how)], factory: metrics)
        }
        state = Mutex(State(limit: limit))
        open = Meter(label: "sts_bridge_connections", factory: metrics)
        self.limit = Meter(label: "sts_bridge_connections_limit", factory: metrics)
        replaced = turnedAway("replaced")
        refused = turnedAway("refused")
        self.limit.set(limit)
    }

    /// From now on; those above it stay until they end.
    func use(limit: Int) {
        state.withLock { $0.limit = limit }
        self.limit.set(limit)
    }

    enum Admission {
        case admitted
        /// At the limit; this one has been idle longest and has to go.
        case replacing(Connection)
        /// At the limit, and none is idle; or the server is stopping.
        case refused
    }

    func admit(_ connection: Connection) -> Admission {
        let admission = decide(on: connection)
        switch admission {
        case .admitted: open.increment()
        case .replacing: replaced.increment()
        case .refused: refused.increment()
        }
        return admission
    }

    private func decide(on connection: Connection) -> Admission {
        state.withLock { state in
            guard !state.isDraining else { return .refused }
            let id = ObjectIdentifier(connection)
            guard state.connections.count >= state.limit else {
                state.connections[id] = connection
                return .admitted
            }
            // A walk over all of them, but only under pressure. Idle connections are otherwise never closed by us: a
            // Postfix that finds its connection dead may defer mail.
            let idle = state.connections.values.filter { !$0.isBusy }
            guard let oldest = idle.min(by: { $0.idleSince < $1.idleSince }) else { return .refused }
            state.connections[ObjectIdentifier(oldest)] = nil
            state.connections[id] = connection
            return .replacing(oldest)
        }
    }

    func remove(_ connection: Connection) {
        let (wasOpen, continuation) = state.withLock { state -> (Bool, CheckedContinuation<Void, Never>?) in
            // One that was replaced is not there any more.
            let wasOpen = state.connections.removeValue(forKey: ObjectIdentifier(connection)) != nil
            guard state.isDraining, state.connections.isEmpty else { return (wasOpen, nil) }
            defer { state.whenEmpty = nil }
            return (wasOpen, state.whenEmpty)
        }
        if wasOpen { open.decrement() }
        continuation?.resume()
    }

    /// Admits no more, tells all to end after their pending replies, and returns when the last one has.
    func drain() async {
        let open = state.withLock { state in
            state.isDraining = true
            return Array(state.connections.values)
        }
        for connection in open { connection.channel.pipeline.fireUserInboundEventTriggered(ConnectionEvent.drain) }
        await withCheckedContinuation { continuation in
            let isEmpty = state.withLock { state in
                if !state.connections.isEmpty { state.whenEmpty = continuation }
                return state.connections.isEmpty
            }
            if isEmpty { continuation.resume() }
        }
    }

    var count: Int { state.withLock { $0.connections.count } }
}

/// What a connection is told from outside.
package enum ConnectionEvent: Sendable {
    /// Answer what is pending, then close.
    case drain
}

/// A connection as others see it.
package final class Connection: Sendable {
    let channel: any Channel
    /// Nanoseconds of `NIODeadline`; `busy` while a reply is pending.
    private let idle: Atomic<UInt64>

    private static let busy = UInt64.max

    package init(channel: any Channel) {
        self.channel = channel
        idle = Atomic(NIODeadline.now().uptimeNanoseconds)
    }

    var idleSince: UInt64 { idle.load(ordering: .relaxed) }
    var isBusy: Bool { idleSince == Self.busy }

    func becomeBusy() { idle.store(Self.busy, ordering: .relaxed) }
    func becomeIdle() { idle.store(NIODeadline.now().uptimeNanoseconds, ordering: .relaxed) }
}
