/// How we share our addresses with another daemon of the same user, so that an upgrade drops no lookup.
///
/// The one in charge holds the archive. A newer one, started beside it, stands ready at the same addresses and hears nothing
/// there until the one in charge is told to end and steers Postfix over; so a second daemon that was started by mistake
/// takes no lookup from the first. Nobody is told by anybody: an address leads where the kernel, or the name, says.
package enum Tenure: Equatable, Sendable {
    /// Alone: nothing would tell who is in charge, so an address that somebody has is not to be had.
    case alone
    case inCharge
    /// Ready to follow the one in charge.
    case heir
}
