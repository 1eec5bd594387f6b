import PostfixConfig
import PostfixTable

/// `smtp_tls_policy_maps`: whether Postfix uses the bridge, in which order, and in which dialect.
extension PostfixChecks {
    // MARK: Use

    func policyMaps(_ client: ClientInspection) -> [CheckResult] {
        let malformed = client.tables.compactMap { facts -> CheckResult? in
            guard case .malformed(let expected) = facts.table.kind else { return nil }
            return CheckResult(
                .policyMaps, severity: .fail,
                meaning:
                    "\(shown(facts.table.text)) is not a valid table: smtp(8) ends with a fatal error and sends no mail; "
                    + "\(expected).",
                fixes: fix(client, name: Self.maps, value: line(for: client)))
        }
        if let table = client.bridges.first?.table {
            return malformed + [
                CheckResult(.policyMaps, severity: .ok, meaning: "Postfix uses the bridge as \(shown(table.text)).")
            ]
        }
        guard malformed.isEmpty else { return malformed }
        if client.tables.isEmpty {
            return [
                CheckResult(
                    .policyMaps, severity: .fail,
                    meaning: "smtp_tls_policy_maps is empty: Postfix uses no table, and no policy is applied.",
                    fixes: fix(client, name: Self.maps, value: line(for: client)))
            ]
        }
        if !setup.passedSockets.isEmpty { return [unknownMap] }
        let listeners = setup.listeners.map { "\($0.address)" }.joined(separator: ", ")
        // These tables use other tables, perhaps the bridge.
        let isNested = client.tables.contains { ["pipemap", "unionmap"].contains($0.table.kind) }
        return [
            CheckResult(
                .policyMaps, severity: isNested ? .unknown : .fail,
                meaning: "No table of smtp_tls_policy_maps is a listener of the bridge (\(listeners))"
                    + (isNested ? ", unless it is inside a pipemap or unionmap." : ": no policy is applied."),
                fixes: fix(client, name: Self.maps, value: line(for: client)))
        ]
    }

    /// No table answers like the bridge, and the addresses of the service manager's sockets are unknown.
    private var unknownMap: CheckResult {
        let names = setup.passedSockets.map { "systemd:\($0)" }.joined(separator: ", ")
        return CheckResult(
            .policyMaps, severity: .unknown,
            meaning:
                "It is unknown whether a table of smtp_tls_policy_maps is the bridge: the address of \(shown(names)) is "
                + "unknown.",
            fixes: Fix(
                .shell, line: isRoot ? "systemctl status sts-bridge.socket sts-bridge" : "sudo sts-bridge doctor"))
    }

    static let maps = "smtp_tls_policy_maps"

    /// The corrected parameter: the operator's own tables in their order, the bridge once, and no malformed table.
    ///
    /// - Parameter table: the table that names the bridge.
    func line(for client: ClientInspection, table: String? = nil) -> String {
        let bridge = table ?? self.table(for: client)
        var words: [String] = []
        // If the bridge is missing: last, but before a table that answers for every name.
        var place: Int?
        for facts in client.tables {
            if case .malformed = facts.table.kind { continue }
            switch facts.role {
            case .bridge where words.contains(bridge): continue
            case .bridge: words.append(bridge)
            case .other(let answer):
                if case .found = answer { place = place ?? words.count }
                words.append(shown((facts.table.isProxied ? "proxy:" : "") + facts.table.text))
            }
        }
        if !words.contains(bridge) { words.insert(bridge, at: place ?? words.count) }
        return words.joined(separator: " ")
    }

    /// The table by which Postfix should name the bridge.
    func table(for client: ClientInspection) -> String {
        let name = wantedName
        let inet = setup.listeners.lazy.filter { $0.table == .socketmap }.compactMap(\.address.connectAddress).first
        if let inet { return "socketmap:\(inet):\(name)" }
        for case .unix(let path) in setup.listeners.filter({ $0.table == .socketmap }).map(\.address) {
            if path.hasPrefix(configuration.queueDirectory + "/") {
                return "socketmap:unix:\(path.dropFirst(configuration.queueDirectory.count + 1)):\(name)"
            }
            if client.client.isChrooted == false { return "socketmap:unix:\(path):\(name)" }
        }
        if let tcp = setup.listeners.lazy.compactMap(\.address.connectAddress).first {
            return "tcp:" + "\(tcp)".dropFirst("inet:".count)
        }
        return "socketmap:unix:\(Self.chrootSocketPath):\(name)"
    }

    /// Below the queue directory; the same path as in the documentation.
    static let chrootSocketPath = "run/sts-bridge/socket"

    var wantedName: String {
        switch release.map({ Dialect(for: $0) }) {
        case .sts: "sts"
        case .legacy: "legacy"
        case .classic, nil: "postfix"
        }
    }

    // MARK: Order

