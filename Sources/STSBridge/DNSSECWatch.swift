import Logging
import PolicyService
import ServiceLifecycle
import UnboundDNS

/// Looks now and then whether the DNS servers let DNSSEC through, and switches DANE by that.
///
/// Until the first look is done DANE is on: where signatures are stripped every answer is insecure, which is no DANE
/// anyway. Never blocks the start; changes are told, not looks.
struct DNSSECWatch: Service {
    let validator: UnboundValidator
    let policies: PolicyService
    let logger: Logger

    /// While all is well, and while it is not.
    private static let pauses = (well: Duration.seconds(3_600), ill: Duration.seconds(300))

    func run() async throws {
        var last: DNSSECStanding?
        while !Task.isShuttingDownGracefully, !Task.isCancelled {
            let standing = await DNSSECProbe(validator).probe()
            guard !Task.isCancelled else { return }
            if standing != last { tell(standing, after: last) }
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
