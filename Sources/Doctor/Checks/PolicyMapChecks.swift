import PostfixSettings
import PostfixTable

/// `smtp_tls_policy_maps`: whether Postfix asks us, when, and by which words.
extension PostfixCheckup {
    // MARK: Whether

    func policyMaps(_ client: ClientFacts) -> [Finding] {
        let malformed = client.tables.compactMap { facts -> Finding? in
            guard case .malformed(let expected) = facts.table.kind else { return nil }
            return Finding(
                .policyMaps, .fail,
                "\(shown(facts.table.text)) is no table: smtp(8) ends with a fatal error and no mail leaves; "
                    + "\(expected).",
                remedy(client, Self.maps, line(for: client)))
        }
        if let table = client.bridges.first?.table {
            return malformed + [Finding(.policyMaps, .ok, "Postfix asks the bridge by \(shown(table.text)).")]
        }
        guard malformed.isEmpty else { return malformed }
        if client.tables.isEmpty {
            return [
                Finding(
                    .policyMaps, .fail, "smtp_tls_policy_maps is empty: Postfix asks nobody, and no policy is applied.",
                    remedy(client, Self.maps, line(for: client)))
            ]
        }
        if !setup.passedSockets.isEmpty { return [unknownMap] }
        let listeners = setup.listeners.map { "\($0.address)" }.joined(separator: ", ")
        // One of these asks others, perhaps us.
        let isNested = client.tables.contains { ["pipemap", "unionmap"].contains($0.table.kind) }
        return [
            Finding(
                .policyMaps, isNested ? .unknown : .fail,
                "No table of smtp_tls_policy_maps leads to a listener of the bridge (\(listeners))"
                    + (isNested ? ", unless it is inside of a pipemap or unionmap." : ": no policy is applied."),
                remedy(client, Self.maps, line(for: client)))
        ]
    }

    /// No table answers as the bridge does, and the service manager's sockets may be anywhere.
    private var unknownMap: Finding {
        let names = setup.passedSockets.map { "systemd:\($0)" }.joined(separator: ", ")
        return Finding(
            .policyMaps, .unknown,
            "Whether a table of smtp_tls_policy_maps leads to the bridge is not known: where \(shown(names)) listens could "
                + "not be found out.",
            Remedy(.shell, isRoot ? "systemctl status sts-bridge.socket sts-bridge" : "sudo sts-bridge doctor"))
    }

    static let maps = "smtp_tls_policy_maps"

    /// The parameter as it should be: your own tables where they stand, the bridge once, and nothing broken.
    ///
    /// - Parameter table: how the bridge is named.
    func line(for client: ClientFacts, table: String? = nil) -> String {
        let bridge = table ?? self.table(for: client)
        var words: [String] = []
        // Where there is none yet: last, but before what would answer for it.
        var place: Int?
        for facts in client.tables {
            if case .malformed = facts.table.kind { continue }
            switch facts.role {
            case .bridge where words.contains(bridge): continue
            case .bridge: words.append(bridge)
            case .stranger(let answer):
                if case .found = answer { place = place ?? words.count }
                words.append(shown((facts.table.isProxied ? "proxy:" : "") + facts.table.text))
            }
        }
        if !words.contains(bridge) { words.insert(bridge, at: place ?? words.count) }
        return words.joined(separator: " ")
    }

    /// How Postfix should name the bridge.
    func table(for client: ClientFacts) -> String {
        let name = wantedName
        let inet = setup.listeners.lazy.filter { $0.table == .socketmap }.compactMap(\.address.dialled).first
        if let inet { return "socketmap:\(inet):\(name)" }
        for case .unix(let path) in setup.listeners.filter({ $0.table == .socketmap }).map(\.address) {
            if path.hasPrefix(survey.queueDirectory + "/") {
                return "socketmap:unix:\(path.dropFirst(survey.queueDirectory.count + 1)):\(name)"
            }
            if client.client.isChrooted == false { return "socketmap:unix:\(path):\(name)" }
        }
        if let tcp = setup.listeners.lazy.compactMap(\.address.dialled).first {
            return "tcp:" + "\(tcp)".dropFirst("inet:".count)
        }
        return "socketmap:unix:\(Self.jailPath):\(name)"
    }

    /// Below the queue directory; what README says too.
    static let jailPath = "run/sts-bridge/socket"

    var wantedName: String {
        switch release.map({ Dialect(for: $0) }) {
        case .sts: "sts"
        case .legacy: "legacy"
        case .classic, nil: "postfix"
        }
    }

    // MARK: When

