import Admin
import Discovery
import LookupServer
import MTASTS
import PolicyService
import PostfixTable

extension AdminSeams {
    /// What the operator's API needs of a daemon.
    ///
    /// - Parameters:
    ///   - setup: the one in force, which a reload replaces.
    ///   - services: the service names in force, by which keys name ports.
    ///   - isAskedForFewerWords: whether Postfix asks for fewer than it understands.
    ///   - passedSockets: where the sockets of the service manager are.
    ///   - reload: what SIGHUP does.
    init(
        setup: @escaping @Sendable () async -> Setup,
        services: @escaping @Sendable () -> ServiceTable,
        isAskedForFewerWords: @escaping @Sendable () -> Bool,
        passedSockets: @escaping @Sendable () -> [TablePlace],
        reload: @escaping @Sendable () async throws(ReloadRefusal) -> Reloaded
    ) {
        self.init(
            version: Version.current,
            setup: {
                SetupFacts(
                    await setup(), isAskedForFewerWords: isAskedForFewerWords(), passedSockets: passedSockets())
            },
            destination: { NextHop(key: Array($0.utf8), services: services())?.destination },
            replies: { decision, domain in
                let reply = TableReply(decision, for: domain)
                return Dictionary(Dialect.allCases.map { ($0.rawValue, reply.text(in: $0)) }) { first, _ in first }
            },
            live: { key, destination in await QueryReport(on: key, destination, await setup()) }, reload: reload,
            now: { .current })
    }
}

extension SetupFacts {
    init(_ setup: Setup, isAskedForFewerWords: Bool, passedSockets: [TablePlace] = []) {
        var notes = setup.postfix.conflicts(looksForDANE: setup.upstream.dane != nil).map { "\($0.key): \($0)" }
        if isAskedForFewerWords {
            notes.append("main.cf: Postfix asks for fewer words than it understands; write sts for the map's name")
        }
        self.init(
            listeners: setup.configuration.listeners, upstreams: setup.upstream.servers.map(\.description),
            dialect: setup.postfix.dialect.rawValue,
            dane: setup.upstream.dane == nil ? "off" : SetupFacts.on,
            securityLevel: setup.postfix.securityLevel.text,
            passedSockets: passedSockets.map { "\($0.table.rawValue) \($0.address)" }, notes: notes)
    }
}

extension Configuration {
    /// Table and address of each, as `status` shows them.
    var listeners: [String] { socketmap.map { "socketmap \($0)" } + tcpTable.map { "tcp_table \($0)" } }
}
