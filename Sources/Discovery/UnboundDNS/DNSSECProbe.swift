import Discovery

/// Whether DNSSEC validation works with these servers.
package enum DNSSECStatus: Equatable, Sendable {
    /// Signatures arrive and validate.
    ///
    /// - Parameters:
    ///   - failed: The names of the probe that do not validate. Only their own zones are affected.
    ///   - warning: Not `nil` if the bogus test name did not fail. Its zone may be repaired, or the libraries of this host
    ///     reject its algorithm (SHA-1).
    case works(failed: [DNSSECProbe.Failure], warning: String?)
    /// None of the probe's names validates, but another name did within the last minutes. Either an attacker interferes with the
    /// probe's names, or the servers have just begun to strip DNSSEC.
    case worksElsewhere(failed: [DNSSECProbe.Failure])
    /// The servers answer, and nothing validates: they strip DNSSEC. A wrong trust anchor and a wrong clock have the same
    /// effect. The reasons contain libunbound's text.
    case stripped([DNSSECProbe.Failure])
    /// The root's answers did not arrive, so there is no result.
    case unreachable([DNSSECProbe.Failure])
}

/// Queries names that are known to be signed, to find out whether DNSSEC validation works with the servers.
///
/// It queries the root, because nothing validates without it, and several top-level domains, because one zone may fail
/// alone. One more name has wrong signatures on purpose. A probe takes the pauses and the time limit of one query.
///
/// Concurrency: The queries of one probe overlap, but start one after the other with a pause. No state.
/// Errors: None. The answers contain them.
/// Security: The queries use the resolver that mail uses, and drop none of its keys. So a probe gives an attacker no chance
/// to forge a known key.
/// Not here: when to probe, and the reaction to the result (BridgeDaemon).
package struct DNSSECProbe: Sendable {
    /// The names to query.
    package struct Names: Sendable {
        /// Signed by the root's own keys.
        package var root: [DNSQuestion]
        /// Signed by the keys of top-level domains of different registries.
        package var topLevel: [DNSQuestion]
        /// Signed wrongly.
        package var bogus: DNSQuestion

        package init(root: [DNSQuestion], topLevel: [DNSQuestion], bogus: DNSQuestion) {
            self.root = root
            self.topLevel = topLevel
            self.bogus = bogus
        }

        /// `. NS` validates with the root's key; `. DNSKEY` is that key. If the key is lost on its way, `. NS` is bogus, as
        /// with stripping, but `. DNSKEY` has no answer.
        ///
        /// The top-level domains have independent registries and name servers: Verisign (com), SIDN (nl), Public Interest
        /// Registry (org), Internetstiftelsen (se). Each has been signed for more than ten years. Comcast maintains
        /// dnssec-failed.org with wrong signatures for tests.
        package static let onTheInternet = Names(
            root: [RecordType.ns, .dnskey].map { DNSQuestion(name: ".", type: $0) },
            topLevel: ["com", "nl", "org", "se"].map { DNSQuestion(name: $0, type: .ns) },
            bogus: DNSQuestion(name: "dnssec-failed.org", type: .a))
    }

    package typealias Answer = Result<ValidatedAnswer, DNSError>

    /// The answers of one probe, in the order of the names.
    package struct Answers: Sendable {
        package var root: [Answer]
        package var topLevel: [Answer]
        package var bogus: Answer

        package init(root: [Answer], topLevel: [Answer], bogus: Answer) {
            self.root = root
            self.topLevel = topLevel
            self.bogus = bogus
        }
    }

    /// A signed name that does not validate.
    package struct Failure: Equatable, Sendable {
        package let question: DNSQuestion
        package let reason: String

        package init(question: DNSQuestion, reason: String) {
            self.question = question
            self.reason = reason
        }
    }

    private let resolver: any ValidatingResolver
    private let names: Names
    private let pause: @Sendable () -> Duration
    private let sleep: @Sendable (Duration) async throws -> Void

    /// - Parameters:
    ///   - pause: The time between the starts of two queries. The default spreads a probe over about six seconds, so that a
    ///     short loss or forgery does not affect all of them.
    ///   - sleep: Waits for a duration; throws when its task is cancelled.
    package init(
        _ resolver: any ValidatingResolver, names: Names = .onTheInternet,
        pause: @escaping @Sendable () -> Duration = { .milliseconds(Int64.random(in: 500...1_500)) },
        sleep: @escaping @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }
    ) {
        self.resolver = resolver
        self.names = names
        self.pause = pause
        self.sleep = sleep
    }

    package func answers() async -> Answers {
        let questions = names.root + names.topLevel + [names.bogus]
        var answers = await withTaskGroup(of: (Int, Answer).self) { group in
            var delay = Duration.zero
            for (index, question) in questions.enumerated() {
                group.addTask { [delay] in (index, await answer(question, after: delay)) }
                delay += pause()
            }
            return await group.reduce(into: [(Int, Answer)]()) { $0.append($1) }.sorted { $0.0 < $1.0 }.map(\.1)
        }[...]
        let bogus = answers.removeLast()
        return Answers(
            root: Array(answers.prefix(names.root.count)), topLevel: Array(answers.dropFirst(names.root.count)),
            bogus: bogus)
    }

    private func answer(_ question: DNSQuestion, after delay: Duration) async -> Answer {
        guard (try? await sleep(delay)) != nil else {
            return .failure(DNSError(question: question, cause: .cancelled, servers: []))
        }
        do throws(DNSError) {
            return .success(try await resolver.resolveValidated(question))
        } catch {
            return .failure(error)
        }
    }
}

