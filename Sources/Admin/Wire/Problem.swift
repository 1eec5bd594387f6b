/// Why the daemon has not done what it was asked for: the API's only form of an error.
package struct Problem: WireValue, Error, Equatable {
    /// What is the matter.
    package let error: String
    /// What to do about it.
    package let hint: String?

    package init(_ error: String, hint: String? = nil) {
        self.error = error
        self.hint = hint
    }

    package static var schema: ObjectSchema {
        ObjectSchema(
            "Problem", "Why something was not done.",
            [
                .always("error", .text("What is the matter.")),
                .sometimes("hint", .text("What to do about it.")),
            ])
    }
}

extension Problem: CustomStringConvertible {
    package var description: String { hint.map { "\(error); \($0)" } ?? error }
}
