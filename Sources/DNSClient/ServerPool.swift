/// The configured servers, in the order in which a question tries them.
///
/// A pure value; time is a parameter. The configured order counts (resolv.conf(5)). A server that leaves questions without
/// an answer, while another server answers them, goes behind the others (`Evidence` says when). It gets a copy of a question
/// every `probeInterval`, and comes back with its first answer. If no server answers, the order stays.
struct ServerPool {
    typealias Instant = ContinuousClock.Instant

    /// A server for the life of the process: the same address keeps its number and its history.
    struct ServerID: Hashable {
        let number: Int
    }

    /// Why a server did not answer a question that another one answered.
    enum Evidence: Equatable {
        /// Nobody listens there: it goes behind the others at once.
        case refused
        /// It goes behind the others unless it has answered any other question since.
        case silence(since: Instant)
        /// It goes behind the others after `errorsInRow` of them: one name's error is that name's.
        case error
    }

    private static let errorsInRow = 3

    private struct Entry {
        let id: ServerID
        var errors = 0
        /// When it last sent anything that belongs to a question.
        var lastMessageAt: Instant?
        /// Since when it is behind the others; `nil`: it is not.
        var demotedAt: Instant?
        var probedAt: Instant
    }

    /// The order for one question.
    struct Order: Equatable {
        /// Never empty.
        var servers: [ServerID]
        /// Those of them that did not answer lately.
        var demoted: Set<ServerID> = []
        /// A demoted server that gets a copy of this question.
        var probe: ServerID?
    }

    private var entries: [Entry] = []
    private var numbers: [NameServer: ServerID] = [:]
    private(set) var addresses: [NameServer] = []

    /// A server that is back is used again after this time, if questions come.
    static let probeInterval = Duration.seconds(5)

    init(_ servers: [NameServer], at now: Instant) {
        replace(with: servers, at: now)
    }

    /// Servers in use, in the configured order.
    var servers: [NameServer] { entries.map { addresses[$0.id.number] } }

    func address(of id: ServerID) -> NameServer { addresses[id.number] }

    /// From now on these are asked. Their history is forgotten: the network may be another one.
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

    /// The order for a new question. Counts the probe as sent.
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

    /// Another server answered what this one did not.
    ///
    /// - Returns: whether it goes behind the others now.
    mutating func passOver(_ id: ServerID, _ evidence: Evidence, at now: Instant) -> Bool {
        guard let index = entries.firstIndex(where: { $0.id == id }), entries[index].demotedAt == nil else {
            return false
        }
        switch evidence {
        case .refused: break
        case .silence(let start):
            if let last = entries[index].lastMessageAt, last >= start { return false }
        case .error:
            entries[index].errors += 1
            guard entries[index].errors >= Self.errorsInRow else { return false }
        }
        entries[index].demotedAt = now
        entries[index].probedAt = now
        return true
    }
}
