import Discovery
import TextFormats

/// The checks of the bridge's DNS servers and of DNSSEC.
package struct ResolverChecks: Sendable {
    let setup: DaemonConfiguration
    let names: ProbeNames
    /// Whether the bridge looks for DANE; otherwise it does not need DNSSEC.
    let isLookingForDANE: Bool

    package init(_ setup: DaemonConfiguration, names: ProbeNames, isLookingForDANE: Bool) {
        self.setup = setup
        self.names = names
        self.isLookingForDANE = isLookingForDANE
    }

    // MARK: Each server

    /// - Parameters:
    ///   - servers: the probed servers, or the reason why none is known.
    ///   - areGuessed: there is no resolv.conf, so the bridge asks 127.0.0.1.
    package func nameServers(
        _ servers: Result<[NameServerResult], UnavailableError>, areDefault: Bool = false
    ) -> [CheckResult] {
        let guess = CheckResult(
            .nameServers, severity: .warn, meaning: "There is no /etc/resolv.conf, so the bridge uses 127.0.0.1.",
            fixes: Fix(.configuration, line: "dns: { servers: [192.0.2.53] }"))
        return (areDefault ? [guess] : []) + each(servers)
    }

    private func each(_ servers: Result<[NameServerResult], UnavailableError>) -> [CheckResult] {
        let facts: [NameServerResult]
        switch servers {
        case .failure(let problem):
            return [
                CheckResult(
                    .nameServers, severity: .fail,
                    meaning: "The bridge has no DNS servers: \(problem.reason)".asSentence)
            ]
        case .success(let found): facts = found
        }
        let problems = facts.flatMap { problem(with: $0) }
        let areAllDead = facts.allSatisfy { $0.overUDP.problem != nil }
        guard !problems.isEmpty else {
            let list = facts.map(\.server.description).joined(separator: ", ")
            return [
                CheckResult(
                    .nameServers, severity: .ok,
                    meaning: "\(list): \(facts.count == 1 ? "answers" : "each answers"), over UDP and TCP.")
            ]
        }
        return problems.map { transport, server, why in
            let rest =
                areAllDead
                ? "no policy can be found."
                : transport == "TCP"
                    ? "large answers must come from another server."
                    : "the bridge uses the other servers, and retries this one every 5 s."
            return CheckResult(
                .nameServers, severity: areAllDead ? .fail : .warn,
                meaning: "\(server) gives no answer over \(transport) (\(why)): \(rest)")
        }
    }

    private func problem(with facts: NameServerResult) -> [(String, NameServerAddress, String)] {
        [("UDP", facts.overUDP), ("TCP", facts.overTCP)].compactMap { transport, outcome in
            outcome.problem.map { (transport, facts.server, $0) }
        }
    }

    // MARK: DNSSEC

    /// - Parameter facts: the results of the probes, or the reason why there are none.
    package func dnssec(_ facts: Result<DNSSECResults, UnavailableError>) -> [CheckResult] {
        guard isLookingForDANE, setup.dnssec != .off else {
            let why = setup.dnssec == .off ? "dns.dnssec is off" : "neither Postfix nor postfix.dane asks for it"
            return [Check.dnssecSigned, .dnssecBogus, .dnssecUnsigned].map {
                CheckResult($0, severity: .skip, meaning: "DANE is not used: \(why). Only DANE needs DNSSEC.")
            }
        }
        switch facts {
        case .failure(let problem):
            return [
                CheckResult(
                    .dnssecSigned, severity: severity,
                    meaning: UntrustedText.printable("DNSSEC cannot be validated: \(problem.reason)", limit: 400)
                        .asSentence
                        + consequence)
            ]
        case .success(let facts):
            return [
                signed(facts.signed, root: facts.root), bogus(facts.bogus, isSignedSecure: facts.isValid),
                unsigned(facts.unsigned),
            ]
        }
    }

    /// The severity of stripped signatures: with `on` the daemon cannot do what its settings demand.
    private var severity: Severity { setup.dnssec == .on || setup.options.dane == .on ? .fail : .warn }

    private var consequence: String { " DANE is not found, and an enforced policy overrides Postfix's own." }

    /// - Parameter root: if it is secure, the servers strip nothing, and the error is in the name's own zone.
    private func signed(_ result: ValidatedResult, root: ValidatedResult) -> CheckResult {
        let name = UntrustedText.escaped(names.signed.name)
        let isRootSecure = if case .success(let answer) = root { answer.isSecure } else { false }
        switch result {
        case .success(let answer) where answer.isSecure:
            return CheckResult(
                .dnssecSigned, severity: .ok, meaning: "\(name) is signed, and its signatures are valid.")
        case .success where isRootSecure:
            return CheckResult(
                .dnssecSigned, severity: .unknown,
                meaning: "\(name) is not signed; name a signed one with --signed-name.")
        case .success:
            return CheckResult(
                .dnssecSigned, severity: severity,
                meaning: "\(name) is signed, but the answer has no signatures: the servers strip DNSSEC." + consequence)
        case .failure(let failure):
            guard case .bogus(let why) = failure.cause else {
                return CheckResult(
                    .dnssecSigned, severity: .unknown,
                    meaning: "The lookup of \(name) failed: \(failure.reason)".shortened)
            }
            let broken = "The signatures of \(name) are not valid (\(UntrustedText.printable(why, limit: 160)))"
            if isRootSecure {
                return CheckResult(
                    .dnssecSigned, severity: .warn,
                    meaning: broken + ", but those of the root are: DNSSEC works, and only names below \(name) fail.")
            }
            return CheckResult(
                .dnssecSigned, severity: severity,
                meaning: broken + ": the servers strip DNSSEC, or the clock or dns.trust-anchor-file is wrong."
                    + consequence)
        }
    }

    /// - Parameter isSignedSecure: whether a signed name validates; if not, a validation error proves nothing.
    private func bogus(_ result: ValidatedResult, isSignedSecure: Bool) -> CheckResult {
        let name = UntrustedText.escaped(names.bogus.name)
        switch result {
        case .success(let answer) where answer.isSecure || isSignedSecure:
            return CheckResult(
                .dnssecBogus, severity: .warn,
                meaning:
                    "\(name) has wrong signatures, but the answer was accepted\(answer.isSecure ? " as secure" : ""): "
                    + "the name was repaired, or forged answers would be accepted, too.")
        case .success:
            return CheckResult(
                .dnssecBogus, severity: .unknown,
                meaning: "The answer for \(name) was accepted, like all answers while no signed name validates.")
        case .failure(let failure):
            switch failure.cause {
            // SERVFAIL: the servers validated and refused the answer themselves.
            case .bogus, .responseCode(2):
                return isSignedSecure
                    ? CheckResult(
                        .dnssecBogus, severity: .ok, meaning: "\(name) has wrong signatures, and its answer is refused."
                    )
                    : CheckResult(
                        .dnssecBogus, severity: .unknown,
                        meaning: "The answer for \(name) is refused, but so are valid signatures.")
            default:
                return CheckResult(
                    .dnssecBogus, severity: .unknown,
                    meaning: "The lookup of \(name) failed: \(failure.reason)".shortened)
            }
        }
    }

    private func unsigned(_ result: ValidatedResult) -> CheckResult {
        let name = UntrustedText.escaped(names.unsigned.name)
        switch result {
        case .success(let answer) where !answer.isSecure:
            return CheckResult(
                .dnssecUnsigned, severity: .ok, meaning: "\(name) is not signed, and its answer is accepted.")
        case .success:
            return CheckResult(
                .dnssecUnsigned, severity: .unknown,
                meaning: "\(name) is signed; name an unsigned one with --unsigned-name.")
        case .failure(let failure):
            guard case .bogus(let why) = failure.cause else {
                return CheckResult(
                    .dnssecUnsigned, severity: .unknown,
                    meaning: "The lookup of \(name) failed: \(failure.reason)".shortened)
            }
            return CheckResult(
                .dnssecUnsigned, severity: severity,
                meaning:
                    "\(name) is not signed, and its answer is refused (\(UntrustedText.printable(why, limit: 160))): the servers drop "
                    + "the proof for it." + consequence)
        }
    }

    // MARK: Postfix's resolver

    /// - Parameters:
    ///   - facts: `nil`: Postfix is not on this host.
    ///   - isThereAPostfix: its settings could be read, here or in a directory from elsewhere.
    package func postfixResolver(
        _ facts: PostfixResolver?, queueDirectory: String, hasPostfix: Bool = true
    ) -> [CheckResult] {
        guard hasPostfix || facts != nil else {
            return [CheckResult(.postfixResolver, severity: .skip, meaning: "Postfix's settings are unknown.")]
        }
        guard let facts else {
            return [
                CheckResult(
                    .postfixResolver, severity: .unknown,
                    meaning: "Postfix's DNS servers are known only on its own host.")
            ]
        }
        let copy = UntrustedText.escaped(queueDirectory + "/etc/resolv.conf")
        let renew = Fix(.shell, line: "cp /etc/resolv.conf \(UntrustedText.escaped(queueDirectory))/etc/")
        var results: [CheckResult] = []
        switch (facts.chroot, facts.system) {
        case (nil, _): break
        case (.missing, let system):
            if system != .servers([NameServerAddress(host: "127.0.0.1")]) {
                results.append(
                    CheckResult(
                        .postfixResolver, severity: .fail,
                        meaning:
                            "smtp(8) in its chroot has no \(copy), so it uses 127.0.0.1: mail is deferred unless a DNS server "
                            + "runs there.",
                        fixes: renew))
            }
        case (.unreadable(let why), _):
            results.append(
                CheckResult(.postfixResolver, severity: .unknown, meaning: "Cannot read \(copy): \(why)".asSentence))
        case (.servers(let chroot), .servers(let system)) where chroot != system:
            results.append(
                CheckResult(
                    .postfixResolver, severity: .warn,
                    meaning:
                        "smtp(8) in its chroot uses \(chroot.text), from \(copy); /etc/resolv.conf has \(system.text).",
                    fixes: renew)
            )
        case (.servers, _): break
        }
        results += validation(facts)
        guard results.isEmpty else { return results }
        let servers = facts.servers.text
        return [
            CheckResult(
                .postfixResolver, severity: .ok,
                meaning: servers.isEmpty
                    ? "Postfix uses the system's DNS servers."
                    : "Postfix uses \(servers)\(isLookingForDANE ? ", which validate" : "").")
        ]
    }

    /// If the bridge answers with DANE, Postfix must see signed names, too: for an unsigned name `dane` is `may`, and
    /// `dane-only` defers.
    private func validation(_ facts: PostfixResolver) -> [CheckResult] {
        guard isLookingForDANE else { return [] }
        var results = facts.servers.compactMap { server -> CheckResult? in
            switch facts.signed[server] {
            case .answered(code: 0, isAuthenticated: true): return nil
            case .answered(code: 0, isAuthenticated: false):
                return CheckResult(
                    .postfixResolver, severity: .fail,
                    meaning: "\(server), which Postfix uses, does not validate (no AD bit for "
                        + "\(UntrustedText.escaped(names.signed.name))): "
                        + "for Postfix `dane` is `may`, and `dane-only` defers mail. Give it a validating resolver.")
            case .answered, .silent, nil:
                return CheckResult(
                    .postfixResolver, severity: .unknown,
                    meaning: "It is unknown whether \(server), which Postfix uses, validates.")
            }
        }
        let own = setup.nameServers
        if !own.isEmpty, Set(own) != Set(facts.servers) {
            results.append(
                CheckResult(
                    .postfixResolver, severity: .warn,
                    meaning:
                        "The bridge uses \(own.text), Postfix \(facts.servers.text): if they disagree on DANE, mail "
                        + "is deferred.",
                    fixes: Fix(.configuration, line: "dns: { servers: [] }")))
        }
        return results
    }
}

extension PostfixResolver {
    /// The servers of smtp(8): those of the chroot if there is one.
    package var servers: [NameServerAddress] {
        switch chroot ?? system {
        case .servers(let servers): servers
        case .missing: [NameServerAddress(host: "127.0.0.1")]
        case .unreadable: []
        }
    }
}

extension NameServerProbe.Outcome {
    /// `nil`: the server answered.
    fileprivate var problem: String? {
        switch self {
        // NXDOMAIN is an answer.
        case .answered(code: 0, _), .answered(code: 3, _): nil
        case .answered(let code, _): "\(DNSError.Cause.responseCode(code))"
        case .silent(let why): why
        }
    }
}

extension [NameServerAddress] {
    fileprivate var text: String { map(\.description).joined(separator: ", ") }
}

extension String {
    /// The text with a final full stop, at most 300 characters: libunbound's reasons may be long.
    fileprivate var shortened: String { UntrustedText.printable(self, limit: 300).asSentence }
}
