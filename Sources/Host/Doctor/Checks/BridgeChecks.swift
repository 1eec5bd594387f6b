import PostfixConfig
import TextFormats

/// The checks of the bridge itself. Pure: evaluates values that were read before.
package struct BridgeChecks: Sendable {
    package var runner: DoctorRunner
    /// `nil`: none runs, or this user cannot see it.
    package var daemon: DaemonProcess?
    /// The error in the configuration; `nil`: it is valid.
    package var problem: String?
    /// Each listener with its reply to a key that needs no DNS.
    package var listeners: [(listener: DaemonConfiguration.Listener, outcome: LookupProbe.Outcome)] = []
    /// Names of listeners that the service manager opens and that were not probed.
    package var passedSockets: [String] = []
    /// The unix sockets among the listeners.
    package var sockets: [(path: String, look: FileLookup, isPassed: Bool)] = []
    package var adminSocket: (path: String, look: FileLookup)?
    /// The name of its group; `nil`: the group has no name on this host, or there is no socket.
    package var adminGroup: String?
    /// Its path from the root directory.
    package var adminPath: SocketPath?
    /// `mail_owner`, the user of smtp(8); `nil`: there is no Postfix or no such user on this host.
    package var postfixUser: Account?
    /// The reply for `domain`; `nil`: not asked, since no listener answers.
    package var reply: (domain: String, outcome: LookupProbe.Outcome)?
    /// `nil`: the cache is in memory only.
    package var cache: CacheFileStatus?
    /// The user that must be able to write the cache file.
    package var cacheUser: Account?

    package init(runner: DoctorRunner, daemon: DaemonProcess? = nil) {
        self.runner = runner
        self.daemon = daemon
    }

    package var results: [CheckResult] {
        [user, configuration] + daemons + passed + [lookup] + socketModes + [admin] + caches
    }

    // MARK: The user

    private var user: CheckResult {
        if runner.isRoot {
            return CheckResult(.user, severity: .ok, meaning: "Running as root: all checks can read their files.")
        }
        let again = Fix(.shell, line: "sudo sts-bridge doctor")
        guard let daemon else {
            return CheckResult(
                .user, severity: .unknown,
                meaning:
                    "Running as user \(runner.user), which may be unable to read files of Postfix, root and the daemon.",
                fixes: again)
        }
        guard daemon.user == runner.user else {
            return CheckResult(
                .user, severity: .unknown,
                meaning:
                    "Running as user \(runner.user), which may be unable to read files of the daemon's user \(daemon.user).",
                fixes: again)
        }
        return CheckResult(
            .user, severity: .ok,
            meaning: "Running as the daemon's user, which may be unable to read files of Postfix and root.")
    }

    private var configuration: CheckResult {
        guard let problem else {
            return CheckResult(.configuration, severity: .ok, meaning: "The configuration is valid.")
        }
        return CheckResult(
            .configuration, severity: .fail,
            meaning:
                "The daemon does not start with this configuration: \(UntrustedText.printable(problem, limit: 400))"
                .asSentence,
            fixes: Fix(.shell, line: "sts-bridge config check"))
    }

    // MARK: Listeners

    private var daemons: [CheckResult] {
        listeners.map { listener, outcome in
            let name = "\(UntrustedText.escaped("\(listener.address)")) (\(listener.table.rawValue))"
            switch outcome {
            case .answered(let text) where text.hasPrefix("NOTFOUND") || text.hasPrefix("500 "):
                return CheckResult(.daemon, severity: .ok, meaning: "\(name) answers.")
            case .answered(let text):
                return CheckResult(
                    .daemon, severity: .warn,
                    meaning: "Another program answers at \(name): it replies "
                        + "\(UntrustedText.printable(text, limit: 80)) to a name that does not exist.")
            case .malformedReply(let why):
                return CheckResult(.daemon, severity: .fail, meaning: "\(name) does not answer as the bridge: \(why).")
            case .unreachable(let why):
                return CheckResult(
                    .daemon, severity: .fail,
                    meaning: "No process listens at \(name) (\(why)): every lookup fails, and mail is deferred.",
                    fixes: Fix(.shell, line: "systemctl start sts-bridge"))
            case .forbidden:
                return CheckResult(
                    .daemon, severity: .unknown, meaning: "This user may not connect to \(name).",
                    fixes: Fix(.shell, line: "sudo sts-bridge doctor"))
            }
        }
    }

    private var passed: [CheckResult] {
        passedSockets.map { name in
            CheckResult(
                .daemon, severity: .unknown,
                meaning:
                    "systemd opens systemd:\(name), and the daemon did not report its address: neither the socket nor Postfix's access to "
                    + "it was checked.", fixes: Fix(.shell, line: "systemctl status sts-bridge.socket sts-bridge"))
        }
    }

    private var lookup: CheckResult {
        guard let (domain, outcome) = reply else {
            return CheckResult(.lookup, severity: .unknown, meaning: "No lookup was made: no listener answers.")
        }
        switch outcome {
        case .answered(let text) where text.hasPrefix("NOTFOUND") || text.hasPrefix("5"):
            return CheckResult(
                .lookup, severity: .ok,
                meaning: "Postfix receives \"not found\" for \(domain), so its own level applies.")
        case .answered(let text) where text.hasPrefix("OK ") || text.hasPrefix("2"):
            return CheckResult(
                .lookup, severity: .ok,
                meaning: "Postfix receives for \(domain): \(UntrustedText.printable(text, limit: 120))")
        case .answered(let text):
            return CheckResult(
                .lookup, severity: .warn,
                meaning: "Mail to \(domain) is deferred: \(UntrustedText.printable(text, limit: 210))")
        case .unreachable(let why), .malformedReply(let why):
            return CheckResult(.lookup, severity: .fail, meaning: "A lookup of \(domain) got no answer: \(why).")
        case .forbidden:
            return CheckResult(
                .lookup, severity: .unknown, meaning: "No lookup was made: this user may not connect to the listener.")
        }
    }

    // MARK: Sockets

    private var socketModes: [CheckResult] {
        guard !sockets.isEmpty else {
            return [CheckResult(.socketMode, severity: .skip, meaning: "There is no unix socket.")]
        }
        return sockets.map { path, look, isPassed in
            let name = UntrustedText.escaped(path)
            switch look {
            case .found(let facts) where facts.kind != .socket:
                return CheckResult(
                    .socketMode, severity: .fail, meaning: "\(name) is not a socket: the daemon cannot listen there.")
            case .found(let facts) where facts.mode & 0o002 != 0:
                return CheckResult(
                    .socketMode, severity: .warn,
                    meaning: "\(name) has mode \(facts.modeText): every user of this host may connect.",
                    fixes: isPassed
                        ? Fix(.shell, line: "systemctl edit sts-bridge.socket   # [Socket] SocketMode=0660")
                        : Fix(.configuration, line: "listen: { socket-mode: \"0660\", socket-group: postfix }"))
            case .found(let facts):
                return CheckResult(.socketMode, severity: .ok, meaning: "\(name) has mode \(facts.modeText).")
            case .missing: return CheckResult(.socketMode, severity: .unknown, meaning: "\(name) does not exist.")
            case .inaccessible:
                return CheckResult(.socketMode, severity: .unknown, meaning: "This user cannot see \(name).")
            }
        }
    }

    private var admin: CheckResult {
        guard let (path, look) = adminSocket else {
            return CheckResult(
                .adminSocket, severity: .skip, meaning: "admin.socket is empty: the daemon takes no commands.")
        }
        let name = UntrustedText.escaped(path)
        switch look {
        case .found(let facts) where facts.kind != .socket:
            return CheckResult(
                .adminSocket, severity: .fail,
                meaning: "\(name) is not a socket: the admin commands cannot reach the daemon.")
        case .found(let facts) where facts.mode & 0o006 != 0:
            return CheckResult(
                .adminSocket, severity: .fail,
                meaning:
                    "\(name) has mode \(facts.modeText): every user of this host may exempt domains and forget policies.",
                fixes: Fix(.shell, line: "chmod 0660 \(name)"))
        case .found(let facts):
            return postfixAccess(to: name, facts: facts)
                ?? CheckResult(.adminSocket, severity: .ok, meaning: "\(name) has mode \(facts.modeText).")
        case .missing:
            return CheckResult(
                .adminSocket, severity: .unknown, meaning: "\(name) does not exist; is the daemon running?")
        case .inaccessible:
            return CheckResult(.adminSocket, severity: .unknown, meaning: "This user cannot see \(name).")
        }
    }

    /// The change that denies access to Postfix's user and keeps it for the operators' group.
    private func groupFix(against user: Account, facts: FileStatus, group: String, risk: String) -> CheckResult {
        // Root needs no group.
        guard user.groups.contains(facts.group), user.user != 0 else {
            return CheckResult(.adminSocket, severity: .warn, meaning: risk)
        }
        if facts.group != user.primaryGroup {
            return CheckResult(
                .adminSocket, severity: .warn, meaning: risk + " Take it out of the group.",
                fixes: adminGroup == nil ? nil : Fix(.shell, line: "gpasswd --delete \(user.name) \(group)"))
        }
        return CheckResult(
            .adminSocket, severity: .warn,
            meaning: risk
                + " The group is the primary group of \(user.name): use another one, of which the daemon's user is a member "
                + "and \(user.name) is not.", fixes: Fix(.configuration, line: "admin: { socket-group: sts-bridge }"))
    }

    /// Postfix talks to unknown hosts: an attacker who controls it must not be able to disable enforcement.
    ///
    /// - Returns: `nil` if Postfix's user may not connect.
    private func postfixAccess(to name: String, facts: FileStatus) -> CheckResult? {
        guard let postfixUser, let access = adminPath?.access(for: postfixUser) else { return nil }
        switch access {
        case .denied, .missing, .notASocket: return nil
        case .unknown(let place):
            return CheckResult(
                .adminSocket, severity: .unknown,
                meaning: "It is unknown whether Postfix's user \(postfixUser.name) may connect to \(name): "
                    + "this user cannot read \(UntrustedText.escaped(place)), or it has an access control list.")
        case .granted where facts.owner == postfixUser.user:
            return CheckResult(
                .adminSocket, severity: .warn,
                meaning:
                    "The daemon runs as Postfix's user \(postfixUser.name), so an attacker who controls Postfix may exempt domains and "
                    + "forget policies. Run the daemon as a user of its own.")
        case .granted:
            let group = adminGroup.map { UntrustedText.escaped($0) } ?? "\(facts.group)"
            let risk =
                "Postfix's user \(postfixUser.name) may connect to \(name) (mode \(facts.modeText), group \(group)), so an "
                + "attacker who controls Postfix may exempt domains and forget policies."
            return groupFix(against: postfixUser, facts: facts, group: group, risk: risk)
        }
    }
}
