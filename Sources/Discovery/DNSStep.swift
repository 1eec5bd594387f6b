/// One question of a discovery and how it ended, as `query` shows it.
package struct DNSStep: Equatable, Sendable {
    package let question: DNSQuestion
    package let outcome: Result<ValidatedAnswer, DNSFailure>

    package init(question: DNSQuestion, outcome: Result<ValidatedAnswer, DNSFailure>) {
        self.question = question
        self.outcome = outcome
    }

    package var answer: ValidatedAnswer? { try? outcome.get() }

    package var failure: DNSFailure? {
        guard case .failure(let failure) = outcome else { return nil }
        return failure
    }
}

extension DNSStep: CustomStringConvertible {
    /// One line: `mx1.example.com A: secure, 1 record, TTL 300`.
    package var description: String {
        switch outcome {
        case .failure(let failure): return "\(failure)"
        case .success(let validated):
            let security = validated.isSecure ? "secure" : "insecure"
            let alias = validated.isAlias ? ", alias of \(validated.canonicalName)" : ""
            return "\(question): \(security), \(validated.answer.content), TTL \(validated.answer.timeToLive)\(alias)"
        }
    }
}

extension DNSAnswer.Content: CustomStringConvertible {
    package var description: String {
        switch self {
        case .records(let data): data.count == 1 ? "1 record" : "\(data.count) records"
        case .noData: "no such record (NODATA)"
        case .nameError: "no such name (NXDOMAIN)"
        }
    }
}

extension ValidatedAnswer {
    /// Whether the question's name is an alias of another one. A spelling in another case is none.
    var isAlias: Bool { canonicalName.lowercased() != answer.question.name.lowercased() }

    /// The record data, where there is any.
    var records: [[UInt8]]? {
        guard case .records(let data) = answer.content else { return nil }
        return data
    }
}

extension ValidatingResolver {
    /// Asks, and looks once more at addresses: RDATA of a wrong length is a failure, not a host without address.
    func step(_ name: String, _ type: RecordType) async -> DNSStep {
        let question = DNSQuestion(name: name, type: type)
        do throws(DNSFailure) {
            let answer = try await resolveValidated(question)
            if let length = type.addressLength, let data = answer.records, !data.allSatisfy({ $0.count == length }) {
                throw DNSFailure(
                    question: question, cause: .malformedAnswer("\(type) data of a wrong length"), servers: [])
            }
            return DNSStep(question: question, outcome: .success(answer))
        } catch {
            return DNSStep(question: question, outcome: .failure(error))
        }
    }
}

extension RecordType {
    /// Octets of record data, for addresses.
    fileprivate var addressLength: Int? {
        switch self {
        case .a: 4
        case .aaaa: 16
        case .ns, .cname, .mx, .txt, .dnskey, .tlsa: nil
        }
    }
}
