import Glibc
import PostfixSettings

/// What Postfix is told, and what is found where it will look.
package struct PostfixFacts: Sendable {
    package let survey: PostfixSurvey
    /// `mail_owner`, as whom smtp(8) runs; `nil`: there is no such user here.
    package let owner: Account?
    package let clients: [ClientFacts]
    /// What `transport_maps` says.
    package let transports: [TransportFacts]

    package init(
        survey: PostfixSurvey, owner: Account?, clients: [ClientFacts], transports: [TransportFacts] = []
    ) {
        self.survey = survey
        self.owner = owner
        self.clients = clients
        self.transports = transports
    }
}

/// One service that runs smtp(8), and what it will find.
package struct ClientFacts: Sendable {
    package let client: SMTPClient
    package let tables: [TableFacts]
    /// `nil`: not set.
    package let authorityFile: CertificateStore?
    /// Where smtp(8) looks once it is in its chroot; `nil`: not set.
    package let authorityDirectory: CertificateStore?

    package init(
        client: SMTPClient, tables: [TableFacts] = [], authorityFile: CertificateStore? = nil,
        authorityDirectory: CertificateStore? = nil
    ) {
        self.client = client
        self.tables = tables
        self.authorityFile = authorityFile
        self.authorityDirectory = authorityDirectory
    }

    /// Those that lead to us.
    var bridges: [(table: PolicyTable, way: BridgeWay)] {
        tables.compactMap { facts in
            if case .bridge(let way) = facts.role { (facts.table, way) } else { nil }
        }
    }
}

/// One table of `smtp_tls_policy_maps`, and who is behind it.
package struct TableFacts: Sendable {
    package enum Role: Sendable {
        case bridge(BridgeWay)
        /// What it says of a name that nobody would list.
        case stranger(Postmap.Answer)
    }

    package let table: PolicyTable
    package let role: Role

    package init(_ table: PolicyTable, _ role: Role) {
        self.table = table
        self.role = role
    }
}

/// One question to one table of `transport_maps`.
package struct TransportFacts: Equatable, Sendable {
    package let table: String
    /// A domain, or `*` for all that have no entry of their own (transport(5)).
    package let key: String
    package let answer: Postmap.Answer

    package init(table: String, key: String, answer: Postmap.Answer) {
        self.table = table
        self.key = key
        self.answer = answer
    }
}

/// How Postfix comes to one of our listeners.
package struct BridgeWay: Equatable, Sendable {
    package enum Place: Equatable, Sendable {
        case inet
        /// A name instead of an address, looked up inside a chroot that has no etc/hosts.
        case nameWithoutHosts(String)
        case socket(SocketPath)
        /// The path is our socket's, but the process that looks for it is in a chroot, and finds this one.
        case outsideOfChroot(String)
        /// An absolute path, and nobody knows whether from the chroot.
        case unknownChroot
    }

    package let place: Place
    package let outcome: LookupProbe.Outcome

    package init(_ place: Place, _ outcome: LookupProbe.Outcome) {
        self.place = place
        self.outcome = outcome
    }
}

// MARK: - Gathering

extension PostfixFacts {
    /// A name that nobody would list: a table that knows it knows everything.
    private static let unlistedName = "sts-bridge-doctor.invalid"

    /// Looks at all of it at once; each look has its own limit of five seconds.
    ///
    /// - Parameter domain: one that mail may go to.
    static func gathered(
        _ survey: PostfixSurvey, _ setup: BridgeSetup, configurationDirectory: String?, domain: String
    ) async -> PostfixFacts {
        let postmap: Postmap? =
            switch survey.source {
            case .postconf(let path):
                Postmap(
                    beside: path, configurationDirectory: configurationDirectory, queueDirectory: survey.queueDirectory)
            case .files: nil
            }
        async let transports = transports(survey, postmap, domain: domain)
        let clients = survey.clients
        let lists = clients.map { client in
            PolicyTable.all(in: client.parameters.text("smtp_tls_policy_maps")).map {
                Seen(table: $0, isChrooted: $0.isProxied ? survey.isProxymapChrooted : client.isChrooted)
            }
        }
        let tables = await withTaskGroup(of: (Seen, TableFacts).self) { group in
            for seen in Set(lists.joined()) {
                group.addTask {
                    (seen, await Blocking.run { look(at: seen, setup, survey.queueDirectory, postmap) })
                }
            }
            return await group.reduce(into: [Seen: TableFacts]()) { $0[$1.0] = $1.1 }
        }
        return PostfixFacts(
            survey: survey, owner: Account.named(survey.mailOwner),
            clients: zip(clients, lists).map { client, list in
                ClientFacts(
                    client: client, tables: list.compactMap { tables[$0] },
                    authorityFile: client.path("smtp_tls_CAfile").map(CertificateStore.file),
                    authorityDirectory: client.path("smtp_tls_CApath").map {
                        CertificateStore.directory((client.isChrooted == true ? survey.queueDirectory : "") + $0)
                    })
            }, transports: await transports)
    }

