import DANE
import MTASTS

/// The questions about one host (RFC 7672 §2.2.2, §2.2.3): its addresses, then TLSA where they are secure.
struct HostInquiry {
    private let resolver: any ValidatingResolver
    private let host: String
    private let port: UInt16
    private(set) var steps: [DNSStep] = []
    private(set) var isSigned = false

    init(_ host: String, port: UInt16, resolver: any ValidatingResolver) {
        self.resolver = resolver
        self.host = host
        self.port = port
    }

    /// - Parameter onSigned: called with the first TLSA question before it is asked: then the address is known to be signed.
    mutating func judge(onSigned: (DNSQuestion) -> Void) async -> HostFinding.Ground {
        switch await addresses() {
        case .settled(let ground):
            return ground
        case .bases(let candidates):
            if let base = candidates.first { onSigned(DNSQuestion(name: name(ofTLSAAt: base), type: .tlsa)) }
            return await tlsa(of: candidates)
        }
    }

    private func name(ofTLSAAt base: String) -> String { "_\(port)._tcp.\(base)" }

    private enum AddressOutcome {
        case settled(HostFinding.Ground)
        /// Secure addresses; TLSA may be at these base domains, the first one that has it counts.
        case bases([String])
    }

    /// §2.2.2: "the SMTP client MUST perform any A and/or AAAA queries … before". One family that fails spoils nothing
    /// that the other one says.
    private mutating func addresses() async -> AddressOutcome {
        async let ipv4 = resolver.step(host, .a)
        async let ipv6 = resolver.step(host, .aaaa)
        let both = [await ipv4, await ipv6]
        steps += both
        let answers = both.compactMap(\.answer)
        isSigned = answers.contains(where: \.isSecure)

        let addresses = answers.filter { $0.records != nil }
        if let insecure = addresses.first(where: { !$0.isSecure }) {
            return insecure.isAlias ? await firstLink() : .settled(.insecureAddress)
        }
        if let secure = addresses.first {
            // "The fully CNAME-expanded initial name and, failing that, the initial name itself."
            return .bases(secure.isAlias ? [secure.canonicalName.lowercased(), host] : [host])
        }
        guard let failure = both.lazy.compactMap(\.failure).first else { return .settled(.noAddress) }
        // The denial of the other family proves that the host's zone is unsigned: the error hides no TLSA record.
        if let denial = answers.first, !denial.isSecure, !denial.isAlias { return .settled(.insecureAddress) }
        return .settled(.lookupFailed(failure))
    }

    /// An insecure address behind an alias: if the alias itself is secure, its zone may hold TLSA (§2.1.3, §2.2.2).
    private mutating func firstLink() async -> AddressOutcome {
        let step = await resolver.step(host, .cname)
        steps.append(step)
        switch step.outcome {
        case .failure(let failure):
            return .settled(.lookupFailed(failure))
        case .success(let link):
            guard link.isSecure else { return .settled(.insecureAddress) }
            isSigned = true
            return .bases([host])
        }
    }

    /// §2.2.3: "The first of these candidate domains to yield a 'secure' TLSA RRSet becomes the actual TLSA base
    /// domain"; insecure or no records: the next one.
    private mutating func tlsa(of candidates: [String]) async -> HostFinding.Ground {
        for base in candidates {
            let owner = name(ofTLSAAt: base)
            // A name that DNS cannot carry holds no records.
            guard owner.utf8.count <= DomainName.maximumLength else { continue }
            let step = await resolver.step(owner, .tlsa)
            steps.append(step)
            switch step.outcome {
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
