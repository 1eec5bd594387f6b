/// Why the daemon did not do what the request asked: the API's only form of an error.
///
/// Not the members of RFC 9457: scripts and tests read `error` and `hint`.
package struct ProblemDetails: APIModel, Equatable {
    /// What failed and why.
    package let error: String
    /// What to do about it.
    package let hint: String?

    package init(_ error: String, hint: String? = nil) {
        self.error = error
        self.hint = hint
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "ProblemDetails", summary: "Why the daemon did not do what the request asked.",
            properties: [
                .required("error", as: .text("What failed and why.")),
                .optional("hint", as: .text("What to do about it.")),
            ])
    }
}

extension ProblemDetails: CustomStringConvertible {
    package var description: String { hint.map { "\(error); \($0)" } ?? error }
}
