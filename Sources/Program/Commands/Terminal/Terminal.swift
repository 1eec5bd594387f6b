import Foundation
import Glibc

/// The terminal, pipe or file that a command writes to: its width, and whether it shows colours.
struct Terminal: Sendable {
    /// Columns; `nil`: a pipe or a file, which gets every value in full.
    let width: Int?
    let hasColour: Bool

    /// A table needs at least this many columns.
    private static let minimumWidth = 40
    /// The width if the terminal does not report one.
    private static let defaultWidth = 80

    init(width: Int?, hasColour: Bool) {
        self.width = width.map { max($0, Self.minimumWidth) }
        self.hasColour = hasColour
    }

    static var standardOutput: Terminal {
        let environment = ProcessInfo.processInfo.environment
        guard isatty(STDOUT_FILENO) == 1 else { return Terminal(width: nil, hasColour: false) }
        let width = environment["COLUMNS"].flatMap(Int.init).flatMap { $0 > 0 ? $0 : nil }
        // https://no-color.org: present and not empty.
        let isColourless = environment["NO_COLOR"]?.isEmpty == false || environment["TERM"] == "dumb"
        return Terminal(width: width ?? columns(of: STDOUT_FILENO) ?? defaultWidth, hasColour: !isColourless)
    }

    /// `nil`: the terminal does not report its width.
    private static func columns(of descriptor: Int32) -> Int? {
        var size = winsize()
        guard ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return nil }
        return Int(size.ws_col)
    }

    func paint(_ text: String, style: Style) -> String {
        guard hasColour, let code = style.code, !text.isEmpty else { return text }
        return "\u{1B}[\(code)m\(text)\u{1B}[0m"
    }
}

/// The emphasis of a text. It only repeats what the text says.
enum Style: Sendable {
    case plain
    case strong
    case faint
    case good
    case warning
    case bad

    /// The SGR code of ECMA-48. Every terminal has these eight colours.
    fileprivate var code: Int? {
        switch self {
        case .plain: nil
        case .strong: 1
        case .faint: 2
        case .good: 32
        case .warning: 33
        case .bad: 31
        }
    }
}

/// A part of a line with one style.
struct StyledText: Equatable, Sendable, ExpressibleByStringInterpolation {
    let text: String
    let style: Style

    init(_ text: String, style: Style = .plain) {
        self.text = text
        self.style = style
    }

    init(stringLiteral text: String) {
        self.init(text)
    }
}
