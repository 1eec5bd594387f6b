/// The interface to DNS with DNSSEC validation (RFC 4035, RFC 7672 §2.1).
///
/// UnboundDNS implements it; tests use the fake `ScriptedValidatingResolver`.
///
/// Concurrency: Any number of questions at once, from any task. Cancelling a task cancels its own question only.
/// Limits: A cache may hide a change for the TTL of the records, not longer.
package protocol ValidatingResolver: Sendable {
    /// Follows CNAMEs. One insecure CNAME makes the whole answer insecure (RFC 7672 §2.1.3). A question for
    /// `RecordType.cname` follows nothing: the answer is the first CNAME and its own security.
    ///
    /// - Throws: `DNSError` if there is no answer: SERVFAIL, time-out, bogus (`.bogus`), a malformed answer.
    ///   An insecure answer is an answer, and so is a denial, secure or insecure.
    func resolveValidated(_ question: DNSQuestion) async throws(DNSError) -> ValidatedAnswer
}

/// An answer and its security.
package struct ValidatedAnswer: Equatable, Sendable {
    package let answer: DNSAnswer
    /// Whether signatures prove the answer up to the trust anchor, including every CNAME.
    package let isSecure: Bool
    /// The name after all CNAMEs, in ASCII without the final dot. Without a CNAME, the name of the question.
    package let canonicalName: String

    package init(_ answer: DNSAnswer, isSecure: Bool, canonicalName: String? = nil) {
        self.answer = answer
        self.isSecure = isSecure
        self.canonicalName = canonicalName ?? answer.question.name
    }
}

extension ValidatedAnswer {
    /// Whether the name of the question is an alias of another name. Case does not matter.
    var isAlias: Bool { canonicalName.lowercased() != answer.question.name.lowercased() }

    /// The record data; `nil` for a negative answer.
    var records: [[UInt8]]? {
        guard case .records(let data) = answer.content else { return nil }
        return data
    }
}
