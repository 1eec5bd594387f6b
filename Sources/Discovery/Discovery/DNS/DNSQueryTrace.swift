/// One query of a discovery and its result, for the `query` command.
package struct DNSQueryTrace: Equatable, Sendable {
    package let question: DNSQuestion
    package let result: Result<ValidatedAnswer, DNSError>

    package init(question: DNSQuestion, result: Result<ValidatedAnswer, DNSError>) {
        self.question = question
        self.result = result
    }

    package var answer: ValidatedAnswer? { try? result.get() }

    package var failure: DNSError? {
        guard case .failure(let failure) = result else { return nil }
        return failure
    }
}

extension DNSQueryTrace: CustomStringConvertible {
    /// One line: `mx1.example.com A: secure, 1 record, TTL 300`.
    package var description: String {
        switch result {
        case .failure(let failure): return "\(failure)"
        case .success(let validated):
            let security = validated.isSecure ? "secure" : "insecure"
            let alias = validated.isAlias ? ", alias of \(validated.canonicalName)" : ""
            return "\(question): \(security), \(validated.answer.content), TTL \(validated.answer.timeToLive)\(alias)"
        }
    }
}

extension ValidatingResolver {
    /// Runs a query and checks the length of addresses. Record data of a wrong length is an error, so that a host never
    /// seems to have no address because of it.
    func trace(_ name: String, type: RecordType) async -> DNSQueryTrace {
        let question = DNSQuestion(name: name, type: type)
        do throws(DNSError) {
            let answer = try await resolveValidated(question)
            if let length = type.addressLength, let data = answer.records, !data.allSatisfy({ $0.count == length }) {
                throw DNSError(
                    question: question, cause: .malformedAnswer("\(type) data of a wrong length"), servers: [])
            }
            return DNSQueryTrace(question: question, result: .success(answer))
        } catch {
            return DNSQueryTrace(question: question, result: .failure(error))
        }
    }
}

extension RecordType {
    /// The length of an address in octets; `nil` for other types.
    fileprivate var addressLength: Int? {
        switch self {
        case .a: 4
        case .aaaa: 16
        case .ns, .cname, .soa, .mx, .txt, .ds, .dnskey, .tlsa: nil
        }
    }
}
