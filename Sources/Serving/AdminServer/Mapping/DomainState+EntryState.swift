import AdminAPI
import DANE
import MTASTS
import PolicyCaching

extension PolicyMode {
    package init(_ mode: STSPolicy.Mode) {
        switch mode {
        case .enforce: self = .enforce
        case .testing: self = .testing
        case .none: self = .none
        }
    }
}

extension DomainState {
    init(_ state: EntryState) {
        switch state {
        case .enforce: self = .enforce
        case .testing: self = .testing
        case .none: self = .none
        case .noPolicy: self = .noPolicy
        case .unknown: self = .unknown
        }
    }
}

extension EntryState {
    init(_ state: DomainState) {
        switch state {
        case .enforce: self = .enforce
        case .testing: self = .testing
        case .none: self = .none
        case .noPolicy: self = .noPolicy
        case .unknown: self = .unknown
        }
    }
}

extension EntryQuery.Order {
    init(_ sort: EntrySort) {
        switch sort {
        case .none: self = .none
        case .domain: self = .domain
        case .expiry: self = .expiry
        case .fetched: self = .fetched
        case .asked: self = .asked
        }
    }
}

extension DecisionRule {
    package init(_ rule: Decision.Rule) {
        switch rule {
        case .observe: self = .observe
        case .exempt: self = .exempt
        case .pin: self = .pin
        case .dane: self = .dane
        case .danePartial: self = .danePartial
        case .daneUnknown: self = .daneUnknown
        case .enforce: self = .enforce
        case .testing: self = .testing
        case .none: self = .none
        case .noPolicy: self = .noPolicy
        case .unknown: self = .unknown
        }
    }
}

extension OverrideKind {
    init(_ category: Override.Category) {
        switch category {
        case .exemption: self = .exempt
        case .pin: self = .pin
        }
    }
}

extension Override.Category {
    init(_ kind: OverrideKind) {
        switch kind {
        case .exempt: self = .exemption
        case .pin: self = .pin
        }
    }
}

extension DANEDetails.Coverage {
    init(_ coverage: DANECoverage) {
        switch coverage {
        case .complete: self = .complete
        case .partial: self = .partial
        case .unknown: self = .unknown
        case .notApplicable: self = .notApplicable
        }
    }
}
