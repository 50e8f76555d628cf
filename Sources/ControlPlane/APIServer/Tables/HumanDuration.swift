/// A span of time as `kubectl get` prints it: two units at most, one when the number is large enough.
func humanDuration(seconds total: Int64) -> String {
    if total < -1 { return "<invalid>" }
    if total < 0 { return "0s" }
    if total < 120 { return "\(total)s" }
    let minutes = total / 60
    if minutes < 10 { return two(minutes, "m", total % 60, "s") }
    if minutes < 180 { return "\(minutes)m" }
    let hours = minutes / 60
    if hours < 8 { return two(hours, "h", minutes % 60, "m") }
    if hours < 48 { return "\(hours)h" }
    let days = hours / 24
    if hours < 192 { return two(days, "d", hours % 24, "h") }
    if days < 730 { return "\(days)d" }
    if days < 2920 { return two(days / 365, "y", days % 365, "d") }
    return "\(days / 365)y"
}

private func two(_ large: Int64, _ largeUnit: String, _ small: Int64, _ smallUnit: String) -> String {
    small == 0 ? "\(large)\(largeUnit)" : "\(large)\(largeUnit)\(small)\(smallUnit)"
}
