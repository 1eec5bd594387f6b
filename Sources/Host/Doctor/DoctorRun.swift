import Discovery
import Dispatch
import Glibc
import LocalSystem
import MTASTS
import PostfixConfig

/// Examines this host: runs all probes at once, each with its own time limit, and evaluates them.
///
/// Only reads; changes nothing. Some lookups reach the daemon, one of them for `names.domain`.
/// Limits: takes seconds, as long as the slowest of DNS, HTTPS and `lookup.deadline`.
/// Errors: none. A probe that fails becomes a result of severity `unknown`.
package struct DoctorRun: Sendable {
    /// The settings in the configuration.
    private let configured: DaemonConfiguration
    /// The same with the settings that only the running daemon knows.
    private let setup: DaemonConfiguration
    private let names: ProbeNames
    private let environment: Environment

    /// The values and interfaces that the command provides.
    package struct Environment: Sendable {
        /// The error in the configuration; `nil`: it is valid.
        package var configurationProblem: String?
        /// The directory of main.cf; `nil`: Postfix's default.
        package var postfixDirectory: String?
        /// The path of postconf(1); `nil`: there is none.
        package var postconf: String?
        package var discovery: Result<PolicyDiscovery, UnavailableError>
        package var validator: Result<any ValidatingResolver, UnavailableError>
        /// The status of the running daemon; `nil`: it has no admin socket.
        package var daemon: Result<DaemonStatus, UnavailableError>?
        /// The listeners of the configuration, in the daemon's notation.
        package var configuredListeners: [String] = []
        /// Reads a resolv.conf(5).
        package var nameServers: @Sendable (_ path: String) -> NameServerList
        /// Seconds since 1970.
        package var now: @Sendable () -> Int

        package init(
            discovery: Result<PolicyDiscovery, UnavailableError>,
            validator: Result<any ValidatingResolver, UnavailableError>,
            nameServers: @escaping @Sendable (_ path: String) -> NameServerList, now: @escaping @Sendable () -> Int
        ) {
            self.discovery = discovery
            self.validator = validator
            self.nameServers = nameServers
            self.now = now
        }
    }

    package init(_ setup: DaemonConfiguration, names: ProbeNames, in environment: Environment) {
        configured = setup
        self.setup = Self.completed(setup, environment: environment)
        self.names = names
        self.environment = environment
    }

    /// Adds the addresses of passed sockets: from the daemon, or else from proc(5), which only root may read.
    private static func completed(_ setup: DaemonConfiguration, environment: Environment) -> DaemonConfiguration {
        var setup = setup
        if case .success(let daemon) = environment.daemon {
            setup.take(daemon)
        } else if let table = setup.passedTable,
            let process = setup.cachePath.flatMap(DaemonProcess.running(withCache:))
        {
            let others = setup.listeners.map(\.address) + [setup.adminSocket.map { .unix(path: $0) }].compactMap(\.self)
            let addresses = ListeningSockets.addresses(of: process.process) ?? []
            setup.take(
                passed: addresses.filter { !others.contains($0) }
                    .map { DaemonConfiguration.Listener(table, address: $0, isPassed: true) })
        }
        return setup
    }

    /// In the order of `Check`.
    package func results() async -> [CheckResult] {
        async let bridge = bridge()
        async let servers = ownServers()
        async let dnssec = dnssec()
        async let discovered = discovered()
        let configuration = await Blocking.run { [environment] in
            Result { () throws(PostfixConfigurationError) in
                try PostfixConfiguration.load(postconf: environment.postconf, directory: environment.postfixDirectory)
            }
        }
        async let postfix = postfix(configuration)
        let local = (try? configuration.get()).flatMap { $0.isOfThisHost ? $0.profile : nil }
        let isLookingForDANE = setup.wantsDANE(beside: local) || setup.daemonLooksForDANE == true
        async let resolver = postfixResolver(try? configuration.get(), isLookingForDANE: isLookingForDANE)
        let checks = ResolverChecks(setup, names: names, isLookingForDANE: isLookingForDANE)
        let signatures = await dnssec
        let world = NetworkChecks(names.domain, discovered: await discovered)
        var own = await bridge
        own.postfixUser = (try? configuration.get()).flatMap { Account.named($0.mailOwner) }
        var all = own.results + (await postfix)
        all += daemonSettings(local, configuration: configuration)
        all += checks.nameServers(await servers, areDefault: areServersGuessed) + checks.dnssec(signatures)
        all += checks.postfixResolver(
            await resolver, queueDirectory: (try? configuration.get())?.queueDirectory ?? "/var/spool/postfix",
            hasPostfix: (try? configuration.get()) != nil)
        all.append(world.policyFetch)
        all.append(
            world.clock(
                now: environment.now(), isDNSSECValid: (try? signatures.get())?.isValid ?? false,
                cacheModified: own.cache?.files.compactMap { $0.look.facts?.modified }.max()))
        return Check.allCases.flatMap { check in all.filter { $0.check == check } }
    }

    // MARK: The bridge

    private func bridge() async -> BridgeChecks {
        let listeners = await withTaskGroup(of: (Int, LookupProbe.Outcome).self) { group in
            for (index, listener) in setup.listeners.enumerated() {
                group.addTask {
                    let probe = LookupProbe(listener.table, address: listener.address)
                    return (index, await Blocking.run { probe.ask(LookupProbe.probeKey) })
                }
            }
            return await group.reduce(into: [Int: LookupProbe.Outcome]()) { $0[$1.0] = $1.1 }
        }
        let runner = DoctorRunner.current
        var checks = BridgeChecks(
            runner: runner, daemon: setup.cachePath.flatMap(DaemonProcess.running(withCache:)))
        checks.problem = environment.configurationProblem
        checks.listeners = setup.listeners.enumerated().compactMap { index, listener in
            listeners[index].map { (listener, $0) }
        }
        checks.passedSockets = setup.passedSockets
        checks.sockets = setup.listeners.compactMap {
            if case .unix(let path) = $0.address { (path, FileLookup.at(path), $0.isPassed) } else { nil }
        }
        checks.adminSocket = setup.adminSocket.map { ($0, FileLookup.at($0)) }
        if case .found(let status)? = checks.adminSocket?.look {
            checks.adminGroup = AccountDatabase.groupName(id: status.group)
        }
        checks.adminPath = setup.adminSocket.map { SocketPath($0, from: "/") }
        checks.cache = setup.cachePath.map(CacheFileStatus.at)
        checks.cacheUser = Account.numbered(checks.daemon?.user ?? checks.cache?.owner ?? runner.user)
        checks.reply = await reply(among: checks.listeners)
        return checks
    }

    /// The reply of the first listener that answers.
    private func reply(
        among listeners: [(listener: DaemonConfiguration.Listener, outcome: LookupProbe.Outcome)]
    ) async -> (domain: String, outcome: LookupProbe.Outcome)? {
        let found = listeners.first { if case .answered = $0.outcome { true } else { false } }?.listener
        guard let found else { return nil }
        let domain = names.domain.name.text
        // The daemon answers within its deadline.
        let probe = LookupProbe(found.table, address: found.address, timeLimit: setup.lookupDeadline + .seconds(2))
        return (domain, await Blocking.run { probe.ask(domain) })
    }

    // MARK: Postfix

    private func postfix(_ configuration: Result<PostfixConfiguration, PostfixConfigurationError>) async
        -> [CheckResult]
    {
        switch configuration {
        case .success(let configuration):
            let facts = await PostfixInspection.gathered(
                configuration, setup: setup, configurationDirectory: environment.postfixDirectory,
                domain: names.domain.name.text)
            return PostfixChecks(
                facts, beside: setup, isRoot: DoctorRunner.current.isRoot, authorityFile: CertificateStore.systemFile
            ).results
        case .failure(let failure):
            switch failure {
            case .postconf:
                return [
                    CheckResult(
                        .postfix, severity: .fail, meaning: "Postfix's settings cannot be read: \(failure)".asSentence)
                ]
            case .unreadable:
                return [withoutPostfix(failure)]
            }
        }
    }

    /// A directory that the operator names must exist. Otherwise there is no Postfix on this host, as in a container.
    private func withoutPostfix(_ failure: PostfixConfigurationError) -> CheckResult {
        if environment.postfixDirectory == nil, case .unreadable(_, ENOENT) = failure {
            return CheckResult(
                .postfix, severity: .skip,
                meaning:
                    "There is no Postfix on this host. To check one elsewhere, name the directory of its main.cf with "
                    + "--postfix-config.")
        }
        return CheckResult(
            .postfix, severity: .unknown,
            meaning: "Postfix was not checked: \(failure). Name the directory of its main.cf with --postfix-config.")
    }

    private func daemonSettings(
        _ local: PostfixProfile?, configuration: Result<PostfixConfiguration, PostfixConfigurationError>
    ) -> [CheckResult] {
        if case .failure(.postconf(let failure)) = configuration {
            return [
                CheckResult(
                    .daemonSettings, severity: .unknown,
                    meaning: "It is unknown whether the daemon uses Postfix's current settings: \(failure)".asSentence)
            ]
        }
        return DaemonSettingsCheck(
            setup: configured, listeners: environment.configuredListeners, local: local,
            nameServers: try? listedServers.get()
        ).results(environment.daemon)
    }

    /// `nil`: Postfix is on another host.
    private func postfixResolver(_ configuration: PostfixConfiguration?, isLookingForDANE: Bool) async
        -> PostfixResolver?
    {
        guard let configuration, configuration.isOfThisHost else { return nil }
        let isChrooted = configuration.clients.contains { $0.isChrooted == true }
        let copy = configuration.queueDirectory + "/etc/resolv.conf"
        let facts = PostfixResolver(
            system: environment.nameServers("/etc/resolv.conf"),
            chroot: isChrooted ? environment.nameServers(copy) : nil)
        guard isLookingForDANE else { return facts }
        let outcomes = await outcomes(
            of: facts.servers.map { NameServerProbe($0, timeLimit: setup.dnsTimeout) }, question: names.signed)
        return PostfixResolver(
            system: facts.system, chroot: facts.chroot,
            signed: Dictionary(zip(facts.servers, outcomes)) { first, _ in first })
    }

    // MARK: The network

    /// The servers that the bridge uses.
    private var listedServers: Result<[NameServerAddress], UnavailableError> {
        setup.nameServers.isEmpty
            ? environment.nameServers("/etc/resolv.conf").inUse : .success(setup.nameServers)
    }

    /// Whether no file lists them.
    private var areServersGuessed: Bool {
        setup.nameServers.isEmpty && environment.nameServers("/etc/resolv.conf") == .missing
    }

    private func ownServers() async -> Result<[NameServerResult], UnavailableError> {
        let servers: [NameServerAddress]
        switch listedServers {
        case .success(let found): servers = found
        case .failure(let error): return .failure(error)
        }
        let question = DNSQuestion(name: names.domain.name.text, type: .a)
        async let overUDP = outcomes(
            of: servers.map { NameServerProbe($0, timeLimit: setup.dnsTimeout) }, question: question)
        async let overTCP = outcomes(
            of: servers.map { NameServerProbe($0, overTCP: true, timeLimit: setup.dnsTimeout) }, question: question)
        return .success(
            zip(servers, zip(await overUDP, await overTCP)).map {
                NameServerResult(server: $0, overUDP: $1.0, overTCP: $1.1)
            })
    }

    /// Runs all probes at once; the outcomes have the order of the probes.
    private func outcomes(of probes: [NameServerProbe], question: DNSQuestion) async -> [NameServerProbe.Outcome] {
        await withTaskGroup(of: (Int, NameServerProbe.Outcome).self) { group in
            for (index, probe) in probes.enumerated() {
                group.addTask { (index, await Blocking.run { probe.ask(question) }) }
            }
            let outcomes = await group.reduce(into: [Int: NameServerProbe.Outcome]()) { $0[$1.0] = $1.1 }
            return probes.indices.map { outcomes[$0] ?? .silent("not asked") }
        }
    }

    private func dnssec() async -> Result<DNSSECResults, UnavailableError> {
        guard setup.dnssec != .off else { return .failure(UnavailableError("dns.dnssec is off")) }
        switch environment.validator {
        case .failure(let problem): return .failure(problem)
        case .success(let validator):
            async let root = Self.validate(with: validator, question: DNSQuestion(name: ".", type: .ns))
            async let signed = Self.validate(with: validator, question: names.signed)
            async let bogus = Self.validate(with: validator, question: names.bogus)
            async let unsigned = Self.validate(with: validator, question: names.unsigned)
            return .success(
                DNSSECResults(root: await root, signed: await signed, bogus: await bogus, unsigned: await unsigned))
        }
    }

    private static func validate(with validator: any ValidatingResolver, question: DNSQuestion) async -> ValidatedResult
    {
        do throws(DNSError) {
            return .success(try await validator.resolveValidated(question))
        } catch {
            return .failure(error)
        }
    }

    private func discovered() async -> Result<(record: RecordReport, policy: PolicyReport?), UnavailableError> {
        switch environment.discovery {
        case .failure(let problem): return .failure(problem)
        case .success(let discovery):
            let record = await discovery.record(of: names.domain)
            guard case .published = record.result else { return .success((record, nil)) }
            return .success((record, await discovery.policy(of: names.domain)))
        }
    }
}

extension CacheFileStatus {
    /// The owner of the database, or else of its directory.
    fileprivate var owner: UInt32? { files.first?.look.facts?.owner ?? directory.facts?.owner }
}

/// Runs work that blocks its thread, outside of the threads of Swift's tasks. All such work has its own time limit.
package enum Blocking {
    package static func run<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value {
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async { continuation.resume(returning: work()) }
        }
    }
}
