/// The configured servers, and the order in which a question tries them.
///
/// A pure value; time is a parameter. The order is the configured one (resolv.conf(5)). If a server does not answer questions
/// that another server answers, it moves behind the others (see `Evidence`). It then gets a copy of a question every
/// `probeInterval`, and moves back with its first answer. If no server answers, the order stays.
struct ServerPool {
    typealias Instant = ContinuousClock.Instant

    /// Identifies a server. The same address always has the same number.
    struct ServerID: Hashable {
        let number: Int
    }

    /// The reason why a server did not answer a question that another server answered.
    enum Evidence: Equatable {
        /// Its port is closed. It moves behind the others at once.
        case refused
        /// It moves behind the others unless it has answered another question since `since`.
        case timeout(since: Instant)
        /// It moves behind the others after `maximumErrors` errors in a row. A single error may depend on the name.
        case error
    }

    private static let maximumErrors = 3

    private struct Entry {
        let id: ServerID
        var errors = 0
        /// The time of its last message that belongs to a question.
        var lastMessageAt: Instant?
        /// The time since which it is behind the others; `nil` if it is not.
        var demotedAt: Instant?
        var probedAt: Instant
    }

    /// The order for one question.
    struct Order: Equatable {
        /// Never empty.
        var servers: [ServerID]
        /// The servers behind the others.
        var demoted: Set<ServerID> = []
        /// A demoted server that gets a copy of this question.
        var probe: ServerID?
    }

    private var entries: [Entry] = []
    private var numbers: [NameServer: ServerID] = [:]
    private(set) var addresses: [NameServer] = []

    /// The time after which a recovered server is in use again, if there are questions.
    static let probeInterval = Duration.seconds(5)

    init(_ servers: [NameServer], at now: Instant) {
        replace(with: servers, at: now)
    }

    /// Servers in use, in the configured order.
    var servers: [NameServer] { entries.map { addresses[$0.id.number] } }

    func address(of id: ServerID) -> NameServer { addresses[id.number] }

    /// Replaces the servers. Their history is lost, because the network may be another one.
    mutating func replace(with servers: [NameServer], at now: Instant) {
        entries = servers.map { server in
            let id = numbers[server] ?? ServerID(number: addresses.count)
            if numbers[server] == nil {
                numbers[server] = id
                addresses.append(server)
            }
            return Entry(id: id, probedAt: now)
        }
    }

    /// Returns the order for a new question, and counts the probe as sent.
    mutating func order(at now: Instant) -> Order {
        let demoted = entries.filter { $0.demotedAt != nil }
        guard !demoted.isEmpty else { return Order(servers: entries.map(\.id)) }
        let preferred = entries.filter { $0.demotedAt == nil }
        var probe: ServerID?
        if !preferred.isEmpty,
            let due = entries.firstIndex(where: { $0.demotedAt != nil && now - $0.probedAt >= Self.probeInterval })
        {
            entries[due].probedAt = now
            probe = entries[due].id
        }
        return Order(
            servers: (preferred + demoted).map(\.id), demoted: Set(demoted.map(\.id)), probe: probe)
    }

    func isDemoted(_ id: ServerID) -> Bool { entries.contains { $0.id == id && $0.demotedAt != nil } }

    /// The server sent a message that belongs to a question.
    mutating func received(from id: ServerID, at now: Instant) {
        guard let index = entries.firstIndex(where: { $0.id == id }) else { return }
        entries[index].lastMessageAt = now
    }

    /// The server gave a usable answer.
    mutating func answered(_ id: ServerID) {
        guard let index = entries.firstIndex(where: { $0.id == id }) else { return }
        entries[index].demotedAt = nil
        entries[index].errors = 0
    }

    /// Records that another server answered a question that this one did not. Returns whether it moves behind the others now.
    mutating func recordMiss(_ id: ServerID, evidence: Evidence, at now: Instant) -> Bool {
        guard let index = entries.firstIndex(where: { $0.id == id }), entries[index].demotedAt == nil else {
            return false
        }
        switch evidence {
        case .refused: break
        case .timeout(let start):
            if let last = entries[index].lastMessageAt, last >= start { return false }
        case .error:
            entries[index].errors += 1
            guard entries[index].errors >= Self.maximumErrors else { return false }
        }
        entries[index].demotedAt = now
        entries[index].probedAt = now
        return true
    }
}