    func mapOrder(_ client: ClientFacts) -> [Finding] {
        guard let own = client.tables.firstIndex(where: \.isBridge) else { return failing(client.tables) }
        var findings: [Finding] = []
        for (index, facts) in client.tables.enumerated() {
            guard case .stranger(let answer) = facts.role else { continue }
            findings += [finding(on: facts.table, answer, isInFront: index < own)].compactMap { $0 }
        }
        if client.bridges.contains(where: \.table.isProxied) {
            findings.append(
                Finding(
                    .mapOrder, .warn,
                    "proxy: in front of the bridge spares no connection: proxymap(8) starts a process for each lookup "
                        + "that waits.", remedy(client, Self.maps, line(for: client))))
        }
        guard findings.isEmpty else { return findings }
        let before =
            own == 0 ? "is asked first" : "is asked after \(own == 1 ? "a table" : "\(own) tables") of your own"
        return [Finding(.mapOrder, .ok, "The bridge \(before); no other table answers for everybody.")]
    }

    /// Without the bridge there is no order, but a table that fails holds mail all the same: an old way to the bridge,
    /// for one.
    private func failing(_ tables: [TableFacts]) -> [Finding] {
        tables.compactMap { facts in
            guard case .stranger(.failed(let words)) = facts.role else { return nil }
            return finding(on: facts.table, .failed(words), isInFront: true)
        }
    }

    private func finding(on table: PolicyTable, _ answer: Postmap.Answer, isInFront: Bool) -> Finding? {
        let name = shown(table.text)
        switch answer {
        case .notFound: return nil
        case .found(let level) where isInFront:
            return Finding(
                .mapOrder, .fail,
                "\(name) in front of the bridge answers for every name (\(level)), so the bridge is never asked. Put "
                    + "it behind, or say it as smtp_tls_security_level.")
        case .found(let level):
            return Finding(
                .mapOrder, .warn,
                "\(name) behind the bridge answers for every name (\(level)): for all domains without a policy it "
                    + "replaces smtp_tls_security_level, and Postfix's own DANE.")
        case .failed(let words):
            let isOurs = !isRoot && words.contains("Permission denied")
            return Finding(
                .mapOrder, isOurs ? .unknown : .fail,
                "\(name) cannot be used (\(words))."
                    + (isOurs ? "" : " A table that fails stops the lookup, and the mail waits."))
        case .notAsked(let why):
            return Finding(
                .mapOrder, .unknown, "Whether \(name) answers for every name could not be found out: \(why).")
        }
    }

    // MARK: By which words

    func mapName(_ client: ClientFacts) -> [Finding] {
        guard let release else {
            return client.bridges.isEmpty
                ? [] : [Finding(.mapName, .unknown, "Postfix's version is not known, so neither which words it knows.")]
        }
        return client.bridges.map { table, _ in
            guard case .socketmap(_, let map) = table.kind else {
                return mapName(client, nil, setup.choices.dialect(beside: survey.local), release)
            }
            return mapName(client, map, Dialect(mapName: map.utf8), release)
        }
    }

    /// - Parameter map: `nil`: tcp_table, which has no names.
    private func mapName(_ client: ClientFacts, _ map: String?, _ named: Dialect?, _ release: PostfixRelease) -> Finding
    {
        let spoken = named ?? setup.choices.dialect(beside: survey.local)
        let known = Dialect(for: release)
        let what = map.map { "The map name \(shown($0))" } ?? "tcp_table"
        let line = map == nil ? nil : remedy(client, Self.maps, self.line(for: client))
        guard spoken.isUnderstood(where: known) else {
            return Finding(
                .mapName, .fail,
                "\(what) asks for words that Postfix \(release) refuses: mail to every enforced domain waits.",
                line ?? Remedy(.configuration, "postfix: { version: auto }"))
        }
        if known == .sts, spoken != .sts {
            return Finding(
                .mapName, .warn,
                "\(what) asks for the words of before 3.10: Postfix \(release) could compare MX host names exactly "
                    + "(RFC 8461 section 4.1) and report TLS failures.",
                line ?? Remedy(.configuration, "postfix: { version: auto }"))
        }
        if map != nil, named == nil {
            return Finding(
                .mapName, .ok, "\(what) chooses no words, so those of postfix.version are used (\(spoken.rawValue)).")
        }
        return Finding(.mapName, .ok, "\(what) and Postfix \(release) go together (\(spoken.rawValue)).")
    }
}

extension TableFacts {
    fileprivate var isBridge: Bool {
        if case .bridge = role { true } else { false }
    }
}

extension [String] {
    fileprivate func contains(_ kind: PolicyTable.Kind) -> Bool {
        if case .other(let type) = kind { contains(type) } else { false }
    }
}

extension TableAddress {
    /// Where a client on this host connects; `nil` for a unix socket.
    fileprivate var dialled: TableAddress? {
        guard case .inet(let host, let port) = self else { return nil }
        return .inet(host: host == "0.0.0.0" ? "127.0.0.1" : host == "::" ? "::1" : host, port: port)
    }
}
