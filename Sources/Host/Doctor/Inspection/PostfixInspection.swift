import Glibc
import PostfixConfig

/// Postfix's configuration, and the state of the files and tables that it names.
package struct PostfixInspection: Sendable {
    package let configuration: PostfixConfiguration
    /// `mail_owner`, the user of smtp(8); `nil`: this host has no such user.
    package let owner: Account?
    package let clients: [ClientInspection]
    /// The lookups in `transport_maps`.
    package let transports: [TransportLookup]

    package init(
        configuration: PostfixConfiguration, owner: Account?, clients: [ClientInspection],
        transports: [TransportLookup] = []
    ) {
        self.configuration = configuration
        self.owner = owner
        self.clients = clients
        self.transports = transports
    }
}

/// A service that runs smtp(8), with the tables and CAs that it uses.
package struct ClientInspection: Sendable {
    package let client: SMTPClient
    package let tables: [TableInspection]
    /// `nil`: not set.
    package let authorityFile: CertificateStore?
    /// The directory as smtp(8) sees it in its chroot; `nil`: not set.
    package let authorityDirectory: CertificateStore?

    package init(
        client: SMTPClient, tables: [TableInspection] = [], authorityFile: CertificateStore? = nil,
        authorityDirectory: CertificateStore? = nil
    ) {
        self.client = client
        self.tables = tables
        self.authorityFile = authorityFile
        self.authorityDirectory = authorityDirectory
    }

    /// The tables that are the bridge.
    var bridges: [(table: PolicyTable, route: BridgeRoute)] {
        tables.compactMap { facts in
            if case .bridge(let route) = facts.role { (facts.table, route) } else { nil }
        }
    }
}

/// One table of `smtp_tls_policy_maps`: the bridge or another table.
package struct TableInspection: Sendable {
    package enum Role: Sendable {
        case bridge(BridgeRoute)
        /// The table's answer for a name that no table lists.
        case other(Postmap.Answer)
    }

    package let table: PolicyTable
    package let role: Role

    package init(_ table: PolicyTable, role: Role) {
        self.table = table
        self.role = role
    }
}

/// One lookup in one table of `transport_maps`.
package struct TransportLookup: Equatable, Sendable {
    package let table: String
    /// A domain, or `*` for all domains without their own entry (transport(5)).
    package let key: String
    package let answer: Postmap.Answer

    package init(table: String, key: String, answer: Postmap.Answer) {
        self.table = table
        self.key = key
        self.answer = answer
    }
}

/// The path from Postfix to one of the bridge's listeners.
package struct BridgeRoute: Equatable, Sendable {
    package enum Place: Equatable, Sendable {
        case inet
        /// A host name that smtp(8) resolves inside a chroot without etc/hosts.
        case nameWithoutHosts(String)
        case socket(SocketPath)
        /// The path is that of the bridge's socket, but smtp(8) runs in a chroot, where it is this path.
        case outsideOfChroot(String)
        /// An absolute path, and it is unknown whether smtp(8) runs in a chroot.
        case unknownChroot
    }

    package let place: Place
    package let outcome: LookupProbe.Outcome

    package init(_ place: Place, outcome: LookupProbe.Outcome) {
        self.place = place
        self.outcome = outcome
    }
}

// MARK: - Gathering

extension PostfixInspection {
    /// A name that no table lists: a table that has it answers for every name.
    private static let unlistedName = "sts-bridge-doctor.invalid"

    /// Runs all lookups at once, each with a limit of five seconds.
    ///
    /// - Parameter domain: a domain that mail may go to.
    static func gathered(
        _ configuration: PostfixConfiguration, setup: DaemonConfiguration, configurationDirectory: String?,
        domain: String
    ) async -> PostfixInspection {
        let postmap: Postmap? =
            switch configuration.source {
            case .postconf(let path):
                Postmap(
                    beside: path, configurationDirectory: configurationDirectory,
                    queueDirectory: configuration.queueDirectory)
            case .files: nil
            }
        async let transports = transports(configuration, postmap: postmap, domain: domain)
        let clients = configuration.clients
        let lists = clients.map { client in
            PolicyTable.all(in: client.parameters.text("smtp_tls_policy_maps")).map {
                OpenedTable(table: $0, isChrooted: $0.isProxied ? configuration.isProxymapChrooted : client.isChrooted)
            }
        }
        let tables = await withTaskGroup(of: (OpenedTable, TableInspection).self) { group in
            for seen in Set(lists.joined()) {
                group.addTask {
                    (
                        seen,
                        await Blocking.run {
                            inspect(seen, setup: setup, queueDirectory: configuration.queueDirectory, postmap: postmap)
                        }
                    )
                }
            }
            return await group.reduce(into: [OpenedTable: TableInspection]()) { $0[$1.0] = $1.1 }
        }
        return PostfixInspection(
            configuration: configuration, owner: Account.named(configuration.mailOwner),
            clients: zip(clients, lists).map { client, list in
                ClientInspection(
                    client: client, tables: list.compactMap { tables[$0] },
                    authorityFile: client.path("smtp_tls_CAfile").map(CertificateStore.file),
                    authorityDirectory: client.path("smtp_tls_CApath").map {
                        CertificateStore.directory((client.isChrooted == true ? configuration.queueDirectory : "") + $0)
                    })
            }, transports: await transports)
    }

