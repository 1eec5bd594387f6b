import MTASTS
import PostfixSettings

/// What is said of the bridge itself: pure, from what was gathered.
package struct BridgeCheckup: Sendable {
    package var examiner: Examiner
    /// `nil`: none, or not seen.
    package var daemon: DaemonFacts?
    /// What is wrong with the configuration; `nil`: nothing.
    package var problem: String?
    /// Each listener, and what it said to a key that needs no DNS.
    package var listeners: [(listener: BridgeSetup.Listener, outcome: LookupProbe.Outcome)] = []
    /// Names of those that the service manager opens, and that were not asked.
    package var passedSockets: [String] = []
    /// The unix sockets among them.
    package var sockets: [(path: String, look: FileLook, isPassed: Bool)] = []
    package var adminSocket: (path: String, look: FileLook)?
    /// The name of its group; `nil`: the group has no name here, or there is no socket.
    package var adminGroup: String?
    /// The way to it from the root directory.
    package var adminPath: SocketPath?
    /// `mail_owner`, as whom smtp(8) runs; `nil`: there is no Postfix or no such user here.
    package var postfixUser: Account?
    /// What it said of `domain`; `nil`: not asked, for nobody listens.
    package var reply: (domain: String, outcome: LookupProbe.Outcome)?
    /// `nil`: nothing is kept.
    package var cache: CacheFacts?
    /// The user whose right to the cache counts.
    package var cacheUser: Account?

    package init(examiner: Examiner, daemon: DaemonFacts? = nil) {
        self.examiner = examiner
        self.daemon = daemon
    }

    package var findings: [Finding] {
        [user, configuration] + daemons + passed + [lookup] + socketModes + [admin] + caches
    }

    // MARK: Who

    private var user: Finding {
        if examiner.isRoot { return Finding(.user, .ok, "Run as root: everything may be looked at.") }
        let again = Remedy(.shell, "sudo sts-bridge doctor")
        guard let daemon else {
            return Finding(
                .user, .unknown,
                "Run as user \(examiner.user): what belongs to Postfix, root or the daemon may be hidden.",
                again)
        }
        guard daemon.user == examiner.user else {
            return Finding(
                .user, .unknown,
                "Run as user \(examiner.user), the daemon as \(daemon.user): what belongs to it may be hidden.", again)
        }
        return Finding(
            .user, .ok, "Run as the daemon's user: its own is seen; what belongs to Postfix or root may be hidden.")
    }

    private var configuration: Finding {
        guard let problem else { return Finding(.configuration, .ok, "The configuration can be used.") }
        return Finding(
            .configuration, .fail,
            "The daemon does not start with this configuration: \(RemoteText.printable(problem, limit: 400))"
                .asSentence,
            Remedy(.shell, "sts-bridge config check"))
    }

    // MARK: Whether it answers

    private var daemons: [Finding] {
        listeners.map { listener, outcome in
            let name = "\(RemoteText.escaped("\(listener.address)")) (\(listener.table.rawValue))"
            switch outcome {
            case .answered(let text) where text.hasPrefix("NOTFOUND") || text.hasPrefix("500 "):
                return Finding(.daemon, .ok, "\(name) answers.")
            case .answered(let text):
                return Finding(
                    .daemon, .warn,
                    "Something that is not the bridge answers at \(name): it says "
                        + "\(RemoteText.printable(text, limit: 80)) to a name that nobody has.")
            case .garbled(let why): return Finding(.daemon, .fail, "\(name) does not answer as the bridge: \(why).")
            case .unreachable(let why):
                return Finding(
                    .daemon, .fail, "Nobody listens at \(name) (\(why)): every lookup fails, and mail waits.",
                    Remedy(.shell, "systemctl start sts-bridge"))
            case .forbidden:
                return Finding(
                    .daemon, .unknown, "\(name) is closed to this user.", Remedy(.shell, "sudo sts-bridge doctor"))
            }
        }
    }

    private var passed: [Finding] {
        passedSockets.map { name in
            Finding(
                .daemon, .unknown,
                "systemd:\(name) is opened by systemd, and the daemon could not be asked where: neither it nor Postfix's way to "
                    + "it was tried.", Remedy(.shell, "systemctl status sts-bridge.socket sts-bridge"))
        }
    }

    private var lookup: Finding {
        guard let (domain, outcome) = reply else {
            return Finding(.lookup, .unknown, "No lookup was made: no listener answers.")
        }
        switch outcome {
        case .answered(let text) where text.hasPrefix("NOTFOUND") || text.hasPrefix("5"):
            return Finding(.lookup, .ok, "Postfix hears of \(domain): not found, so its own level applies.")
        case .answered(let text) where text.hasPrefix("OK ") || text.hasPrefix("2"):
            return Finding(.lookup, .ok, "Postfix hears of \(domain): \(RemoteText.printable(text, limit: 120))")
        case .answered(let text):
            return Finding(.lookup, .warn, "Mail to \(domain) waits: \(RemoteText.printable(text, limit: 210))")
        case .unreachable(let why), .garbled(let why):
            return Finding(.lookup, .fail, "A lookup of \(domain) got no answer: \(why).")
        case .forbidden: return Finding(.lookup, .unknown, "No lookup was made: the listener is closed to this user.")
        }
    }

    // MARK: Sockets

    private var socketModes: [Finding] {
        guard !sockets.isEmpty else { return [Finding(.socketMode, .skip, "There is no unix socket to guard.")] }
        return sockets.map { path, look, isPassed in
            let name = RemoteText.escaped(path)
            switch look {
            case .found(let facts) where facts.kind != .socket:
                return Finding(.socketMode, .fail, "\(name) is no socket: the daemon cannot listen there.")
            case .found(let facts) where facts.mode & 0o002 != 0:
                return Finding(
                    .socketMode, .warn, "\(name) has mode \(facts.modeText): everybody on this host may ask.",
                    isPassed
                        ? Remedy(.shell, "systemctl edit sts-bridge.socket   # [Socket] SocketMode=0660")
                        : Remedy(.configuration, "listen: { socket-mode: \"0660\", socket-group: postfix }"))
            case .found(let facts):
                return Finding(.socketMode, .ok, "\(name) has mode \(facts.modeText).")
            case .missing: return Finding(.socketMode, .unknown, "\(name) is not there.")
            case .hidden: return Finding(.socketMode, .unknown, "\(name) is hidden from this user.")
            }
        }
    }

    private var admin: Finding {
        guard let (path, look) = adminSocket else {
            return Finding(.adminSocket, .skip, "admin.socket is empty: the daemon takes no commands.")
        }
        let name = RemoteText.escaped(path)
        switch look {
        case .found(let facts) where facts.kind != .socket:
            return Finding(.adminSocket, .fail, "\(name) is no socket: the daemon cannot be steered.")
        case .found(let facts) where facts.mode & 0o006 != 0:
            return Finding(
                .adminSocket, .fail,
                "\(name) has mode \(facts.modeText): everybody on this host may exempt domains and forget policies.",
                Remedy(.shell, "chmod 0660 \(name)"))
        case .found(let facts):
            return postfixAccess(to: name, facts)
                ?? Finding(.adminSocket, .ok, "\(name) has mode \(facts.modeText).")
        case .missing: return Finding(.adminSocket, .unknown, "\(name) is not there; is the daemon running?")
        case .hidden: return Finding(.adminSocket, .unknown, "\(name) is hidden from this user.")
        }
    }

    /// What keeps Postfix's user out and lets the operators in. Without any group they would be locked out, too.
    private func groupRemedy(against user: Account, _ facts: FileFacts, _ group: String, _ risk: String) -> Finding {
        // Root needs no group.
        guard user.groups.contains(facts.group), user.user != 0 else { return Finding(.adminSocket, .warn, risk) }
        if facts.group != user.primaryGroup {
            return Finding(
                .adminSocket, .warn, risk + " Take it out of the group.",
                adminGroup == nil ? nil : Remedy(.shell, "gpasswd --delete \(user.name) \(group)"))
        }
        return Finding(
            .adminSocket, .warn,
            risk
                + " The group is the primary group of \(user.name): use another one, of which the daemon's user is a member "
                + "and \(user.name) is not.", Remedy(.configuration, "admin: { socket-group: sts-bridge }"))
    }

    /// Postfix speaks with every stranger: who breaks into it must not be able to switch the protection off.
    ///
    /// - Returns: `nil` if Postfix's user may not connect.
    private func postfixAccess(to name: String, _ facts: FileFacts) -> Finding? {
        guard let postfixUser, let access = adminPath?.access(for: postfixUser) else { return nil }
        switch access {
        case .denied, .missing, .notASocket: return nil
        case .unknown(let place):
            return Finding(
                .adminSocket, .unknown,
                "Whether Postfix's user \(postfixUser.name) may connect to \(name) could not be seen: "
                    + "\(RemoteText.escaped(place)) is closed to this user, or has an access control list.")
        case .granted where facts.owner == postfixUser.user:
            return Finding(
                .adminSocket, .warn,
                "The daemon runs as Postfix's user \(postfixUser.name), so who breaks into Postfix may exempt domains and "
                    + "forget policies. Run it as a user of its own.")
        case .granted:
            let group = adminGroup.map { RemoteText.escaped($0) } ?? "\(facts.group)"
            let risk =
                "Postfix's user \(postfixUser.name) may connect to \(name) (mode \(facts.modeText), group \(group)), so an "
                + "attacker who controls Postfix may exempt domains and forget policies."
            return groupRemedy(against: postfixUser, facts, group, risk)
        }
    }
}
