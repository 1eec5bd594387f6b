/// The seam to validated DNS (RFC 4035, RFC 7672 §2.1): one question, one answer, and whether DNSSEC proves it.
///
/// Real: UnboundDNS. Twin: `ScriptedValidatingResolver` of the tests.
/// Concurrency: any number of questions at once, from any task. Cancelling the task cancels its question only.
/// Caching: none that hides a change from a forced discovery for longer than the records' own TTL.
package protocol ValidatingResolver: Sendable {
    /// CNAMEs are followed; one insecure link makes the whole answer insecure (RFC 7672 §2.1.3). Asked for
    /// `RecordType.cname` nothing is followed: the answer is the first link alone, with its own security.
    ///
    /// - Throws: `DNSFailure` for whatever is no answer: SERVFAIL, time-out, bogus (`.bogus`), a malformed answer.
    ///   Insecure is an answer; so is a denial, secure or insecure.
    func resolveValidated(_ question: DNSQuestion) async throws(DNSFailure) -> ValidatedAnswer
}

/// What the servers said for sure, and how sure.
package struct ValidatedAnswer: Equatable, Sendable {
    package let answer: DNSAnswer
    /// Proven by signatures up to the trust anchor, every CNAME of the way included.
    package let isSecure: Bool
    /// The name at the end of the CNAMEs, in ASCII without the final dot; the question's own name where there are none.
    package let canonicalName: String

    package init(_ answer: DNSAnswer, isSecure: Bool, canonicalName: String? = nil) {
        self.answer = answer
        self.isSecure = isSecure
        self.canonicalName = canonicalName ?? answer.question.name
    }
}
