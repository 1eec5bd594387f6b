import DANE
import MTASTS

/// The queries for one MX host (RFC 7672 §2.2.2, §2.2.3): its addresses, then TLSA if the addresses are secure.
struct MXHostLookup {
    private let resolver: any ValidatingResolver
    private let host: String
    private let port: UInt16
    private(set) var queries: [DNSQueryTrace] = []
    private(set) var isSigned = false

    init(_ host: String, port: UInt16, resolver: any ValidatingResolver) {
        self.resolver = resolver
        self.host = host
        self.port = port
    }

    /// - Parameter onSigned: Called with the first TLSA question before its query, when the address is known to be signed.
    mutating func run(onSigned: (DNSQuestion) -> Void) async -> MXHostResult.Reason {
        switch await lookUpAddresses() {
        case .finished(let reason):
            return reason
        case .candidates(let bases):
            if let base = bases.first { onSigned(DNSQuestion(name: tlsaName(at: base), type: .tlsa)) }
            return await lookUpTLSA(at: bases)
        }
    }

    private func tlsaName(at base: String) -> String { "_\(port)._tcp.\(base)" }

    private enum AddressResult {
        case finished(MXHostResult.Reason)
        /// The addresses are secure. These are the candidate TLSA base domains; the first one with a secure TLSA RRset counts.
        case candidates([String])
    }

    /// "The SMTP client MUST perform any A and/or AAAA queries … before" TLSA queries (§2.2.2). If one address family fails,
    /// the answer of the other is enough.
    private mutating func lookUpAddresses() async -> AddressResult {
        async let ipv4 = resolver.trace(host, type: .a)
        async let ipv6 = resolver.trace(host, type: .aaaa)
        let both = [await ipv4, await ipv6]
        queries += both
        let answers = both.compactMap(\.answer)
        isSigned = answers.contains(where: \.isSecure)

        let addresses = answers.filter { $0.records != nil }
        if let insecure = addresses.first(where: { !$0.isSecure }) {
            return insecure.isAlias ? await lookUpAlias() : .finished(.insecureAddress)
        }
        if let secure = addresses.first {
            // "The fully CNAME-expanded initial name and, failing that, the initial name itself."
            return .candidates(secure.isAlias ? [secure.canonicalName.lowercased(), host] : [host])
        }
        guard let failure = both.lazy.compactMap(\.failure).first else { return .finished(.noAddress) }
        // The insecure denial of the other family proves that the zone is unsigned, so the error hides no TLSA record.
        if let denial = answers.first, !denial.isSecure, !denial.isAlias { return .finished(.insecureAddress) }
        return .finished(.lookupFailed(failure))
    }

    /// The address after an alias is insecure. If the alias itself is secure, its zone may contain TLSA records (§2.1.3,
    /// §2.2.2).
    private mutating func lookUpAlias() async -> AddressResult {
        let query = await resolver.trace(host, type: .cname)
        queries.append(query)
        switch query.result {
        case .failure(let failure):
            return .finished(.lookupFailed(failure))
        case .success(let alias):
            guard alias.isSecure else { return .finished(.insecureAddress) }
            isSigned = true
            return .candidates([host])
        }
    }

    /// "The first of these candidate domains to yield a 'secure' TLSA RRSet becomes the actual TLSA base domain" (§2.2.3).
    private mutating func lookUpTLSA(at bases: [String]) async -> MXHostResult.Reason {
        for base in bases {
            let name = tlsaName(at: base)
            // A name that is too long for DNS has no records.
            guard name.utf8.count <= DomainName.maximumLength else { continue }
            let query = await resolver.trace(name, type: .tlsa)
            queries.append(query)
            switch query.result {
            case .failure(let failure):
                return .lookupFailed(failure)
            case .success(let answer):
                guard answer.isSecure, let data = answer.records else { continue }
                return .secureTLSA(base: base, TLSARecordSet(rdata: data))
            }
        }
        return .noTLSA
    }
}
