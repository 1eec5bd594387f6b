/// One property where a fresh discovery differs from the cache.
package struct Difference: APIModel, Equatable {
    package enum Property: String, APIWord {
        case rule, reply, record, policy, mode
        case maxAge = "max_age"
        case mx
        case daneMX = "dane mx"
        case daneHosts = "dane hosts"
    }

    package let property: Property
    package let cached: String
    package let live: String

    package init(property: Property, cached: String, live: String) {
        self.property = property
        self.cached = cached
        self.live = live
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "Difference", summary: "One property where a fresh discovery differs from the cache.",
            properties: [
                .required("property", as: .word(Property.self, summary: "What differs.")),
                .required("cached", as: .text("The value in the cache, on which the reply is based.")),
                .required("live", as: .text("The value that is published now.")),
            ])
    }
}
