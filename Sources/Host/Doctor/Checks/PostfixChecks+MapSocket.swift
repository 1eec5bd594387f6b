import PostfixConfig

/// Whether smtp(8) can connect to the bridge from its chroot and with its user.
extension PostfixChecks {
    func mapSocket(_ client: ClientInspection) -> [CheckResult] {
        client.bridges.map { table, route in
            problem(with: route, table: table, client: client) ?? answer(route.outcome, table: table)
        }
    }

    /// The problem of the path to the bridge, before any connection.
    private func problem(with route: BridgeRoute, table: PolicyTable, client: ClientInspection) -> CheckResult? {
        let name = shown(table.text)
        switch route.place {
        case .inet: return nil
        case .nameWithoutHosts(let path):
            return CheckResult(
                .mapSocket, severity: severity(of: .fail),
                meaning:
                    "\(name) is a host name, and smtp(8) in its chroot has no \(shown(path)) to resolve it: mail is deferred. "
                    + "Use the address, or copy the file.", fixes: Fix(.shell, line: "cp /etc/hosts \(path)"))
        case .unknownChroot:
            return CheckResult(
                .mapSocket, severity: .unknown,
                meaning:
                    "\(name) is an absolute path, and it is unknown whether smtp(8) runs in a chroot. A path relative to "
                    + "the queue directory works in both cases.")
        case .outsideOfChroot(let inside): return outsideOfChroot(inside, client: client)
        case .socket(let path):
            return problem(with: path, name: name)
        }
    }

    /// If the chroot contains a listener, main.cf must change; else the listener must change first.
    private func outsideOfChroot(_ inside: String, client: ClientInspection) -> CheckResult {
        let queue = configuration.queueDirectory
        let isInside = setup.listeners.contains {
            if case .unix(let path) = $0.address { path.hasPrefix(queue + "/") } else { false }
        }
        let isSeen = isInside || table(for: client).contains(":inet:")
        let listener = Fix(.configuration, line: "listen: { socketmap: [\"unix:\(queue)/\(Self.chrootSocketPath)\"] }")
        let table = isSeen ? nil : "socketmap:unix:\(Self.chrootSocketPath):\(wantedName)"
        return CheckResult(
            .mapSocket, severity: .fail,
            meaning:
                "smtp(8) runs in a chroot and looks for \(shown(inside)), which is not a socket of the bridge: mail is deferred. "
                + "The socket must be below \(shown(queue)), and main.cf must name it relative to that directory.",
            fixes: isSeen ? nil : listener, fix(client, name: Self.maps, value: line(for: client, table: table)))
    }

    private func problem(with path: SocketPath, name: String) -> CheckResult? {
        guard let owner = facts.owner else {
            return CheckResult(
                .mapSocket, severity: .unknown,
                meaning:
                    "There is no user \(shown(configuration.mailOwner)) on this host, so it is unknown whether smtp(8) may "
                    + "connect to \(name).")
        }
        switch path.access(for: owner) {
        case .granted: return nil
        case .missing(let place):
            return CheckResult(
                .mapSocket, severity: severity(of: .fail),
                meaning:
                    "smtp(8) looks for \(shown(place)), which does not exist: mail is deferred. Is the daemon running?",
                fixes: Fix(.shell, line: "systemctl start sts-bridge"))
        case .notASocket(let place):
            return CheckResult(
                .mapSocket, severity: .fail, meaning: "\(shown(place)) is not a socket: mail is deferred.")
        case .unknown(let place):
            return CheckResult(
                .mapSocket, severity: .unknown,
                meaning:
                    "It is unknown whether user \(owner.name) may pass \(shown(place)): this user cannot read it, or it "
                    + "has an access control list.")
        case .denied(let place, .search, let facts):
            return CheckResult(
                .mapSocket, severity: .fail,
                meaning:
                    "User \(owner.name) may not enter \(shown(place)) (mode \(facts.modeText)): connect: Permission "
                    + "denied, and mail is deferred.", fixes: Fix(.shell, line: "chmod o+x \(place)"))
        case .denied(let place, _, let facts):
            return CheckResult(
                .mapSocket, severity: .fail,
                meaning:
                    "User \(owner.name) may not write \(shown(place)) (mode \(facts.modeText), group \(facts.group)): "
                    + "connect: Permission denied, and mail is deferred.",
                fixes: Fix(.configuration, line: "listen: { socket-mode: \"0660\", socket-group: \(owner.name) }"))
        }
    }

    private func answer(_ outcome: LookupProbe.Outcome, table: PolicyTable) -> CheckResult {
        let name = shown(table.text)
        switch outcome {
        case .answered:
            return CheckResult(.mapSocket, severity: .ok, meaning: "\(name) answers, and smtp(8) may connect to it.")
        case .unreachable(let why):
            return CheckResult(
                .mapSocket, severity: severity(of: .fail),
                meaning: "\(name) cannot be reached (\(why)): mail is deferred. Is the daemon running?",
                fixes: Fix(.shell, line: "systemctl start sts-bridge"))
        case .malformedReply(let why):
            return CheckResult(
                .mapSocket, severity: severity(of: .fail), meaning: "\(name) does not answer as a table does: \(why).")
        case .forbidden:
            return CheckResult(
                .mapSocket, severity: .unknown,
                meaning: "smtp(8) may connect to \(name); this user may not, so it was not tried.")
        }
    }
}

extension FileStatus {
    /// `0660`
    var modeText: String {
        let digits = String(mode, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}
