import PostfixSettings

/// Whether smtp(8) comes to the bridge: from its chroot, and as the user it runs as.
extension PostfixCheckup {
    func mapSocket(_ client: ClientFacts) -> [Finding] {
        client.bridges.map { table, way in
            trouble(with: way, table, client) ?? answer(way.outcome, table)
        }
    }

    /// What is wrong with the way, whoever is at its end.
    private func trouble(with way: BridgeWay, _ table: PolicyTable, _ client: ClientFacts) -> Finding? {
        let name = shown(table.text)
        switch way.place {
        case .inet: return nil
        case .nameWithoutHosts(let path):
            return Finding(
                .mapSocket, severity(of: .fail),
                "\(name) is a host name, and smtp(8) in its chroot has no \(shown(path)) to look it up: mail waits. "
                    + "Use the address, or copy the file.", Remedy(.shell, "cp /etc/hosts \(path)"))
        case .unknownChroot:
            return Finding(
                .mapSocket, .unknown,
                "\(name) is an absolute path, and whether smtp(8) runs in a chroot is not known. A path relative to "
                    + "the queue directory is right in both cases.")
        case .outsideOfChroot(let inside): return outsideOfChroot(inside, client)
        case .socket(let path):
            return trouble(with: path, name)
        }
    }

    /// With a listener that the chroot sees main.cf is to change; else the listener first.
    private func outsideOfChroot(_ inside: String, _ client: ClientFacts) -> Finding {
        let queue = survey.queueDirectory
        let isInside = setup.listeners.contains {
            if case .unix(let path) = $0.address { path.hasPrefix(queue + "/") } else { false }
        }
        let isSeen = isInside || table(for: client).contains(":inet:")
        let listener = Remedy(.configuration, "listen: { socketmap: [\"unix:\(queue)/\(Self.jailPath)\"] }")
        let table = isSeen ? nil : "socketmap:unix:\(Self.jailPath):\(wantedName)"
        return Finding(
            .mapSocket, .fail,
            "smtp(8) runs in a chroot and looks for \(shown(inside)), where nothing of the bridge's is: mail waits. "
                + "The socket must be below \(shown(queue)), and main.cf name it from there.",
            isSeen ? nil : listener, remedy(client, Self.maps, line(for: client, table: table)))
    }

    private func trouble(with path: SocketPath, _ name: String) -> Finding? {
        guard let owner = facts.owner else {
            return Finding(
                .mapSocket, .unknown,
                "There is no user \(shown(survey.mailOwner)) here, so whether smtp(8) may connect to \(name) is not "
                    + "known.")
        }
        switch path.access(for: owner) {
        case .granted: return nil
        case .missing(let place):
            return Finding(
                .mapSocket, severity(of: .fail),
                "smtp(8) looks for \(shown(place)), which is not there: mail waits. Is the daemon running?",
                Remedy(.shell, "systemctl start sts-bridge"))
        case .notASocket(let place):
            return Finding(.mapSocket, .fail, "\(shown(place)) is no socket: mail waits.")
        case .unknown(let place):
            return Finding(
                .mapSocket, .unknown,
                "Whether user \(owner.name) may pass \(shown(place)) could not be seen: it is closed to this user, or "
                    + "has an access control list.")
        case .denied(let place, .search, let facts):
            return Finding(
                .mapSocket, .fail,
                "User \(owner.name) may not enter \(shown(place)) (mode \(facts.modeText)): connect: Permission "
                    + "denied, and mail waits.", Remedy(.shell, "chmod o+x \(place)"))
        case .denied(let place, _, let facts):
            return Finding(
                .mapSocket, .fail,
                "User \(owner.name) may not write \(shown(place)) (mode \(facts.modeText), group \(facts.group)): "
                    + "connect: Permission denied, and mail waits.",
                Remedy(.configuration, "listen: { socket-mode: \"0660\", socket-group: \(owner.name) }"))
        }
    }

    private func answer(_ outcome: LookupProbe.Outcome, _ table: PolicyTable) -> Finding {
        let name = shown(table.text)
        switch outcome {
        case .answered: return Finding(.mapSocket, .ok, "\(name) answers, and smtp(8) may ask.")
        case .unreachable(let why):
            return Finding(
                .mapSocket, severity(of: .fail),
                "\(name) cannot be reached (\(why)): mail waits. Is the daemon running?",
                Remedy(.shell, "systemctl start sts-bridge"))
        case .garbled(let why):
            return Finding(.mapSocket, severity(of: .fail), "\(name) does not answer as a table does: \(why).")
        case .forbidden:
            return Finding(.mapSocket, .unknown, "smtp(8) may ask \(name); this user may not, so it was not tried.")
        }
    }
}

extension FileFacts {
    /// `0660`
    var modeText: String {
        let digits = String(mode, radix: 8)
        return String(repeating: "0", count: max(0, 4 - digits.count)) + digits
    }
}