    /// Looks the domain up in all tables at once.
    private static func transports(
        _ configuration: PostfixConfiguration, postmap: Postmap?, domain: String
    ) async -> [TransportLookup] {
        let tables = PolicyTable.all(in: configuration.parameters.text("transport_maps"))
        return await withTaskGroup(of: TransportLookup.self) { group in
            for table in tables {
                for key in [domain, "*"] {
                    group.addTask {
                        await Blocking.run {
                            TransportLookup(
                                table: table.text, key: key,
                                answer: postmap?.lookup(key, table: table.text)
                                    ?? .unknown("there is no postmap on this host"))
                        }
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }.sorted { ($0.table, $0.key) < ($1.table, $1.key) }
        }
    }

    /// A table, and whether the process that opens it runs in a chroot.
    private struct OpenedTable: Hashable {
        let table: PolicyTable
        let isChrooted: Bool?
    }

    private static func inspect(
        _ seen: OpenedTable, setup: DaemonConfiguration, queueDirectory: String, postmap: Postmap?
    ) -> TableInspection {
        if let route = route(to: seen, setup: setup, queueDirectory: queueDirectory) {
            return TableInspection(seen.table, role: .bridge(route))
        }
        if case .other("static") = seen.table.kind {
            return TableInspection(seen.table, role: .other(.found(String(seen.table.text.dropFirst("static:".count)))))
        }
        return TableInspection(
            seen.table,
            role: .other(
                postmap?.lookup(unlistedName, table: seen.table.text) ?? .unknown("there is no postmap on this host")))
    }

    /// `nil`: the table is not the bridge.
    private static func route(
        to seen: OpenedTable, setup: DaemonConfiguration, queueDirectory: String
    ) -> BridgeRoute? {
        let (table, address, map): (DaemonConfiguration.Listener.Table, TableAddress, String)
        switch seen.table.kind {
        case .socketmap(let place, let name): (table, address, map) = (.socketmap, place, name)
        case .tcp(let place): (table, address, map) = (.tcp, place, "")
        case .malformed, .other: return nil
        }
        func ask(_ address: TableAddress) -> LookupProbe.Outcome {
            LookupProbe(table, address: address, map: map).ask(LookupProbe.probeKey)
        }
        let listeners = setup.listeners.filter { $0.table == table }.map(\.address)
        // The addresses of passed sockets may be unknown: then a socket that answers like the bridge is the bridge's.
        let mayBePassed = !setup.passedSockets.isEmpty && (setup.passedTable ?? table) == table
        func answers(_ outcome: LookupProbe.Outcome) -> Bool {
            guard mayBePassed, case .answered(let text) = outcome else { return false }
            return LookupProbe(table, address: address).isRight(text)
        }
        switch address {
        case .inet(let host, let port):
            let isListed = listeners.contains { leads(host: host, port: port, to: $0) }
            guard isListed || mayBePassed else { return nil }
            let outcome = ask(address)
            guard isListed || answers(outcome) else { return nil }
            let needsHosts = seen.isChrooted == true && !isAddress(host)
            let hosts = queueDirectory + "/etc/hosts"
            let isLost = needsHosts && FileLookup.at(hosts) == .missing
            return BridgeRoute(isLost ? .nameWithoutHosts(hosts) : .inet, outcome: outcome)
        case .unix(let path):
            let sockets = listeners.compactMap { if case .unix(let path) = $0 { canonical(path) } else { nil } }
            let isRelative = !path.hasPrefix("/")
            let inside = isRelative ? queueDirectory + "/" + path : queueDirectory + path
            let real = isRelative || seen.isChrooted == true ? inside : path
            if sockets.contains(canonical(real)) || mayBePassed && answers(ask(.unix(path: real))) {
                guard isRelative || seen.isChrooted != nil else {
                    return BridgeRoute(.unknownChroot, outcome: ask(.unix(path: real)))
                }
                let base = isRelative || seen.isChrooted == true ? queueDirectory : "/"
                return BridgeRoute(.socket(SocketPath(path, from: base)), outcome: ask(.unix(path: real)))
            }
            guard sockets.contains(canonical(path)) else { return nil }
            return BridgeRoute(.outsideOfChroot(inside), outcome: ask(.unix(path: path)))
        }
    }

    private static func leads(host: String, port: UInt16, to listener: TableAddress) -> Bool {
        guard case .inet(let own, port) = listener else { return false }
        if host == own || own == "0.0.0.0" || own == "::" { return true }
        return !addresses(of: host).isDisjoint(with: addresses(of: own))
    }

    private static func isAddress(_ host: String) -> Bool {
        var octets = [UInt8](repeating: 0, count: 16)
        return inet_pton(AF_INET, host, &octets) == 1 || inet_pton(AF_INET6, host, &octets) == 1
    }

    private static func addresses(of host: String) -> Set<String> {
        var list: UnsafeMutablePointer<addrinfo>?
        // Without hints, IPv4 addresses may be returned as IPv6.
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        guard getaddrinfo(host, nil, &hints, &list) == 0 else { return [] }
        defer { freeaddrinfo(list) }
        var found: Set<String> = []
        var next = list
        while let entry = next?.pointee {
            var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
            if getnameinfo(entry.ai_addr, entry.ai_addrlen, &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0 {
                found.insert(String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self))
            }
            next = entry.ai_next
        }
        return found
    }

    /// The path with the symbolic links of its directory resolved; the last component need not exist.
    private static func canonical(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return path }
        let directory = path[..<slash].isEmpty ? "/" : String(path[..<slash])
        guard let resolved = realpath(directory, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved) + path[slash...]
    }
}

extension SMTPClient {
    /// A parameter that names a file; `nil` if it is empty.
    fileprivate func path(_ name: String) -> String? {
        let path = parameters.text(name)
        return path.isEmpty ? nil : path
    }
}
