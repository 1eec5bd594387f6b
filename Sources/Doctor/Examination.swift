import Discovery
import Glibc
import MTASTS
import PostfixSettings

/// Looks at this host: everything at once, each look with a limit of its own, and then says what follows.
///
/// Reads and asks only: nothing is changed. Some lookups reach the daemon, one of them for `names.domain`.
/// Takes seconds; as long as the slowest of DNS, HTTPS and `lookup.deadline`.
/// Fails by: findings. What could not be found out is one too.
package struct Examination: Sendable {
    /// As the configuration has it.
    private let configured: BridgeSetup
    /// With what the running daemon alone knows.
    private let setup: BridgeSetup
    private let names: ProbeNames
    private let surroundings: Surroundings

    /// What the wiring brings.
    package struct Surroundings: Sendable {
        /// What is wrong with the configuration; `nil`: nothing.
        package var configurationProblem: String?
        /// Where main.cf is; `nil`: Postfix's own.
        package var postfixDirectory: String?
        /// Of postconf(1); `nil`: there is none.
        package var postconf: String?
        package var discovery: Result<PolicyDiscovery, Unavailable>
        package var validator: Result<any ValidatingResolver, Unavailable>
        /// What the running daemon says of itself; `nil`: it has no admin socket.
        package var daemon: Result<DaemonStatus, Unavailable>?
        /// The listeners of the configuration, as the daemon writes them.
        package var configuredListeners: [String] = []
        /// Reads a resolv.conf(5).
        package var nameServers: @Sendable (_ path: String) -> NameServerList
        /// Seconds since 1970.
        package var now: @Sendable () -> Int

        package init(
            discovery: Result<PolicyDiscovery, Unavailable>, validator: Result<any ValidatingResolver, Unavailable>,
            nameServers: @escaping @Sendable (_ path: String) -> NameServerList, now: @escaping @Sendable () -> Int
        ) {
            self.discovery = discovery
            self.validator = validator
            self.nameServers = nameServers
            self.now = now
        }
    }

    package init(_ setup: BridgeSetup, names: ProbeNames, in surroundings: Surroundings) {
        configured = setup
        self.setup = Self.completed(setup, surroundings)
        self.names = names
        self.surroundings = surroundings
    }

    /// With the places of passed sockets: from the daemon, or else from proc(5), which only root may read.
    private static func completed(_ setup: BridgeSetup, _ surroundings: Surroundings) -> BridgeSetup {
        var setup = setup
        if case .success(let daemon) = surroundings.daemon {
            setup.take(daemon)
        } else if let table = setup.passedTable, let process = setup.cachePath.flatMap(DaemonFacts.running(withCache:))
        {
            let others = setup.listeners.map(\.address) + [setup.adminSocket.map { .unix(path: $0) }].compactMap(\.self)
            let addresses = PassedSocketFacts.addresses(of: process.process) ?? []
            setup.take(
                passed: addresses.filter { !others.contains($0) }
                    .map { BridgeSetup.Listener(table, $0, isPassed: true) })
        }
        return setup
    }

    /// In the order of `Check`.
    package func findings() async -> [Finding] {
        async let bridge = bridge()
        async let servers = ownServers()
        async let dnssec = dnssec()
        async let discovered = discovered()
        let survey = await Blocking.run { [surroundings] in
            Result { () throws(SurveyFailure) in
                try PostfixSurvey.taken(postconf: surroundings.postconf, directory: surroundings.postfixDirectory)
            }
        }
        async let postfix = postfix(survey)
        let local = (try? survey.get()).flatMap { $0.isOfThisHost ? $0.local : nil }
        let isLookingForDANE = setup.wantsDANE(beside: local) || setup.daemonLooksForDANE == true
        async let resolver = postfixResolver(try? survey.get(), isLookingForDANE: isLookingForDANE)
        let checkup = ResolverCheckup(setup, names: names, isLookingForDANE: isLookingForDANE)
        let signatures = await dnssec
        let world = WorldCheckup(names.domain, await discovered)
        var own = await bridge
        own.postfixUser = (try? survey.get()).flatMap { Account.named($0.mailOwner) }
        var all = own.findings + (await postfix)
        all += daemonSettings(local, survey)
        all += checkup.nameServers(await servers, areGuessed: areServersGuessed) + checkup.dnssec(signatures)
        all += checkup.postfixResolver(
            await resolver, queueDirectory: (try? survey.get())?.queueDirectory ?? "/var/spool/postfix",
            isThereAPostfix: (try? survey.get()) != nil)
        all.append(world.policyFetch)
        all.append(
            world.clock(
                now: surroundings.now(), isDNSSECValid: (try? signatures.get())?.isValid ?? false,
                cacheModified: own.cache?.files.compactMap { $0.look.facts?.modified }.max()))
        return Check.allCases.flatMap { check in all.filter { $0.check == check } }
    }

    // MARK: The bridge

    private func bridge() async -> BridgeCheckup {
        let listeners = await withTaskGroup(of: (Int, LookupProbe.Outcome).self) { group in
            for (index, listener) in setup.listeners.enumerated() {
                group.addTask {
                    let probe = LookupProbe(listener.table, listener.address)
                    return (index, await Blocking.run { probe.ask(LookupProbe.harmlessKey) })
                }
            }
            return await group.reduce(into: [Int: LookupProbe.Outcome]()) { $0[$1.0] = $1.1 }
        }
        let examiner = Examiner.current
        var checkup = BridgeCheckup(
            examiner: examiner, daemon: setup.cachePath.flatMap(DaemonFacts.running(withCache:)))
        checkup.problem = surroundings.configurationProblem
        checkup.listeners = setup.listeners.enumerated().compactMap { index, listener in
            listeners[index].map { (listener, $0) }
        }
        checkup.passedSockets = setup.passedSockets
        checkup.sockets = setup.listeners.compactMap {
            if case .unix(let path) = $0.address { (path, FileLook.at(path), $0.isPassed) } else { nil }
        }
        checkup.adminSocket = setup.adminSocket.map { ($0, FileLook.at($0)) }
        if case .found(let facts)? = checkup.adminSocket?.look { checkup.adminGroup = Account.groupName(facts.group) }
        checkup.adminPath = setup.adminSocket.map { SocketPath($0, from: "/") }
        checkup.cache = setup.cachePath.map(CacheFacts.at)
        checkup.cacheUser = Account.numbered(checkup.daemon?.user ?? checkup.cache?.owner ?? examiner.user)
        checkup.reply = await reply(among: checkup.listeners)
        return checkup
    }

    /// Of the first listener that answers.
    private func reply(
        among listeners: [(listener: BridgeSetup.Listener, outcome: LookupProbe.Outcome)]
    ) async -> (domain: String, outcome: LookupProbe.Outcome)? {
        let found = listeners.first { if case .answered = $0.outcome { true } else { false } }?.listener
        guard let found else { return nil }
        let domain = names.domain.name.text
        // The daemon answers at its deadline at the latest.
        let probe = LookupProbe(found.table, found.address, timeLimit: setup.lookupDeadline + .seconds(2))
        return (domain, await Blocking.run { probe.ask(domain) })
    }

    // MARK: Postfix

    private func postfix(_ survey: Result<PostfixSurvey, SurveyFailure>) async -> [Finding] {
        switch survey {
        case .success(let survey):
            let facts = await PostfixFacts.gathered(
                survey, setup, configurationDirectory: surroundings.postfixDirectory, domain: names.domain.name.text)
            return PostfixCheckup(
                facts, beside: setup, isRoot: Examiner.current.isRoot, authorityFile: CertificateStore.systemFile
            ).findings
        case .failure(let failure):
            switch failure {
            case .postconf:
                return [Finding(.postfix, .fail, "Postfix's settings cannot be read: \(failure)".asSentence)]
            case .unreadable:
                return [withoutPostfix(failure)]
            }
        }
    }

    /// A directory that the operator names has to be there; else there is just no Postfix, as in a container.
    private func withoutPostfix(_ failure: SurveyFailure) -> Finding {
        if surroundings.postfixDirectory == nil, case .unreadable(_, ENOENT) = failure {
            return Finding(
                .postfix, .skip,
                "There is no Postfix on this host. To check one elsewhere, name the directory of its main.cf with "
                    + "--postfix-config.")
        }
        return Finding(
            .postfix, .unknown,
            "Nothing could be checked of Postfix: \(failure). Name the directory of its main.cf with --postfix-config.")
    }

    private func daemonSettings(
        _ local: LocalPostfix?, _ survey: Result<PostfixSurvey, SurveyFailure>
    ) -> [Finding] {
        if case .failure(.postconf(let failure)) = survey {
            return [
                Finding(
                    .daemonSettings, .unknown,
                    "Whether the daemon works with Postfix's settings of now is not known: \(failure)".asSentence)
            ]
        }
        return DaemonSettingsCheck(
            setup: configured, listeners: surroundings.configuredListeners, local: local,
            nameServers: try? listedServers.get()
        ).findings(surroundings.daemon)
    }

    /// `nil`: Postfix is elsewhere.
    private func postfixResolver(_ survey: PostfixSurvey?, isLookingForDANE: Bool) async -> PostfixResolverFacts? {
        guard let survey, survey.isOfThisHost else { return nil }
        let isChrooted = survey.clients.contains { $0.isChrooted == true }
        let copy = survey.queueDirectory + "/etc/resolv.conf"
        let facts = PostfixResolverFacts(
            system: surroundings.nameServers("/etc/resolv.conf"),
            jail: isChrooted ? surroundings.nameServers(copy) : nil)
        guard isLookingForDANE else { return facts }
        let outcomes = await asked(facts.servers.map { NameServerProbe($0, timeLimit: setup.dnsTimeout) }, names.signed)
        return PostfixResolverFacts(
            system: facts.system, jail: facts.jail,
            signed: Dictionary(zip(facts.servers, outcomes)) { first, _ in first })
    }

    // MARK: The world

    /// The servers that the bridge asks.
    private var listedServers: Result<[NameServerAddress], Unavailable> {
        setup.nameServers.isEmpty
            ? surroundings.nameServers("/etc/resolv.conf").asked : .success(setup.nameServers)
    }

    /// There is no file that lists them.
    private var areServersGuessed: Bool {
        setup.nameServers.isEmpty && surroundings.nameServers("/etc/resolv.conf") == .missing
    }

    private func ownServers() async -> Result<[NameServerFacts], Unavailable> {
        let servers: [NameServerAddress]
        switch listedServers {
        case .success(let found): servers = found
        case .failure(let error): return .failure(error)
        }
        let question = DNSQuestion(name: names.domain.name.text, type: .a)
        async let overUDP = asked(servers.map { NameServerProbe($0, timeLimit: setup.dnsTimeout) }, question)
        async let overTCP = asked(
            servers.map { NameServerProbe($0, overTCP: true, timeLimit: setup.dnsTimeout) }, question)
        return .success(
            zip(servers, zip(await overUDP, await overTCP)).map {
                NameServerFacts(server: $0, overUDP: $1.0, overTCP: $1.1)
            })
    }

    /// All at once; the outcomes in the order of the probes.
    private func asked(_ probes: [NameServerProbe], _ question: DNSQuestion) async -> [NameServerProbe.Outcome] {
        await withTaskGroup(of: (Int, NameServerProbe.Outcome).self) { group in
            for (index, probe) in probes.enumerated() {
                group.addTask { (index, await Blocking.run { probe.ask(question) }) }
            }
            let outcomes = await group.reduce(into: [Int: NameServerProbe.Outcome]()) { $0[$1.0] = $1.1 }
            return probes.indices.map { outcomes[$0] ?? .silent("not asked") }
        }
    }

    private func dnssec() async -> Result<DNSSECFacts, Unavailable> {
        guard setup.dnssec != .off else { return .failure(Unavailable("dns.dnssec is off")) }
        switch surroundings.validator {
        case .failure(let trouble): return .failure(trouble)
        case .success(let validator):
            async let root = Self.ask(validator, DNSQuestion(name: ".", type: .ns))
            async let signed = Self.ask(validator, names.signed)
            async let bogus = Self.ask(validator, names.bogus)
            async let unsigned = Self.ask(validator, names.unsigned)
            return .success(
                DNSSECFacts(root: await root, signed: await signed, bogus: await bogus, unsigned: await unsigned))
        }
    }

    private static func ask(_ validator: any ValidatingResolver, _ question: DNSQuestion) async -> ValidatedFinding {
        do throws(DNSFailure) {
            return .success(try await validator.resolveValidated(question))
        } catch {
            return .failure(error)
        }
    }

    private func discovered() async -> Result<(record: RecordReport, policy: PolicyReport?), Unavailable> {
        switch surroundings.discovery {
        case .failure(let trouble): return .failure(trouble)
        case .success(let discovery):
            let record = await discovery.record(of: names.domain)
            guard case .published = record.finding else { return .success((record, nil)) }
            return .success((record, await discovery.policy(of: names.domain)))
        }
    }
}

extension CacheFacts {
    /// Whose the database is, or else its directory.
    fileprivate var owner: UInt32? { files.first?.look.facts?.owner ?? directory.facts?.owner }
}