    /// All tables at once.
    private static func transports(
        _ survey: PostfixSurvey, _ postmap: Postmap?, domain: String
    ) async -> [TransportFacts] {
        let tables = PolicyTable.all(in: survey.parameters.text("transport_maps"))
        return await withTaskGroup(of: TransportFacts.self) { group in
            for table in tables {
                for key in [domain, "*"] {
                    group.addTask {
                        await Blocking.run {
                            TransportFacts(
                                table: table.text, key: key,
                                answer: postmap?.ask(key, table.text) ?? .notAsked("there is no postmap here"))
                        }
                    }
                }
            }
            return await group.reduce(into: []) { $0.append($1) }.sorted { ($0.table, $0.key) < ($1.table, $1.key) }
        }
    }

    /// A table, and from where it is looked at.
    private struct Seen: Hashable {
        let table: PolicyTable
        let isChrooted: Bool?
    }

    private static func look(
        at seen: Seen, _ setup: BridgeSetup, _ queueDirectory: String, _ postmap: Postmap?
    ) -> TableFacts {
        if let way = way(to: seen, setup, queueDirectory) { return TableFacts(seen.table, .bridge(way)) }
        if case .other("static") = seen.table.kind {
            return TableFacts(seen.table, .stranger(.found(String(seen.table.text.dropFirst("static:".count)))))
        }
        return TableFacts(
            seen.table, .stranger(postmap?.ask(unlistedName, seen.table.text) ?? .notAsked("there is no postmap here")))
    }

    /// `nil`: it does not lead to us.
    private static func way(to seen: Seen, _ setup: BridgeSetup, _ queueDirectory: String) -> BridgeWay? {
        let (table, address, map): (BridgeSetup.Listener.Table, TableAddress, String)
        switch seen.table.kind {
        case .socketmap(let place, let name): (table, address, map) = (.socketmap, place, name)
        case .tcp(let place): (table, address, map) = (.tcp, place, "")
        case .malformed, .other: return nil
        }
        func ask(_ address: TableAddress) -> LookupProbe.Outcome {
            LookupProbe(table, address, map: map).ask(LookupProbe.harmlessKey)
        }
        let listeners = setup.listeners.filter { $0.table == table }.map(\.address)
        // Where the service manager's sockets are may be unknown: then one that answers as the bridge does is the bridge's.
        let mayBePassed = !setup.passedSockets.isEmpty && (setup.passedTable ?? table) == table
        func answers(_ outcome: LookupProbe.Outcome) -> Bool {
            guard mayBePassed, case .answered(let text) = outcome else { return false }
            return LookupProbe(table, address).isRight(text)
        }
        switch address {
        case .inet(let host, let port):
            let isListed = listeners.contains { leads(host, port, to: $0) }
            guard isListed || mayBePassed else { return nil }
            let outcome = ask(address)
            guard isListed || answers(outcome) else { return nil }
            let needsHosts = seen.isChrooted == true && !isAddress(host)
            let hosts = queueDirectory + "/etc/hosts"
            let isLost = needsHosts && FileLook.at(hosts) == .missing
            return BridgeWay(isLost ? .nameWithoutHosts(hosts) : .inet, outcome)
        case .unix(let path):
            let sockets = listeners.compactMap { if case .unix(let path) = $0 { canonical(path) } else { nil } }
            let isRelative = !path.hasPrefix("/")
            let inside = isRelative ? queueDirectory + "/" + path : queueDirectory + path
            let real = isRelative || seen.isChrooted == true ? inside : path
            if sockets.contains(canonical(real)) || mayBePassed && answers(ask(.unix(path: real))) {
                guard isRelative || seen.isChrooted != nil else {
                    return BridgeWay(.unknownChroot, ask(.unix(path: real)))
                }
                let base = isRelative || seen.isChrooted == true ? queueDirectory : "/"
                return BridgeWay(.socket(SocketPath(path, from: base)), ask(.unix(path: real)))
            }
            guard sockets.contains(canonical(path)) else { return nil }
            return BridgeWay(.outsideOfChroot(inside), ask(.unix(path: path)))
        }
    }

    private static func leads(_ host: String, _ port: UInt16, to listener: TableAddress) -> Bool {
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
        // Without hints IPv4 addresses may come as IPv6.
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

    /// With the symbolic links of its directory followed; the last component need not be there.
    private static func canonical(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return path }
        let directory = path[..<slash].isEmpty ? "/" : String(path[..<slash])
        guard let resolved = realpath(directory, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved) + path[slash...]
    }
}

extension SMTPClient {
    /// A parameter that is a file's name; `nil` where it is empty.
    fileprivate func path(_ name: String) -> String? {
        let path = parameters.text(name)
        return path.isEmpty ? nil : path
    }
}
