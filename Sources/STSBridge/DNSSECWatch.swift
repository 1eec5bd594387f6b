import Logging
import PolicyService
import ServiceLifecycle
import UnboundDNS

/// Looks now and then whether the DNS servers let DNSSEC through, and switches DANE by that.
///
/// Until the first look is done DANE is on: where signatures are stripped every answer fails, and what was never known to
/// be signed has no DANE then. Never blocks the start; changes are told, not looks.
struct DNSSECWatch: Service {
    let validator: UnboundValidator
    let policies: PolicyService
    let logger: Logger

    /// While all is well, and while it is not.
    private static let doubt = Duration.seconds(5)
    private static let pauses = (well: Duration.seconds(3_600), ill: Duration.seconds(300))

    func run() async throws {
        var last: DNSSECStanding?
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            let standing = await look()
            guard !Task.isCancelled else { return }
            // The words may differ from time to time.
            if last.map({ !standing.isSameKind(as: $0) }) ?? true { tell(standing, after: last) }
            switch standing {
            case .works: policies.useDANE(true)
            case .stripped: policies.useDANE(false)
            case .unreachable: break
            }
            last = standing
            let isWell = if case .works = standing { true } else { false }
            try? await cancelWhenGracefulShutdown {
                try await Task.sleep(for: isWell ? Self.pauses.well : Self.pauses.ill)
            }
            // A zone whose keys could not be had is asked for them anew.
            try? validator.forget()
        }
    }

    /// A key that could not be had makes all of its zone bogus for a while, as if signatures were stripped: so that is
    /// believed only when a second look, with nothing remembered, says the same.
    private func look() async -> DNSSECStanding {
        let first = await DNSSECProbe(validator).probe()
        guard case .stripped = first else { return first }
        try? validator.forget()
        guard (try? await cancelWhenGracefulShutdown({ try await Task.sleep(for: Self.doubt) })) != nil else {
            return first
        }
        return await DNSSECProbe(validator).probe()
    }

    private func tell(_ standing: DNSSECStanding, after last: DNSSECStanding?) {
        switch standing {
        case .works(let doubt):
            if let doubt { logger.warning("DNSSEC works, with a doubt", metadata: ["reason": "\(doubt)"]) }
            if last != nil { logger.notice("DNSSEC works, DANE is looked for") }
        case .stripped(let reason):
            logger.error(
                "DNS servers strip DNSSEC, DANE is off: use servers that pass it on", metadata: ["reason": "\(reason)"])
        case .unreachable(let reason):
            logger.warning("DNSSEC could not be tried", metadata: ["reason": "\(reason)"])
        }
    }
}

extension DNSSECStanding {
    fileprivate func isSameKind(as other: DNSSECStanding) -> Bool {
        switch (self, other) {
        case (.works(let doubt), .works(let before)): (doubt == nil) == (before == nil)
        case (.stripped, .stripped), (.unreachable, .unreachable): true
        default: false
        }
    }
}
