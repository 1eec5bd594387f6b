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
    ///   - reload: what SIGHUP does.
    init(
        setup: @escaping @Sendable () async -> Setup,
        services: @escaping @Sendable () -> ServiceTable,
        isAskedForFewerWords: @escaping @Sendable () -> Bool,
        reload: @escaping @Sendable () async throws(ReloadRefusal) -> Reloaded
    ) {
        self.init(
            version: Version.current,
            setup: { SetupFacts(await setup(), isAskedForFewerWords: isAskedForFewerWords()) },
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
    init(_ setup: Setup, isAskedForFewerWords: Bool) {
        let configuration = setup.configuration
        let listeners =
            configuration.socketmap.map { "socketmap \($0)" } + configuration.tcpTable.map { "tcp_table \($0)" }
        var notes = setup.postfix.conflicts(looksForDANE: setup.upstream.dane != nil).map { "\($0.key): \($0)" }
        if isAskedForFewerWords {
            notes.append("main.cf: Postfix asks for fewer words than it understands; write sts for the map's name")
        }
        self.init(
            listeners: listeners, upstreams: setup.upstream.servers.map(\.description),
            dialect: setup.postfix.dialect.rawValue,
            dane: setup.upstream.dane == nil ? "off" : SetupFacts.on,
            notes: notes)
    }
}
