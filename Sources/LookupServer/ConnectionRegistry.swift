import Metrics
import NIOCore
import Synchronization

/// All open connections of all listeners: bounds their number, and lets them end in order.
///
/// Concurrency: any event loop.
/// Cost: each call the same, however many connections there are: at the limit strangers choose how often it is called.
final class ConnectionRegistry: Sendable {
    fileprivate struct Entry {
        let connection: Connection
        /// `nil`: a reply is pending.
        var idlePlace: IdleList<Connection>.Place?
    }

    fileprivate struct State {
        var limit: Int
        var connections: [ObjectIdentifier: Entry] = [:]
        /// The connection that has been idle longest comes first.
        var idle = IdleList<Connection>()
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
            guard state.connections.count >= state.limit else {
                state.insert(connection)
                return .admitted
            }
            // Idle connections are otherwise never closed by us: a Postfix that finds its connection dead may defer mail.
            guard let oldest = state.idle.first else { return .refused }
            _ = state.remove(oldest)
            state.insert(connection)
            return .replacing(oldest)
        }
    }

    /// A reply is pending.
    fileprivate func noteBusy(_ connection: Connection) {
        state.withLock { $0.setIdle(false, connection) }
    }

    /// All replies are written: nobody has been idle for less time.
    fileprivate func noteIdle(_ connection: Connection) {
        state.withLock { $0.setIdle(true, connection) }
    }

    func remove(_ connection: Connection) {
        let (wasOpen, continuation) = state.withLock { state -> (Bool, CheckedContinuation<Void, Never>?) in
            // One that was replaced is not there any more.
            let wasOpen = state.remove(connection)
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
            return state.connections.values.map(\.connection)
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

extension ConnectionRegistry.State {
    mutating func insert(_ connection: Connection) {
        connections[ObjectIdentifier(connection)] = .init(
            connection: connection, idlePlace: idle.append(connection))
    }

    /// - Returns: whether it was there.
    mutating func remove(_ connection: Connection) -> Bool {
        guard let entry = connections.removeValue(forKey: ObjectIdentifier(connection)) else { return false }
        if let place = entry.idlePlace { idle.remove(at: place) }
        return true
    }

    /// Nothing happens if the connection had to go.
    mutating func setIdle(_ isIdle: Bool, _ connection: Connection) {
        let id = ObjectIdentifier(connection)
        guard let entry = connections[id] else { return }
        if let place = entry.idlePlace { idle.remove(at: place) }
        let place = isIdle ? idle.append(connection) : nil
        connections[id]?.idlePlace = place
    }
}

/// What a connection is told from outside.
package enum ConnectionEvent: Sendable {
    /// Answer what is pending, then close.
    case drain
}

/// A connection as others see it.
package final class Connection: Sendable {
    let channel: any Channel
    private let registry: ConnectionRegistry?

    /// - Parameter registry: gets to know whether it is idle; it may hold the connection until it is closed.
    init(channel: any Channel, registry: ConnectionRegistry) {
        self.channel = channel
        self.registry = registry
    }

    /// One that is in no registry.
    package init(channel: any Channel) {
        self.channel = channel
        registry = nil
    }

    func becomeBusy() { registry?.noteBusy(self) }
    func becomeIdle() { registry?.noteIdle(self) }
}
