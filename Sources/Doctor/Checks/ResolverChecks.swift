import Discovery
import MTASTS

/// The bridge's DNS servers, and what DNSSEC makes of their answers.
package struct ResolverCheckup: Sendable {
    let setup: BridgeSetup
    let names: ProbeNames
    /// Whether the bridge looks for DANE; without it DNSSEC is for nothing.
    let isLookingForDANE: Bool

    package init(_ setup: BridgeSetup, names: ProbeNames, isLookingForDANE: Bool) {
        self.setup = setup
        self.names = names
        self.isLookingForDANE = isLookingForDANE
    }

    // MARK: Each server

    /// - Parameters:
    ///   - servers: a failure: none is known, for the reason.
    ///   - areGuessed: there is no resolv.conf, so the bridge asks 127.0.0.1.
    package func nameServers(
        _ servers: Result<[NameServerFacts], Unavailable>, areGuessed: Bool = false
    ) -> [Finding] {
        let guess = Finding(
            .nameServers, .warn, "There is no /etc/resolv.conf, so the bridge asks 127.0.0.1.",
            Remedy(.configuration, "dns: { servers: [192.0.2.53] }"))
        return (areGuessed ? [guess] : []) + each(servers)
    }

    private func each(_ servers: Result<[NameServerFacts], Unavailable>) -> [Finding] {
        let facts: [NameServerFacts]
        switch servers {
        case .failure(let trouble):
            return [Finding(.nameServers, .fail, "The bridge has no DNS servers: \(trouble.reason)".asSentence)]
        case .success(let found): facts = found
        }
        let troubles = facts.flatMap { trouble(with: $0) }
        let areAllDead = facts.allSatisfy { $0.overUDP.trouble != nil }
        guard !troubles.isEmpty else {
            let list = facts.map(\.server.description).joined(separator: ", ")
            return [
                Finding(
                    .nameServers, .ok, "\(list): \(facts.count == 1 ? "answers" : "each answers"), over UDP and TCP.")
            ]
        }
        return troubles.map { transport, server, why in
            let rest =
                areAllDead
                ? "no policy can be found."
                : transport == "TCP"
                    ? "large answers have to come from another server."
                    : "the bridge asks the other servers, and tries this one again every 5 s."
            return Finding(
                .nameServers, areAllDead ? .fail : .warn,
                "\(server) gives no answer over \(transport) (\(why)): \(rest)")
        }
    }

    private func trouble(with facts: NameServerFacts) -> [(String, NameServerAddress, String)] {
        [("UDP", facts.overUDP), ("TCP", facts.overTCP)].compactMap { transport, outcome in
            outcome.trouble.map { (transport, facts.server, $0) }
        }
    }

    // MARK: DNSSEC

    /// - Parameter facts: why there can be none, or what was found.
    package func dnssec(_ facts: Result<DNSSECFacts, Unavailable>) -> [Finding] {
        guard isLookingForDANE, setup.dnssec != .off else {
            let why = setup.dnssec == .off ? "dns.dnssec is off" : "neither Postfix nor postfix.dane asks for it"
            return [Check.dnssecSigned, .dnssecBogus, .dnssecUnsigned].map {
                Finding($0, .skip, "DANE is not used: \(why). DNSSEC is for DANE alone.")
            }
        }
        switch facts {
        case .failure(let trouble):
            return [
                Finding(
                    .dnssecSigned, severity,
                    RemoteText.printable("DNSSEC cannot be validated: \(trouble.reason)", limit: 400).asSentence
                        + consequence)
            ]
        case .success(let facts):
            return [
                signed(facts.signed, root: facts.root), bogus(facts.bogus, isSignedSecure: facts.isValid),
                unsigned(facts.unsigned),
            ]
        }
    }

    /// Of stripped signatures: with `on` the daemon promised more than it can do.
    private var severity: Severity { setup.dnssec == .on || setup.choices.dane == .on ? .fail : .warn }

    private var consequence: String { " DANE is not found, and an enforced policy overrides Postfix's own." }

    /// - Parameter root: where it is secure the servers strip nothing, so what fails is the name's own zone.
    private func signed(_ finding: ValidatedFinding, root: ValidatedFinding) -> Finding {
        let name = RemoteText.escaped(names.signed.name)
        let isRootSecure = if case .success(let answer) = root { answer.isSecure } else { false }
        switch finding {
        case .success(let answer) where answer.isSecure:
            return Finding(.dnssecSigned, .ok, "\(name) is signed, and its signatures hold.")
        case .success where isRootSecure:
            return Finding(.dnssecSigned, .unknown, "\(name) is not signed; name another one with --signed-name.")
        case .success:
            return Finding(
                .dnssecSigned, severity,
                "\(name) is signed, and was answered as if it were not: the servers strip DNSSEC." + consequence)
        case .failure(let failure):
            guard case .bogus(let why) = failure.cause else {
                return Finding(.dnssecSigned, .unknown, "\(name) could not be asked for: \(failure.reason)".shortened)
            }
            let broken = "The signatures of \(name) do not hold (\(RemoteText.printable(why, limit: 160)))"
            if isRootSecure {
                return Finding(
                    .dnssecSigned, .warn,
                    broken + ", but the root's do: DNSSEC works, and only names below \(name) fail.")
            }
            return Finding(
                .dnssecSigned, severity,
                broken + ": the servers strip DNSSEC, or the clock or dns.trust-anchor-file is wrong." + consequence)
        }
    }

    /// - Parameter isSignedSecure: without that a refusal says nothing.
    private func bogus(_ finding: ValidatedFinding, isSignedSecure: Bool) -> Finding {
        let name = RemoteText.escaped(names.bogus.name)
        switch finding {
        case .success(let answer) where answer.isSecure || isSignedSecure:
            return Finding(
                .dnssecBogus, .warn,
                "\(name) has wrong signatures, and was answered\(answer.isSecure ? " as secure" : "") all the same: "
                    + "it was mended, or forged answers would be believed.")
        case .success:
            return Finding(
                .dnssecBogus, .unknown, "\(name) was answered, as any name while nothing is found to be signed.")
        case .failure(let failure):
            switch failure.cause {
            // SERVFAIL: the servers have judged before us.
            case .bogus, .responseCode(2):
                return isSignedSecure
                    ? Finding(.dnssecBogus, .ok, "\(name) has wrong signatures, and is refused.")
                    : Finding(.dnssecBogus, .unknown, "\(name) is refused, but so is what is rightly signed.")
            default:
                return Finding(.dnssecBogus, .unknown, "\(name) could not be asked for: \(failure.reason)".shortened)
            }
        }
    }

    private func unsigned(_ finding: ValidatedFinding) -> Finding {
        let name = RemoteText.escaped(names.unsigned.name)
        switch finding {
        case .success(let answer) where !answer.isSecure:
            return Finding(.dnssecUnsigned, .ok, "\(name) is not signed, and is answered.")
        case .success:
            return Finding(.dnssecUnsigned, .unknown, "\(name) is signed; name another one with --unsigned-name.")
        case .failure(let failure):
            guard case .bogus(let why) = failure.cause else {
                return Finding(.dnssecUnsigned, .unknown, "\(name) could not be asked for: \(failure.reason)".shortened)
            }
            return Finding(
                .dnssecUnsigned, severity,
                "\(name) is not signed, and is refused (\(RemoteText.printable(why, limit: 160))): the servers lose "
                    + "what proves it." + consequence)
        }
    }

    // MARK: Postfix's own resolver

    /// - Parameters:
    ///   - facts: `nil`: Postfix is not on this host.
    ///   - isThereAPostfix: its settings could be read, here or in a directory from elsewhere.
    package func postfixResolver(
        _ facts: PostfixResolverFacts?, queueDirectory: String, isThereAPostfix: Bool = true
    ) -> [Finding] {
        guard isThereAPostfix || facts != nil else {
            return [Finding(.postfixResolver, .skip, "There are no settings of a Postfix to look at.")]
        }
        guard let facts else {
            return [Finding(.postfixResolver, .unknown, "Which DNS servers Postfix asks is known on its own host.")]
        }
        let copy = RemoteText.escaped(queueDirectory + "/etc/resolv.conf")
        let renew = Remedy(.shell, "cp /etc/resolv.conf \(RemoteText.escaped(queueDirectory))/etc/")
        var findings: [Finding] = []
        switch (facts.jail, facts.system) {
        case (nil, _): break
        case (.missing, let system):
            if system != .servers([NameServerAddress(host: "127.0.0.1")]) {
                findings.append(
                    Finding(
                        .postfixResolver, .fail,
                        "smtp(8) in its chroot has no \(copy), so it asks 127.0.0.1: mail waits unless a DNS server "
                            + "runs there.",
                        renew))
            }
        case (.unreadable(let why), _):
            findings.append(Finding(.postfixResolver, .unknown, "\(copy) could not be read: \(why)".asSentence))
        case (.servers(let jail), .servers(let system)) where jail != system:
            findings.append(
                Finding(
                    .postfixResolver, .warn,
                    "smtp(8) in its chroot asks \(jail.text), by \(copy); /etc/resolv.conf says \(system.text).", renew)
            )
        case (.servers, _): break
        }
        findings += validation(facts)
        guard findings.isEmpty else { return findings }
        let servers = facts.servers.text
        return [
            Finding(
                .postfixResolver, .ok,
                servers.isEmpty
                    ? "Postfix asks the system's DNS servers."
                    : "Postfix asks \(servers)\(isLookingForDANE ? ", which validate" : "").")
        ]
    }

    /// Where DANE is answered, Postfix must see it too: `dane` of a name that it takes for unsigned is `may`, and
    /// `dane-only` waits.
    private func validation(_ facts: PostfixResolverFacts) -> [Finding] {
        guard isLookingForDANE else { return [] }
        var findings = facts.servers.compactMap { server -> Finding? in
            switch facts.signed[server] {
            case .answered(code: 0, isAuthenticated: true): return nil
            case .answered(code: 0, isAuthenticated: false):
                return Finding(
                    .postfixResolver, .fail,
                    "\(server), which Postfix asks, does not validate (no AD bit for "
                        + "\(RemoteText.escaped(names.signed.name))): "
                        + "for Postfix `dane` is `may`, and mail waits on `dane-only`. Give it a validating resolver.")
            case .answered, .silent, nil:
                return Finding(
                    .postfixResolver, .unknown,
                    "Whether \(server), which Postfix asks, validates could not be found out.")
            }
        }
        let own = setup.nameServers
        if !own.isEmpty, Set(own) != Set(facts.servers) {
            findings.append(
                Finding(
                    .postfixResolver, .warn,
                    "The bridge asks \(own.text), Postfix \(facts.servers.text): where they disagree on DANE, mail "
                        + "waits.",
                    Remedy(.configuration, "dns: { servers: [] }")))
        }
        return findings
    }
}

extension PostfixResolverFacts {
    /// Those that smtp(8) asks: the chroot's where there is one.
    package var servers: [NameServerAddress] {
        switch jail ?? system {
        case .servers(let servers): servers
        case .missing: [NameServerAddress(host: "127.0.0.1")]
        case .unreadable: []
        }
    }
}

extension NameServerProbe.Outcome {
    /// `nil`: it answered.
    fileprivate var trouble: String? {
        switch self {
        // NXDOMAIN is an answer.
        case .answered(code: 0, _), .answered(code: 3, _): nil
        case .answered(let code, _): "\(DNSFailure.Cause.responseCode(code))"
        case .silent(let why): why
        }
    }
}

extension [NameServerAddress] {
    fileprivate var text: String { map(\.description).joined(separator: ", ") }
}

extension String {
    /// libunbound's reasons may be long.
    fileprivate var shortened: String { RemoteText.printable(self, limit: 300).asSentence }
}
