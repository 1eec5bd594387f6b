import AdminAPI
import AdminServer
import BridgeConfiguration
import Discovery
import MTASTS
import PostfixTable
import TableServer

extension AdminDependencies {
    /// - Parameters:
    ///   - runtime: the current configuration, which a reload replaces.
    ///   - services: the service names for the ports in keys.
    ///   - usesOldDialect: whether Postfix 3.10 or later uses an old map name.
    ///   - passedSockets: the sockets that systemd passed.
    ///   - otherProcesses: the process ids of other processes that use the cache file.
    ///   - reload: reads the configuration again, as SIGHUP does.
    init(
        runtime: @escaping @Sendable () async -> RuntimeConfiguration,
        services: @escaping @Sendable () -> ServiceTable,
        usesOldDialect: @escaping @Sendable () -> Bool,
        passedSockets: @escaping @Sendable () -> [TableEndpoint],
        otherProcesses: @escaping @Sendable () -> [Int32],
        reload: @escaping @Sendable () async throws(ReloadError) -> ReloadResponse
    ) {
        self.init(
            version: Version.current,
            runtime: {
                RuntimeSummary(
                    await runtime(), usesOldDialect: usesOldDialect(), passedSockets: passedSockets(),
                    otherProcesses: otherProcesses())
            },
            destination: { NextHop(key: Array($0.utf8), services: services())?.destination },
            replies: { decision, domain in
                let reply = TableReply(decision, for: domain)
                return Dictionary(Dialect.allCases.map { ($0.rawValue, reply.text(in: $0)) }) { first, _ in first }
            },
            live: { key, destination in await QueryReport(key: key, destination: destination, runtime: await runtime())
            }, reload: reload,
            now: { .current })
    }
}

extension RuntimeSummary {
    init(
        _ runtime: RuntimeConfiguration, usesOldDialect: Bool, passedSockets: [TableEndpoint] = [],
        otherProcesses: [Int32] = []
    ) {
        var notes = runtime.postfix.conflicts(looksForDANE: runtime.upstream.dane != nil).map { "\($0.key): \($0)" }
        if usesOldDialect {
            notes.append("main.cf: Postfix 3.10 or later uses an old map name; use `:sts` in smtp_tls_policy_maps")
        }
        if let note = otherProcesses.sharedCacheNote { notes.append("cache.path: \(note)") }
        self.init(
            listeners: runtime.configuration.listeners, upstreams: runtime.upstream.servers.map(\.description),
            dialect: runtime.postfix.dialect.rawValue,
            dane: runtime.upstream.dane == nil ? .off : .on,
            securityLevel: runtime.postfix.securityLevel.text,
            passedSockets: passedSockets.map { "\($0.table.rawValue) \($0.address)" }, notes: notes)
    }
}

extension Configuration {
    /// Table and address of each listener, in the form that `status` shows.
    package var listeners: [String] { socketmap.map { "socketmap \($0)" } + tcpTable.map { "tcp_table \($0)" } }
}