extension DNSSECStatus {
    /// The time for which a secure answer proves that DNSSEC works with the servers. It is longer than an attack on a probe
    /// and its repetition, and short enough to notice changed servers.
    package static let secureAnswerLifetime = Duration.seconds(600)

    /// Evaluates the answers of one probe.
    ///
    /// A secure answer needs signatures up to the trust anchor. So one is enough, of this probe or of any discovery within
    /// `secureAnswerLifetime`. `stripped` needs more: nothing validates, and all answers of the root have arrived. An attacker
    /// who can only drop answers, or forge answers of one zone below the root, cannot cause it.
    ///
    /// - Parameter lastSecureAnswer: The time of the last secure answer of the resolver; `nil` for never.
    package init(
        _ answers: DNSSECProbe.Answers, lastSecureAnswer: ContinuousClock.Instant?, now: ContinuousClock.Instant
    ) {
        let signed = answers.root + answers.topLevel
        let failed = signed.compactMap(\.probeFailure)
        if failed.count < signed.count {
            self = .works(failed: failed, warning: answers.bogus.warning)
        } else if !answers.root.allSatisfy(\.isUnproven) {
            self = .unreachable(failed)
        } else if let lastSecureAnswer, now - lastSecureAnswer < Self.secureAnswerLifetime {
            self = .worksElsewhere(failed: failed)
        } else {
            self = .stripped(failed)
        }
    }
}

extension DNSSECProbe.Failure: CustomStringConvertible {
    /// One line: `org NS: bogus: … (servers 192.0.2.1)`.
    package var description: String { "\(question): \(reason)" }
}

extension DNSSECProbe.Answer {
    /// `nil` for a secure answer.
    fileprivate var probeFailure: DNSSECProbe.Failure? {
        switch self {
        case .success(let answer) where answer.isSecure: nil
        case .success(let answer):
            DNSSECProbe.Failure(question: answer.answer.question, reason: "insecure answer for a signed name")
        case .failure(let failure): DNSSECProbe.Failure(question: failure.question, reason: failure.reason)
        }
    }

    /// Whether an answer arrived without valid signatures.
    fileprivate var isUnproven: Bool {
        switch self {
        case .success(let answer): return !answer.isSecure
        case .failure(let failure):
            guard case .bogus = failure.cause else { return false }
            return true
        }
    }

    /// The warning for the bogus test name. Failures of its servers have no meaning.
    fileprivate var warning: String? {
        guard case .success(let answer) = self, !answer.isSecure else { return nil }
        return "\(answer.answer.question) had an insecure answer instead of a bogus one"
    }
}
