import Discovery

/// What can be expected of validation with these servers.
package enum DNSSECStanding: Equatable, Sendable {
    /// Signatures come through and are judged.
    ///
    /// - Parameters:
    ///   - failed: the probe's names that do not validate all the same. That concerns their own zones only.
    ///   - doubt: the name that must be bogus was answered as insecure. It may have been repaired, or this host's
    ///     libraries refuse its algorithm (SHA-1).
    case works(failed: [DNSSECProbe.Failure], doubt: String?)
    /// None of the probe's names validates, but another name did within the last minutes. So DNSSEC comes through, and
    /// somebody interferes with the probe's names, or the servers have just begun to strip it.
    case worksElsewhere(failed: [DNSSECProbe.Failure])
    /// The servers answer, and nothing validates: they strip DNSSEC. A wrong trust anchor and a wrong clock look the same
    /// from here; the reasons hold libunbound's words.
    case stripped([DNSSECProbe.Failure])
    /// The root's answers did not arrive, so nothing was found out.
    case unreachable([DNSSECProbe.Failure])
}

/// Asks names that are known to be signed, to find out whether the servers let DNSSEC through.
///
/// The root is asked because nothing validates without it, and several top-level domains because one zone's failure says
/// nothing about the others. One more name has wrong signatures on purpose.
/// Concurrency: the questions of one probe overlap, but begin one after the other with a pause in between. No state.
/// Errors: none; the results hold them. A probe takes the pauses and the resolver's time for one query.
/// Security: the questions go through the resolver that mail depends on, and drop none of its keys. So a probe gives nobody
/// a chance to forge a key that is known already.
/// Not here: when to probe, and what to do about it (the wiring).
package struct DNSSECProbe: Sendable {
    /// The names to ask.
    package struct Names: Sendable {
        /// Signed by the root's own keys.
        package var root: [DNSQuestion]
        /// Signed by the keys of zones below it, which different registries hold.
        package var topLevel: [DNSQuestion]
        /// Signed wrongly.
        package var bogus: DNSQuestion

        package init(root: [DNSQuestion], topLevel: [DNSQuestion], bogus: DNSQuestion) {
            self.root = root
            self.topLevel = topLevel
            self.bogus = bogus
        }

        /// `. NS` needs the root's key to be judged; `. DNSKEY` is that key. A key that is lost on its way makes `. NS`
        /// bogus, as stripping does, but leaves `. DNSKEY` without an answer.
        ///
        /// The top-level domains have independent registries with name servers of their own: Verisign (com), SIDN (nl),
        /// Public Interest Registry (org), Internetstiftelsen (se). Each has been signed for more than ten years.
        /// dnssec-failed.org is kept broken by Comcast for tests.
        package static let onTheInternet = Names(
            root: [RecordType.ns, .dnskey].map { DNSQuestion(name: ".", type: $0) },
            topLevel: ["com", "nl", "org", "se"].map { DNSQuestion(name: $0, type: .ns) },
            bogus: DNSQuestion(name: "dnssec-failed.org", type: .a))
    }

    package typealias Answer = Result<ValidatedAnswer, DNSFailure>

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
    ///   - pause: between the beginnings of two questions. The default spreads a probe over about six seconds, so that
    ///     one moment of loss or forgery does not hit all of them.
    ///   - sleep: lets a span pass; throws when its task is cancelled.
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
            for (place, question) in questions.enumerated() {
                group.addTask { [delay] in (place, await answer(question, after: delay)) }
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
            return .failure(DNSFailure(question: question, cause: .cancelled, servers: []))
        }
        do throws(DNSFailure) {
            return .success(try await resolver.resolveValidated(question))
        } catch {
            return .failure(error)
        }
    }
}

extension DNSSECStanding {
    /// How long a secure answer proves that the servers let DNSSEC through. Long enough that one attack on a probe and on
    /// its repetition does not outlast it; short enough that servers that changed are noticed.
    package static let secureAnswerLifetime = Duration.seconds(600)

    /// The decision over the answers of one probe.
    ///
    /// A secure answer needs signatures up to the trust anchor, so one suffices: of this probe, or of any discovery within
    /// `secureAnswerLifetime`. Stripped takes more: nothing validates, and each of the root's answers did arrive. Whoever
    /// can only drop answers, or forge those of one zone below the root, does not get there.
    ///
    /// - Parameter lastSecureAnswer: when the resolver last proved any answer; `nil`: never.
    package init(
        _ answers: DNSSECProbe.Answers, lastSecureAnswer: ContinuousClock.Instant?, now: ContinuousClock.Instant
    ) {
        let signed = answers.root + answers.topLevel
        let failed = signed.compactMap(\.probeFailure)
        if failed.count < signed.count {
            self = .works(failed: failed, doubt: answers.bogus.doubt)
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
    /// `nil`: the answer is secure.
    fileprivate var probeFailure: DNSSECProbe.Failure? {
        switch self {
        case .success(let answer) where answer.isSecure: nil
        case .success(let answer):
            DNSSECProbe.Failure(question: answer.answer.question, reason: "answered as insecure, though it is signed")
        case .failure(let failure): DNSSECProbe.Failure(question: failure.question, reason: failure.reason)
        }
    }

    /// An answer arrived, and no signature proves it.
    fileprivate var isUnproven: Bool {
        switch self {
        case .success(let answer): return !answer.isSecure
        case .failure(let failure):
            guard case .bogus = failure.cause else { return false }
            return true
        }
    }

    /// Of the name that must be bogus. Its servers' failures say nothing.
    fileprivate var doubt: String? {
        guard case .success(let answer) = self, !answer.isSecure else { return nil }
        return "\(answer.answer.question) was answered as insecure, though its signatures are known to be wrong"
    }
}