    func mapOrder(_ client: ClientInspection) -> [CheckResult] {
        guard let own = client.tables.firstIndex(where: \.isBridge) else { return failing(client.tables) }
        var results: [CheckResult] = []
        for (index, facts) in client.tables.enumerated() {
            guard case .other(let answer) = facts.role else { continue }
            results += [result(on: facts.table, answer, isInFront: index < own)].compactMap { $0 }
        }
        if client.bridges.contains(where: \.table.isProxied) {
            results.append(
                CheckResult(
                    .mapOrder, severity: .warn,
                    meaning:
                        "proxy: in front of the bridge saves no connection: proxymap(8) starts a process for each lookup "
                        + "that waits.", fixes: fix(client, name: Self.maps, value: line(for: client))))
        }
        guard results.isEmpty else { return results }
        let before =
            own == 0 ? "comes first" : "comes after \(own == 1 ? "a table" : "\(own) tables") of your own"
        return [
            CheckResult(
                .mapOrder, severity: .ok, meaning: "The bridge \(before); no other table answers for every name.")
        ]
    }

    /// Without the bridge there is no order, but a table that fails still defers mail: an old address of the bridge,
    /// for one.
    private func failing(_ tables: [TableInspection]) -> [CheckResult] {
        tables.compactMap { facts in
            guard case .other(.failed(let reason)) = facts.role else { return nil }
            return result(on: facts.table, .failed(reason), isInFront: true)
        }
    }

    private func result(on table: PolicyTable, _ answer: Postmap.Answer, isInFront: Bool) -> CheckResult? {
        let name = shown(table.text)
        switch answer {
        case .notFound: return nil
        case .found(let level) where isInFront:
            return CheckResult(
                .mapOrder, severity: .fail,
                meaning:
                    "\(name) in front of the bridge answers for every name (\(level)), so Postfix never asks the bridge. Put "
                    + "it behind the bridge, or set smtp_tls_security_level instead.")
        case .found(let level):
            return CheckResult(
                .mapOrder, severity: .warn,
                meaning:
                    "\(name) behind the bridge answers for every name (\(level)): for all domains without a policy it "
                    + "replaces smtp_tls_security_level, and Postfix's own DANE.")
        case .failed(let reason):
            let isOurs = !isRoot && reason.contains("Permission denied")
            return CheckResult(
                .mapOrder, severity: isOurs ? .unknown : .fail,
                meaning: "Postfix cannot use \(name) (\(reason))."
                    + (isOurs ? "" : " A table that fails stops the lookup, and the mail is deferred."))
        case .unknown(let why):
            return CheckResult(
                .mapOrder, severity: .unknown, meaning: "It is unknown whether \(name) answers for every name: \(why).")
        }
    }

    // MARK: Dialect

    func mapName(_ client: ClientInspection) -> [CheckResult] {
        guard let release else {
            return client.bridges.isEmpty
                ? []
                : [
                    CheckResult(
                        .mapName, severity: .unknown,
                        meaning: "Postfix's version is unknown, so it is unknown which attributes it understands.")
                ]
        }
        return client.bridges.map { table, _ in
            guard case .socketmap(_, let map) = table.kind else {
                return mapName(
                    client, map: nil, named: setup.options.dialect(beside: configuration.profile), release: release)
            }
            return mapName(client, map: map, named: Dialect(mapName: map.utf8), release: release)
        }
    }

    /// - Parameter map: `nil`: tcp_table, which has no names.
    private func mapName(_ client: ClientInspection, map: String?, named: Dialect?, release: PostfixRelease)
        -> CheckResult
    {
        let dialect = named ?? setup.options.dialect(beside: configuration.profile)
        let known = Dialect(for: release)
        let what = map.map { "The map name \(shown($0))" } ?? "tcp_table"
        let line = map == nil ? nil : fix(client, name: Self.maps, value: self.line(for: client))
        guard dialect.isUnderstood(where: known) else {
            return CheckResult(
                .mapName, severity: .fail,
                meaning:
                    "\(what) selects attributes that Postfix \(release) refuses: mail to every enforced domain is deferred.",
                fixes: line ?? Fix(.configuration, line: "postfix: { version: auto }"))
        }
        if known == .sts, dialect != .sts {
            return CheckResult(
                .mapName, severity: .warn,
                meaning:
                    "\(what) selects the attributes from before 3.10: Postfix \(release) could compare MX host names exactly "
                    + "(RFC 8461 section 4.1) and report TLS failures.",
                fixes: line ?? Fix(.configuration, line: "postfix: { version: auto }"))
        }
        if map != nil, named == nil {
            return CheckResult(
                .mapName, severity: .ok,
                meaning: "\(what) selects no dialect, so that of postfix.version applies (\(dialect.rawValue)).")
        }
        return CheckResult(.mapName, severity: .ok, meaning: "\(what) fits Postfix \(release) (\(dialect.rawValue)).")
    }
}

extension TableInspection {
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
    /// The address for a client on this host; `nil` for a unix socket.
    fileprivate var connectAddress: TableAddress? {
        guard case .inet(let host, let port) = self else { return nil }
        return .inet(host: host == "0.0.0.0" ? "127.0.0.1" : host == "::" ? "::1" : host, port: port)
    }
}
