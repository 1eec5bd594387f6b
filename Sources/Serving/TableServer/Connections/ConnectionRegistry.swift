import Metrics
import NIOCore
import Synchronization

/// All open connections of all listeners: limits their number, and ends them in order.
///
/// Concurrency: any event loop.
/// Limits: `listen.max-connections`. Each call costs the same, however many connections are open: at the limit, clients
/// decide how often it is called.
final class ConnectionRegistry: Sendable {
    fileprivate struct Entry {
        let connection: Connection
        /// `nil`: a reply is pending.
        var idleSlot: IdleList<Connection>.Slot?
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
        func overLimit(_ action: String) -> Counter {
            Counter(
                label: "sts_bridge_connections_over_limit_total", dimensions: [("action", action)], factory: metrics)
        }
        state = Mutex(State(limit: limit))
        open = Meter(label: "sts_bridge_connections", factory: metrics)
        self.limit = Meter(label: "sts_bridge_connections_limit", factory: metrics)
        replaced = overLimit("replaced")
        refused = overLimit("refused")
        self.limit.set(limit)
    }

    /// Sets the limit for new connections. Connections above it stay until they end.
    func update(limit: Int) {
        state.withLock { $0.limit = limit }
        self.limit.set(limit)
    }

    enum Admission {
        case admitted
        /// At the limit. The caller closes this connection, which has been idle longest.
        case replacing(Connection)
        /// At the limit without an idle connection, or the server stops.
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
            // Below the limit the server never closes an idle connection: Postfix may defer mail if its connection is dead.
            guard let oldest = state.idle.first else { return .refused }
            _ = state.remove(oldest)
            state.insert(connection)
            return .replacing(oldest)
        }
    }

    /// The connection has a pending reply.
    fileprivate func noteBusy(_ connection: Connection) {
        state.withLock { $0.setIdle(connection, isIdle: false) }
    }

    /// All replies are written. The connection becomes the last of the idle ones.
    fileprivate func noteIdle(_ connection: Connection) {
        state.withLock { $0.setIdle(connection, isIdle: true) }
    }

    func remove(_ connection: Connection) {
        let (wasOpen, continuation) = state.withLock { state -> (Bool, CheckedContinuation<Void, Never>?) in
            // A replaced connection is removed already.
            let wasOpen = state.remove(connection)
            guard state.isDraining, state.connections.isEmpty else { return (wasOpen, nil) }
            defer { state.whenEmpty = nil }
            return (wasOpen, state.whenEmpty)
        }
        if wasOpen { open.decrement() }
        continuation?.resume()
    }

    /// Admits no more connections, ends all after their pending replies, and returns when the last one is closed.
    func drain() async {
        let open = state.withLock { state in
            state.isDraining = true
            return state.connections.values.map(\.connection)
        }
        for connection in open { connection.queue.post(.drain) }
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
            connection: connection, idleSlot: idle.append(connection))
    }

    /// - Returns: whether the connection was open.
    mutating func remove(_ connection: Connection) -> Bool {
        guard let entry = connections.removeValue(forKey: ObjectIdentifier(connection)) else { return false }
        if let slot = entry.idleSlot { idle.remove(at: slot) }
        return true
    }

    /// Does nothing for a replaced connection.
    mutating func setIdle(_ connection: Connection, isIdle: Bool) {
        let id = ObjectIdentifier(connection)
        guard let entry = connections[id] else { return }
        if let slot = entry.idleSlot { idle.remove(at: slot) }
        let slot = isIdle ? idle.append(connection) : nil
        connections[id]?.idleSlot = slot
    }
}

/// A connection in the registry.
package final class Connection: Sendable {
    let queue: any ConnectionQueue
    private let registry: ConnectionRegistry?

    /// - Parameter registry: notes whether the connection is idle. It retains the connection until it is closed. `nil`: the
    ///   connection is in no registry.
    init(queue: any ConnectionQueue, registry: ConnectionRegistry?) {
        self.queue = queue
        self.registry = registry
    }

    /// A connection without a registry.
    package convenience init(queue: any ConnectionQueue) {
        self.init(queue: queue, registry: nil)
    }

    func becomeBusy() { registry?.noteBusy(self) }
    func becomeIdle() { registry?.noteIdle(self) }
    func becomeClosed() { registry?.remove(self) }
}
