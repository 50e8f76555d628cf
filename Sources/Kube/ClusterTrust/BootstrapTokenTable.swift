public import KubeAPI

/// Bootstrap tokens as `kubeadm token list` prints them.
public enum BootstrapTokenTable {
    private static let header = ["TOKEN", "TTL", "EXPIRES", "USAGES", "DESCRIPTION", "EXTRA GROUPS"]

    public static func text(_ tokens: [BootstrapTokenSecret], now: Time) -> String {
        let rows = [header] + tokens.sorted { $0.token.id < $1.token.id }.map { row($0, now) }
        let widths = header.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            row.enumerated().map { column, cell in
                column == row.count - 1 ? cell : cell + String(repeating: " ", count: widths[column] - cell.count + 3)
            }.joined() + "\n"
        }.joined()
    }

    private static func row(_ token: BootstrapTokenSecret, _ now: Time) -> [String] {
        func list(_ items: [String]) -> String { items.isEmpty ? "<none>" : items.joined(separator: ",") }
        return [
            token.token.description, token.expiration.map { duration(seconds: $0.seconds - now.seconds) } ?? "<forever>",
            token.expiration?.description ?? "<never>", list(token.usages), token.description.isEmpty ? "<none>" : token.description, list(token.groups),
        ]
    }

    /// One unit, the largest that fits.
    static func duration(seconds: Int64) -> String {
        switch seconds {
        case ..<(-1): "<invalid>"
        case ..<0: "0s"
        case ..<60: "\(seconds)s"
        case ..<3600: "\(seconds / 60)m"
        case ..<86_400: "\(seconds / 3600)h"
        case ..<(365 * 86_400): "\(seconds / 86_400)d"
        default: "\(seconds / 86_400 / 365)y"
        }
    }
}

/// A span of time as operators write it: `24h`, `1h30m`, `0`.
public enum TimeToLive {
    /// - Returns: seconds.
    /// - Throws: ``ClusterTrustError`` that names what was expected.
    public static func seconds(_ text: String) throws(ClusterTrustError) -> Int64 {
        if text == "0" { return 0 }
        let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        var (total, number): (Int64, Int64?) = (0, nil)
        for character in text {
            if let digit = character.isASCII ? character.wholeNumberValue : nil {
                let (product, overflows) = (number ?? 0).multipliedReportingOverflow(by: 10)
                guard !overflows, product < 1 << 40 else { throw wrong(text) }
                number = product + Int64(digit)
            } else {
                guard let unit = units[character], let count = number else { throw wrong(text) }
                total += count * unit
                number = nil
            }
        }
        guard number == nil, !text.isEmpty else { throw wrong(text) }
        return total
    }

    private static func wrong(_ text: String) -> ClusterTrustError {
        ClusterTrustError("expected a time to live such as 24h, 1h30m or 0 for a token that never expires, found '\(text)'")
    }
}
